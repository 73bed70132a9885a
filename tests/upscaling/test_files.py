"""Enlarging arrays and files: what a person's image is stays what it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms
from skimage import data as photographs
from torch import Tensor, nn
from untrained import image_like_network

from hdsr import checkpoint
from hdsr.checkpoint import load_pretrained
from hdsr.errors import HdsrError
from hdsr.images import read_picture, write_png
from hdsr.inference import fold
from hdsr.network import HDSRNet
from hdsr.resize import imresize
from hdsr.upscaling import files as upscaling
from hdsr.upscaling.files import enlarge_alpha, enlarge_pixels, upscale, upscale_files

pytestmark = pytest.mark.usefixtures("compiled")

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


class Repeat(nn.Module):
    """A network that repeats every pixel `scale` times in both directions."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(image, scale_factor=self.scale, mode="nearest")


def repeat(image: NDArray, scale: int = 2) -> NDArray:
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def repeat_rows(image: NDArray) -> Iterator[NDArray]:
    """The same, LR row by LR row, as networks give it strip by strip."""
    return (repeat(row[None]) for row in image)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network for x2."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "untrained_x2.safetensors"
    checkpoint.save(HDSRNet(2), path, {})
    return path


@pytest.fixture
def photo(tmp_path: Path) -> NDArray[np.uint8]:
    """A piece of a color photograph, 12 x 16 pixels."""
    return photographs.chelsea()[100:112, 150:166].copy()


def test_an_array_is_enlarged_as_the_network_does_it(photo: NDArray[np.uint8], weights: Path) -> None:
    network = checkpoint.load(weights)
    with torch.inference_mode():
        expected = network(torch.tensor(photo).permute(2, 0, 1)[None].float())[0].permute(1, 2, 0).numpy()
    for enlarged in (upscale(photo, 2, weights=weights), upscale(photo, 2, fold(network))):
        assert enlarged.dtype == np.uint8
        np.testing.assert_allclose(enlarged, expected.clip(0, 255), atol=0.51)


@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_array_of_any_kind_stays_what_it_is(
    photo: NDArray[np.uint8], weights: Path, channels: int | None, dtype: type
) -> None:
    four = np.concatenate([photo, photo[..., :1]], axis=2).astype(dtype) * (257 if dtype == np.uint16 else 1)
    image = four[..., 0] if channels is None else four[..., :channels]
    result = upscale(image, 2, weights=weights)
    height, width, *rest = image.shape
    assert (result.shape, result.dtype) == ((2 * height, 2 * width, *rest), dtype)
    if channels is None:
        assert np.array_equal(result, upscale(image[..., None], 2, weights=weights)[..., 0])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "P", "1"])
def test_a_pil_image_gives_a_pil_image(photo: NDArray[np.uint8], weights: Path, mode: str) -> None:
    image = Image.fromarray(photo).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    profile = 16 * b"-" + (b"GRAY" if mode in ("L", "LA", "I;16", "1") else b"RGB ")
    image.info["icc_profile"] = profile
    result = upscale(image, 2, weights=weights)
    assert result.mode == {"P": "RGB", "1": "L"}.get(mode, mode)
    assert result.size == (2 * image.width, 2 * image.height)
    assert result.info["icc_profile"] == profile
    if mode == "RGB":
        assert np.array_equal(np.asarray(result), upscale(photo, 2, weights=weights))


def test_a_profile_for_other_pixels_is_left_out(photo: NDArray[np.uint8], weights: Path) -> None:
    image = Image.fromarray(photo)
    image.info["icc_profile"] = 16 * b"-" + b"CMYK"
    assert "icc_profile" not in upscale(image, 2, weights=weights).info


def test_a_pil_image_marked_as_turned_is_turned(
    photo: NDArray[np.uint8], weights: Path, tmp_path: Path
) -> None:
    marks = Image.Exif()
    marks[ExifTags.Base.Orientation] = 6
    Image.fromarray(photo).save(tmp_path / "turned.png", exif=marks)
    result = upscale(Image.open(tmp_path / "turned.png"), 2, weights=weights)
    upright = np.ascontiguousarray(np.rot90(photo, -1))
    assert np.array_equal(np.asarray(result), upscale(upright, 2, weights=weights))


