import numpy as np

from hdsr import fingerprints
from hdsr.upscaling import run as runners


def module_of(tmp_path, monkeypatch, text):
    path = tmp_path / f"module{len(list(tmp_path.iterdir()))}.py"
    path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return __import__(path.stem)


def test_code_version_sees_code_only(tmp_path, monkeypatch):
    text = 'def double(x):\n    """Twice."""\n    return 2 * x\n'
    documented = (
        '"""A module."""\n\n\n\ndef double(x):\n    # by hand\n    """Two times x."""\n    return (2\n * x)\n'
    )
    changed = text.replace("2 * x", "3 * x")
    versions = [
        fingerprints.code_version(module_of(tmp_path, monkeypatch, t)) for t in (text, documented, changed)
    ]
    assert versions[0] == versions[1] != versions[2]


def test_code_version_of_a_function_alone():
    assert fingerprints.code_version(runners.torch_device) != fingerprints.code_version(runners.devices)


def test_pixels_and_shape_make_the_hash():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert fingerprints.pixels_sha256(image) == fingerprints.pixels_sha256(np.asfortranarray(image))
    assert fingerprints.pixels_sha256(image) != fingerprints.pixels_sha256(image.reshape(4, 1, 3))
    assert fingerprints.pixels_sha256(image) != fingerprints.pixels_sha256(image + 1)
