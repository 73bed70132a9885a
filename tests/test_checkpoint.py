"""Weights in files: round trips, and one clear line for whatever is not HDSRNet."""

import contextlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hdsr import checkpoint
from hdsr.errors import HdsrError
from hdsr.fetch import manifest, weights
from hdsr.methods.srcnn import SRCNN
from hdsr.network import RGB_MEAN, HDSRNet
from hdsr.paths import OWN_WEIGHTS


class Malicious:
    """Runs a command when unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.witness}",)


def official_state_dict(network: HDSRNet) -> dict[str, torch.Tensor]:
    """The authors' form of a network's weights."""
    ours = network.state_dict()
    state_dict = {theirs: ours[name] for theirs, name in checkpoint.official_names(network.scale).items()}
    for key, value in state_dict.items():
        if key.startswith("Block") and len(value) == 256:
            state_dict[key] = value.unflatten(0, (4, 64))
    mean = 255 * torch.tensor(RGB_MEAN)
    for side, bias in (("sub", -mean), ("add", mean)):
        state_dict[f"{side}_mean.weight"] = torch.eye(3).reshape(3, 3, 1, 1)
        state_dict[f"{side}_mean.bias"] = bias
    return state_dict


def same_weights(a: HDSRNet, b: HDSRNet) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_own_file_round_trip(tmp_path: Path, scale: int) -> None:
    network = HDSRNet(scale)
    path = tmp_path / "own.safetensors"
    checkpoint.save(network, path, {"step": 7, "seed": 1})
    loaded = checkpoint.load(path)
    assert loaded.scale == scale
    assert not loaded.training
    assert same_weights(network, loaded)
    assert checkpoint.describe(path) == {"scale": scale, "step": 7, "seed": 1}


def test_packed_file_is_half_as_large_and_loads_as_float32(tmp_path: Path) -> None:
    network = HDSRNet(2)
    checkpoint.save(network, tmp_path / "whole.safetensors", {"step": 7})
    path = tmp_path / "half.safetensors"
    checkpoint.pack(tmp_path / "whole.safetensors", path)
    assert path.stat().st_size < 4_000_000
    assert checkpoint.describe(path) == {"scale": 2, "step": 7, "stored_as": "float16"}
    for key, value in checkpoint.load(path).state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[key], rtol=1e-3, atol=1e-6)


def test_files_say_which_network_they_hold(tmp_path: Path) -> None:
    network = SRCNN(3).half().float()
    checkpoint.save(network, tmp_path / "whole.safetensors", {"step": 7})
    path = tmp_path / "half.safetensors"
    checkpoint.pack(tmp_path / "whole.safetensors", path)
    loaded = checkpoint.load_for_scale(path, 3, SRCNN)
    assert same_weights(network, loaded)
    with pytest.raises(HdsrError, match=r"half\.safetensors holds weights of SRCNN, expected HDSRNet"):
        checkpoint.load(path)
    with pytest.raises(HdsrError, match="holds weights for x3, expected x2"):
        checkpoint.load_for_scale(path, 2, SRCNN)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("wrapped", [None, "state_dict", "model"])
def test_official_file_round_trip(tmp_path: Path, scale: int, wrapped: str | None) -> None:
    network = HDSRNet(scale)
    stored = official_state_dict(network)
    torch.save({wrapped: stored} if wrapped else stored, tmp_path / "authors.pt")
    loaded = checkpoint.load(tmp_path / "authors.pt")
    assert loaded.scale == scale
    assert same_weights(network, loaded)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
@pytest.mark.parametrize("wrapper", ["params", "state_dict", "model_state_dict", "net", "generator", "ema"])
def test_foreign_wrappers_prefixes_and_half_precision(
    tmp_path: Path, wrapper: str, prefix: str, dtype: torch.dtype
) -> None:
    network = HDSRNet(2)
    stored = {prefix + key: value.to(dtype) for key, value in official_state_dict(network).items()}
    torch.save({"epoch": 3, wrapper: stored, "optimizer": {"state": {}}}, tmp_path / "a.pt")
    loaded = checkpoint.load(tmp_path / "a.pt")
    for key, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, network.state_dict()[key].to(dtype).float())


@pytest.mark.parametrize(
    "change",
    [torch.Tensor.to_sparse, lambda value: value.to("meta"), lambda value: value.to(torch.complex64)],
    ids=["sparse", "meta", "complex"],
)
def test_tensors_of_no_plain_numbers_are_refused(
    tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    stored = {key: change(value) for key, value in official_state_dict(HDSRNet(2)).items()}
    torch.save(stored, tmp_path / "a.pt")
    with pytest.raises(HdsrError, match=r"a\.pt does not hold a state dict of tensors of plain numbers"):
        checkpoint.load(tmp_path / "a.pt")


def test_averaged_weights_are_taken_before_the_last_ones_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last, averaged = HDSRNet(2), HDSRNet(2)
    stored = {"params": official_state_dict(last), "params_ema": official_state_dict(averaged)}
    torch.save(stored, tmp_path / "a.pt")
    assert same_weights(checkpoint.load(tmp_path / "a.pt"), averaged)
    said = capsys.readouterr().err
    assert said == f"{tmp_path / 'a.pt'}: the averaged weights params_ema are taken, not params\n"


def test_a_file_is_refused_for_the_true_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(HDSRNet(2), path)
    with pytest.raises(HdsrError, match=r"a\.pt .* holds code or objects \(hdsr\.network\.HDSRNet\)"):
        checkpoint.load(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(HdsrError, match=r"a\.pt does not hold a state dict of tensors"):
        checkpoint.load(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(100_000_000))
    with pytest.raises(HdsrError, match=r"a\.pt is not a PyTorch file: it is a packed archive"):
        checkpoint.load(path)


def test_no_changed_bit_of_our_file_goes_unnoticed(tmp_path: Path) -> None:
    network, path = HDSRNet(2), tmp_path / "own.safetensors"
    checkpoint.save(network, path, {"step": 7})
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for position in [*random.integers(0, 3000, 20), *random.integers(3000, len(whole), 20)]:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        with contextlib.suppress(HdsrError):
            assert same_weights(network, checkpoint.load(path))


def test_a_changed_shape_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    checkpoint.save(HDSRNet(2), path, {})
    path.write_bytes(path.read_bytes().replace(b'"shape":[64,3,3,3]', b'"shape":[3,64,3,3]'))
    with pytest.raises(HdsrError, match=r"own\.safetensors is damaged"):
        checkpoint.load(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(tmp_path: Path, value: float) -> None:
    network = HDSRNet(2)
    state_dict = official_state_dict(network)
    state_dict["conv5.0.weight"].view(-1)[7] = value
    torch.save(state_dict, tmp_path / "a.pt")
    with pytest.raises(HdsrError, match=r"a\.pt: .* conv5\.0\.weight holds values that are not finite"):
        checkpoint.load(tmp_path / "a.pt")
    with pytest.raises(HdsrError, match=r"b\.safetensors is not written: .* not finite"):
        checkpoint.save(network, tmp_path / "b.safetensors", {})
    assert not (tmp_path / "b.safetensors").exists()


def test_weights_too_large_for_half_precision_are_not_packed(tmp_path: Path) -> None:
    network = HDSRNet(2)
    network.state_dict()["lower.layers.0.weight"].view(-1)[0] = 1e6
    checkpoint.save(network, tmp_path / "a.safetensors", {})
    with pytest.raises(HdsrError, match="not finite"):
        checkpoint.pack(tmp_path / "a.safetensors", tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "hdsrnet", "scale": "²"}, "does not hold weights of ours"),
        ({"format": "hdsrnet", "scale": "5"}, "does not hold weights of ours"),
        ({"format": "hdsrnet", "scale": "2", "about": "{"}, "its description of itself is no JSON object"),
        ({"format": "hdsrnet", "scale": "2", "about": "[1]"}, "its description of itself is no JSON object"),
    ],
)
def test_a_damaged_header_is_one_line(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "a.safetensors", metadata)
    with pytest.raises(HdsrError, match=rf"a\.safetensors .*{message}"):
        checkpoint.describe(tmp_path / "a.safetensors")


def test_capital_letters_do_not_change_what_a_file_is(tmp_path: Path) -> None:
    checkpoint.save(HDSRNet(2), tmp_path / "OWN.SAFETENSORS", {})
    assert checkpoint.load(tmp_path / "OWN.SAFETENSORS").scale == 2


def test_shipped_and_published_weights_are_compared_with_their_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "OWN_WEIGHTS", tmp_path / "own")
    checkpoint.save(HDSRNet(2), tmp_path / "run.safetensors", {})
    shipped = tmp_path / "own" / "hdsrnet_x2.safetensors"
    checkpoint.pack(tmp_path / "run.safetensors", shipped)
    assert checkpoint.load_pretrained(2).scale == 2
    checkpoint.save(HDSRNet(2), shipped, {})
    for named in ("ours", shipped):
        with pytest.raises(HdsrError, match=r"hdsrnet_x2\.safetensors is not what is known by that name"):
            checkpoint.load_pretrained(2, named)
    with pytest.raises(HdsrError, match="is not what is known by that name"):
        checkpoint.load(shipped)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "carn_m.pth").write_bytes(b"other")
    with pytest.raises(HdsrError, match=r"carn_m\.pth is not what is known by that name: .* bytes, expected"):
        weights.find_weights(2, "authors", tmp_path, "carn_m")


def test_the_weights_that_ship_are_those_of_their_list() -> None:
    known = manifest.shipped(OWN_WEIGHTS)
    assert sorted(known) == sorted(path.name for path in OWN_WEIGHTS.glob("*.safetensors"))
    assert [known[name].fault(OWN_WEIGHTS / name) for name in known] == [None] * len(known)


def test_a_pickle_with_code_is_refused_and_never_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    path = tmp_path / "evil.pt"
    torch.save({"conv1.0.weight": Malicious(witness)}, path)
    with pytest.raises(HdsrError, match=r"evil\.pt .* holds code"):
        checkpoint.load(path)
    path.write_bytes(pickle.dumps(Malicious(witness)))
    with pytest.raises(HdsrError, match=r"evil\.pt"):
        checkpoint.load(path)
    assert not witness.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated_file(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"cut{suffix}"
    if suffix == ".pt":
        torch.save(official_state_dict(HDSRNet(2)), path)
    else:
        checkpoint.save(HDSRNet(2), path, {})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(HdsrError, match=rf"cut\{suffix}") as raised:
        checkpoint.load(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["carn_m.pth", "lesrcnn_x4.pth", "vdsr_model_epoch_50.pth"])
def test_weights_of_another_network(real_data_root: Path, name: str) -> None:
    with pytest.raises(HdsrError, match=rf"{name}") as raised:
        checkpoint.load(real_data_root / "weights" / name)
    assert "\n" not in str(raised.value)


def test_other_tensors_in_our_format(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(HdsrError, match=r"other\.safetensors does not hold weights of ours"):
        checkpoint.load(path)
    save_file({"weight": torch.zeros(1)}, path, {"format": "hdsrnet", "scale": "2"})
    with pytest.raises(HdsrError, match=r"other\.safetensors is not HDSRNet: missing .* unknown weight"):
        checkpoint.load(path)


def test_missing_file_and_wrong_scale(tmp_path: Path) -> None:
    with pytest.raises(HdsrError, match=r"no weights at .*absent\.pt"):
        checkpoint.load(tmp_path / "absent.pt")
    path = tmp_path / "x2.safetensors"
    checkpoint.save(HDSRNet(2), path, {})
    with pytest.raises(HdsrError, match=r"x2\.safetensors holds weights for x2, expected x4"):
        checkpoint.load_pretrained(4, path)
    with pytest.raises(HdsrError, match=r"weights of hdsrnet for x3 are not at .*hdsrnet_authors_x3\.pt"):
        checkpoint.load_pretrained(3, "authors", tmp_path)


def test_a_wrong_shape_is_named_as_the_authors_name_it(tmp_path: Path) -> None:
    state_dict = official_state_dict(HDSRNet(2))
    state_dict["conv5.0.weight"] = torch.zeros(64, 64, 1, 1)
    with pytest.raises(
        HdsrError, match=r"conv5\.0\.weight has shape \(64, 64, 1, 1\), expected \(64, 64, 3, 3\)"
    ):
        checkpoint.from_official(state_dict, 2)