def test_a_pil_image_that_cannot_be_read_is_one_line(
    photo: NDArray[np.uint8], weights: Path, tmp_path: Path
) -> None:
    Image.fromarray(photo).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:200])
    with (
        Image.open(tmp_path / "cut.png") as image,
        pytest.raises(HdsrError, match=r"^the image cannot be read"),
    ):
        upscale(image, 2, weights=weights)
    with pytest.raises(HdsrError, match="the image has 0 x 4 pixels"):
        upscale(Image.new("I", (0, 4)), 2, weights=weights)


def test_a_network_that_is_given_stays_as_it_was(photo: NDArray[np.uint8]) -> None:
    network = image_like_network(2).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    upscale(photo, 2, network, precision="bf16")
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    weight = network.upper.entry.weight
    assert (weight.is_contiguous(), weight.dtype) == (True, torch.float32)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_weights_are_loaded_once_until_they_change(
    photo: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, loaded = tmp_path / "own.safetensors", []
    checkpoint.save(image_like_network(2), path, {})
    monkeypatch.setattr(
        upscaling, "load_pretrained", lambda *given: loaded.append(given) or load_pretrained(*given)
    )
    first = upscale(photo, 2, weights=path)
    assert np.array_equal(upscale(photo, 2, weights=path), first)
    assert len(loaded) == 1
    path.touch()
    upscale(photo, 2, weights=path)
    assert len(loaded) == 2


def test_the_self_ensemble_is_the_mean_of_eight(photo: NDArray[np.uint8], weights: Path) -> None:
    network = load_pretrained(2, weights)
    batch = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        made = [
            torch.rot90(network(torch.rot90(image, turns, (2, 3))), -turns, (2, 3)).flip([3] * mirrored)
            for mirrored in (0, 1)
            for image in [batch.flip([3] * mirrored)]
            for turns in range(4)
        ]
    mean = torch.stack(made).mean(dim=0)[0].permute(1, 2, 0).numpy()
    result = upscale(photo, 2, weights=weights, ensemble=True).astype(float)
    assert np.abs(result - mean.clip(0, 255)).max() <= 0.51
    turned = upscale(np.rot90(photo).copy(), 2, weights=weights, ensemble=True)
    assert np.abs(np.rot90(turned, -1).astype(int) - result).max() <= 1


def test_bf16_stays_close_to_fp32(photo: NDArray[np.uint8], weights: Path) -> None:
    both = [upscale(photo, 2, weights=weights, precision=precision) for precision in ("fp32", "bf16")]
    np.testing.assert_allclose(both[1].astype(int), both[0], atol=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((4, 4, 3))}, "takes uint8 or uint16 arrays, not float64"),
        ({"image": [[1]]}, "takes an array or a PIL image, not list"),
        ({"image": "photo.png"}, "takes an array or a PIL image, not str"),
        ({"image": np.zeros((4, 4, 5), np.uint8)}, r"1 to 4 channels last, not \(4, 4, 5\)"),
        ({"image": np.zeros((0, 4), np.uint8)}, "takes images of shape"),
        ({"image": Image.new("F", (4, 4))}, "the image has pixels of the kind F"),
        ({"scale": "2"}, "unknown scale '2'"),
        ({"network": "authors"}, "network is a torch module, not str"),
        ({"scale": 5}, "unknown scale 5"),
        ({"scale": 3}, r"holds weights for x2, expected x3"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        ({"device": "abacus"}, "device 'abacus' cannot be used here"),
        ({"network": Repeat(3)}, "does not enlarge x2"),
    ],
)
def test_bad_arguments(weights: Path, change: dict[str, object], message: str) -> None:
    arguments = {"image": np.zeros((4, 4, 3), np.uint8), "scale": 2, "weights": weights} | change
    with pytest.raises(HdsrError, match=message):
        upscale(**arguments)


@settings(max_examples=25, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3])),
    )
)
def test_every_depth_and_kind_keeps_its_values(pixels: NDArray) -> None:
    enlarged = enlarge_pixels(pixels, 2, repeat_rows)
    assert enlarged.dtype == pixels.dtype
    np.testing.assert_array_equal(enlarged, repeat(pixels))


def test_gray_pixels_stay_exactly_gray(photo: NDArray[np.uint8]) -> None:
    def tint(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [repeat(image) + np.float32([3, 0, -3])]

    gray = np.repeat(photo[..., :1], 3, axis=2)
    np.testing.assert_array_equal(enlarge_pixels(gray, 2, tint), repeat(gray))
    assert enlarge_pixels(photo[..., :1], 2, tint).shape == (24, 32, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_hidden_colors_do_not_bleed_and_alpha_is_bicubic(dtype: type) -> None:
    peak = np.iinfo(dtype).max
    pixels = np.zeros((10, 10, 4), dtype)
    pixels[..., 1] = peak
    pixels[2:8, 2:8] = [peak, 0, 0, peak]
    seen = []

    def enlarge(image: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        seen.append(image)
        return repeat_rows(image)

    enlarged = enlarge_pixels(pixels, 2, enlarge)
    assert (seen[0] == [255, 0, 0]).all()
    assert (enlarged[..., :3] == [peak, 0, 0]).all()
    assert (enlarged[6:14, 6:14, 3] == peak).all()
    assert (enlarged[:2, :, 3] <= peak / 500).all()


def test_an_alpha_of_one_value_keeps_it() -> None:
    for value in (0, 7, 65535):
        alpha = np.full((3, 4, 1), value, np.uint16)
        assert (enlarge_alpha(alpha, 3) == value).all()
        assert enlarge_alpha(alpha, 3).shape == (9, 12, 1)


def test_alpha_differs_from_matlab_by_no_more_than_its_rounding() -> None:
    alpha = photographs.camera()[:20, :30, None]
    np.testing.assert_allclose(enlarge_alpha(alpha, 4).astype(int), imresize(alpha, 4), atol=1)


class Kind(NamedTuple):
    """How a file of one kind is made, and the mode Pillow finds in its enlargement."""

    suffix: str
    mode: str
    options: dict[str, object]
    result_mode: str


KINDS = {
    "color": Kind(".png", "RGB", {"icc_profile": SRGB}, "RGB"),
    "gray": Kind(".png", "L", {}, "L"),
    "gray jpeg": Kind(".jpg", "L", {}, "L"),
    "jpeg": Kind(".jpeg", "RGB", {"icc_profile": SRGB}, "RGB"),
    "webp": Kind(".webp", "RGB", {}, "RGB"),
    "tiff": Kind(".tif", "RGB", {}, "RGB"),
    "bmp": Kind(".bmp", "RGB", {}, "RGB"),
    "alpha": Kind(".png", "RGBA", {}, "RGBA"),
    "gray alpha": Kind(".png", "LA", {}, "LA"),
    "16-bit gray": Kind(".png", "I;16", {}, "I;16"),
    "palette": Kind(".gif", "P", {}, "RGB"),
    "transparent palette": Kind(".png", "P", {"transparency": 0}, "RGBA"),
    "one bit": Kind(".png", "1", {}, "L"),
    "cmyk": Kind(".tif", "CMYK", {}, "RGB"),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_a_file_of_any_kind_stays_what_it_is(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path, kind: Kind
) -> None:
    image = Image.fromarray(photo)
    path = tmp_path / f"photo{kind.suffix}"
    deep = Image.fromarray(photo[..., 0].astype(np.uint16) * 257)
    (deep if kind.mode == "I;16" else image.convert(kind.mode)).save(path, **kind.options)

    assert upscale_files([path], 2, tmp_path / "out", weights, progress=False) == []
    with Image.open(tmp_path / "out" / "photo_x2.png") as result:
        assert (result.mode, result.size) == (kind.result_mode, (32, 24))
        assert result.info.get("icc_profile") == kind.options.get("icc_profile")


def test_sixteen_bit_color_keeps_more_than_eight_bits(tmp_path: Path, weights: Path) -> None:
    ramp = np.linspace(20000, 21000, 12 * 16 * 3).reshape(12, 16, 3).astype(np.uint16)
    (tmp_path / "ramp.png").write_bytes(imagecodecs.png_encode(ramp))
    assert upscale_files([tmp_path / "ramp.png"], 2, tmp_path, weights, progress=False) == []
    enlarged = read_picture(tmp_path / "ramp_x2.png").pixels
    assert enlarged.dtype == np.uint16
    assert enlarged.shape == (24, 32, 3)
    assert (enlarged % 257 != 0).any()


def test_an_eight_bit_file_gives_what_the_array_gives(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path
) -> None:
    write_png(tmp_path / "photo.png", photo)
    upscale_files([tmp_path / "photo.png"], 2, tmp_path, weights, progress=False)
    enlarged = read_picture(tmp_path / "photo_x2.png").pixels
    np.testing.assert_array_equal(enlarged, upscale(photo, 2, weights=weights))


def test_a_turned_photograph_comes_out_upright_and_unmarked(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(photo).save(tmp_path / "phone.png", exif=exif)
    upscale_files([tmp_path / "phone.png"], 2, tmp_path, weights, progress=False)
    with Image.open(tmp_path / "phone_x2.png") as result:
        assert result.getexif().get(ExifTags.Base.Orientation, 1) == 1
        expected = upscale(np.ascontiguousarray(np.rot90(photo, -1)), 2, weights=weights)
        np.testing.assert_array_equal(np.asarray(result), expected)


def test_what_was_changed_is_said(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(photo).convert("CMYK").save(tmp_path / "print.tif")
    upscale_files([tmp_path / "print.tif"], 2, tmp_path, weights, progress=False)
    said = capsys.readouterr()
    assert said.err == f"{tmp_path / 'print.tif'}: CMYK converted to RGB\n"
    assert said.out == ""


def test_bad_files_are_reported_and_the_rest_go_on(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path
) -> None:
    for name in ("a", "b", "c"):
        write_png(tmp_path / f"{name}.png", photo)
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:200])
    paths = [tmp_path / f"{name}.png" for name in ("a", "b", "absent", "c")]
    failures = upscale_files(paths, 2, tmp_path / "out", weights, progress=False)
    assert [str(paths[i]) in str(failure) for i, failure in zip((1, 2), failures, strict=True)] == [True] * 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_x2.png", "c_x2.png"]


def test_an_image_too_large_for_the_memory_is_reported(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path
) -> None:
    write_png(tmp_path / "a.png", photo)
    (failure,) = upscale_files(
        [tmp_path / "a.png"], 2, tmp_path, weights, memory_bytes=100_000, progress=False
    )
    assert str(failure).startswith(f"{tmp_path / 'a.png'}: an image of 16 x 12 pixels is too large")


def test_an_image_too_large_for_the_memory_is_not_decoded(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_png(tmp_path / "a.png", np.zeros((3000, 3000), np.uint8))
    monkeypatch.setattr(upscaling, "decode_picture", None)
    (failure,) = upscale_files([tmp_path / "a.png"], 2, tmp_path, weights, memory_bytes=2**30, progress=False)
    assert "an image of 3000 x 3000 pixels is too large" in str(failure)


def test_an_image_is_read_if_it_fits_once_others_are_done(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_png(tmp_path / "a.png", photo)
    alone = []
    monkeypatch.setattr(
        upscaling, "strip_rows", lambda *_, **options: alone.append(options.get("alone", False)) or 12
    )
    assert upscale_files([tmp_path / "a.png"], 2, tmp_path, weights, progress=False) == []
    assert alone == [True, False]


def test_a_jpeg_of_corrupt_data_is_enlarged_only_when_that_is_asked_for(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path
) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).save(path, quality=95)
    data = path.read_bytes()
    path.write_bytes(data[:-20] + b"\xff\xd9" + data[-18:])
    (failure,) = upscale_files([path], 2, tmp_path, weights, progress=False)
    assert f"{path} is a damaged image: Corrupt JPEG data" in str(failure)
    assert upscale_files([path], 2, tmp_path, weights, strict=False, progress=False) == []
    assert read_picture(tmp_path / "a_x2.png").pixels.shape == (24, 32, 3)


def test_numbers_that_are_not_finite_make_no_image(photo: NDArray[np.uint8]) -> None:
    network = HDSRNet(2)
    network.state_dict()["lower.layers.0.weight"].view(-1)[0] = float("nan")
    with pytest.raises(HdsrError, match="result is not made of finite numbers"):
        upscale(photo, 2, nn.Sequential(network))
    with pytest.raises(HdsrError, match="weights are not made of finite numbers"):
        upscale(photo, 2, network)


def test_memory_has_a_limit_with_a_network_that_is_given_too(photo: NDArray[np.uint8]) -> None:
    with pytest.raises(HdsrError, match="is too large: even in strips it takes about"):
        upscale(photo, 2, image_like_network(2), memory_bytes=1000)


def test_strips_of_any_memory_give_the_same_pixels(
    photo: NDArray[np.uint8], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = upscale(photo, 2, weights=weights)
    asked = []

    def five_rows(*arguments: object) -> int:
        asked.append(arguments)
        return 5

    monkeypatch.setattr(upscaling, "strip_rows", five_rows)
    strips = upscale(photo, 2, weights=weights, memory_bytes=3 * 2**30)
    assert asked == [(12, 16, 2, "fp32", 3 * 2**30, False)]
    assert np.abs(whole.astype(int) - strips).max() <= 1
    assert (whole != strips).mean() < 0.01


@pytest.mark.parametrize(("rows", "found"), [(3, "became 6 rows"), (5, "became 10 or more rows of 8")])
def test_too_few_or_too_many_rows_are_an_error(rows: int, found: str) -> None:
    with pytest.raises(HdsrError, match=f"does not enlarge x2: \\(4, 4\\) {found}"):
        enlarge_pixels(np.zeros((4, 4, 1), np.uint8), 2, lambda image: [np.zeros((2 * rows, 8, 3))])


@pytest.mark.parametrize("width", [1, 7, 9])
def test_rows_of_another_width_are_an_error(width: int) -> None:
    with pytest.raises(HdsrError, match=f"does not enlarge x2: .* rows of {width}"):
        enlarge_pixels(np.zeros((4, 4, 1), np.uint8), 2, lambda image: [np.zeros((8, width, 3))])


def test_two_images_for_one_result_are_refused_before_any_work(tmp_path: Path, weights: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "other" / "a.jpg"]
    with pytest.raises(HdsrError) as caught:
        upscale_files(paths, 2, tmp_path / "out", weights, overwrite=True)
    assert all(str(path) in str(caught.value) for path in paths)
    assert not (tmp_path / "out").exists()


def test_results_are_overwritten_only_when_allowed(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path
) -> None:
    write_png(tmp_path / "a.png", photo)
    write_png(tmp_path / "b.png", photo)
    (tmp_path / "out").mkdir()
    old = tmp_path / "out" / "b_x2.png"
    old.write_text("kept")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    with pytest.raises(HdsrError, match=r"b_x2\.png exists already"):
        upscale_files(paths, 2, tmp_path / "out", weights, progress=False)
    assert [path.read_text() for path in (tmp_path / "out").iterdir()] == ["kept"]
    assert upscale_files(paths, 2, tmp_path / "out", weights, overwrite=True, progress=False) == []
    assert read_picture(old).pixels.shape == (24, 32, 3)


@pytest.mark.parametrize("out", ["photos", "link"])
def test_an_input_is_never_replaced(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path, out: str
) -> None:
    paths = [tmp_path / "photos" / "a.png", tmp_path / "photos" / "a_x2.png"]
    for path in paths:
        write_png(path, photo)
    (tmp_path / "link").symlink_to("photos")
    with pytest.raises(HdsrError, match=r"the result of .*a\.png would replace the input .*a_x2\.png"):
        upscale_files(paths, 2, tmp_path / out, weights, overwrite=True)


def test_a_result_that_cannot_be_written_is_reported(
    tmp_path: Path, photo: NDArray[np.uint8], weights: Path
) -> None:
    write_png(tmp_path / "a.png", photo)
    (tmp_path / "notes").write_text("a file")
    for folder in (tmp_path / "notes", tmp_path / "a.png" / "out"):
        with pytest.raises(HdsrError, match="expected a folder for the results"):
            upscale_files([tmp_path / "a.png"], 2, folder, weights)
    (tmp_path / "out" / "a_x2.png").mkdir(parents=True)
    (failure,) = upscale_files(
        [tmp_path / "a.png"], 2, tmp_path / "out", weights, overwrite=True, progress=False
    )
    assert "a_x2.png cannot be written" in str(failure)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_x2.png"]
