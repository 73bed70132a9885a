"""Reading and writing images of every kind that a person may have."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps
from skimage import data as photographs

from hdsr.errors import HdsrError
from hdsr.images import image_size, read_image, read_picture, write_png

ORIENTATIONS = range(1, 9)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, dtype: type = np.uint8) -> NDArray:
    rng = np.random.default_rng(sum(shape))
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def save(image: NDArray | Image.Image, path: Path, **options: object) -> Path:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(path, **options)
    return path


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_rgb_is_read_as_it_is(tmp_path: Path, suffix: str) -> None:
    pixels = noise(7, 9, 3)
    path = save(pixels, tmp_path / f"a{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    read = read_image(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels)


def test_jpeg_is_read_as_pillow_reads_it(tmp_path: Path) -> None:
    path = save(photographs.chelsea(), tmp_path / "cat.jpg")
    np.testing.assert_array_equal(read_image(path), np.asarray(Image.open(path)))


def test_gray_becomes_rgb(tmp_path: Path) -> None:
    pixels = noise(5, 6)
    np.testing.assert_array_equal(read_image(save(pixels, tmp_path / "a.png")), np.stack([pixels] * 3, 2))


def test_sixteen_bits_become_eight_by_rounding(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.array([[[0, 257, 65535], [128, 129, 65406]]], np.uint16))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[[0, 1, 255], [0, 1, 254]]])


def test_transparency_is_dropped(tmp_path: Path) -> None:
    pixels = noise(5, 6, 4)
    np.testing.assert_array_equal(read_image(save(pixels, tmp_path / "a.png")), pixels[..., :3])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_png_round_trip(tmp_path: Path, dtype: type, channels: int | None) -> None:
    shape = (5, 7) if channels is None else (5, 7, channels)
    pixels = noise(*shape, dtype=dtype)
    write_png(tmp_path / "new" / "a.png", pixels, SRGB if (channels or 1) > 2 else None)
    picture = read_picture(tmp_path / "new" / "a.png")
    assert picture.pixels.dtype == dtype
    np.testing.assert_array_equal(picture.pixels, pixels.reshape(5, 7, -1))
    assert picture.icc_profile == (SRGB if (channels or 1) > 2 else None)
    assert picture.notes == ()


def test_written_png_is_what_pillow_and_the_checksums_expect(tmp_path: Path) -> None:
    pixels = noise(5, 7, 3)
    write_png(tmp_path / "a.png", pixels, SRGB)
    Image.open(tmp_path / "a.png").verify()
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["icc_profile"] == SRGB
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_one_bit_and_palette(tmp_path: Path) -> None:
    bits = noise(6, 5) > 127
    one_bit = save(Image.fromarray(bits), tmp_path / "bits.png")
    np.testing.assert_array_equal(read_picture(one_bit).pixels[..., 0], bits * np.uint8(255))
    colors = Image.fromarray(noise(6, 5, 3)).quantize(4)
    palette = save(colors, tmp_path / "palette.gif")
    np.testing.assert_array_equal(read_picture(palette).pixels, np.asarray(colors.convert("RGB")))


def test_transparent_palette_and_color_become_alpha(tmp_path: Path) -> None:
    colors = Image.fromarray(noise(6, 5, 3)).quantize(4)
    path = save(colors, tmp_path / "palette.png", transparency=2)
    picture = read_picture(path).pixels
    np.testing.assert_array_equal(picture[..., 3], np.where(np.asarray(colors) == 2, 0, 255))
    gray = save(np.array([[3, 4]], np.uint8), tmp_path / "gray.png", transparency=4)
    np.testing.assert_array_equal(read_picture(gray).pixels, [[[3, 255], [4, 0]]])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_photograph_is_turned_upright_in_both_depths(tmp_path: Path, orientation: int) -> None:
    pixels = noise(4, 6, 3)
    eight = save(pixels, tmp_path / "8.png", exif=oriented(orientation))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(eight)))
    assert (expected.shape[0] == 6) == (orientation >= 5)
    np.testing.assert_array_equal(read_image(eight), expected)

    deep = imagecodecs.png_encode(pixels.astype(np.uint16) * 257)
    content = b"eXIf" + oriented(orientation).tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    (tmp_path / "16.png").write_bytes(deep[:33] + chunk + deep[33:])
    np.testing.assert_array_equal(read_picture(tmp_path / "16.png").pixels, expected * np.uint16(257))

    tags = [(ExifTags.Base.Orientation, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "16.tif", pixels.astype(np.uint16) * 257, photometric="rgb", extratags=tags)
    np.testing.assert_array_equal(read_picture(tmp_path / "16.tif").pixels, expected * np.uint16(257))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain", {"photometric": "rgb"}),
        ("deflate", {"photometric": "rgb", "compression": "zlib", "predictor": True}),
        ("lzw", {"photometric": "rgb", "compression": "lzw"}),
        ("big-endian", {"photometric": "rgb", "byteorder": ">"}),
    ],
)
def test_sixteen_bit_tiff(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    pixels = noise(9, 8, 3, dtype=np.uint16)
    tifffile.imwrite(tmp_path / f"{name}.tif", pixels, **options)
    picture = read_picture(tmp_path / f"{name}.tif")
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, pixels)


def test_sixteen_bit_tiff_with_alpha(tmp_path: Path) -> None:
    pixels = noise(9, 8, 4, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, pixels)
    multiplied = np.array([[[1000, 2000, 500, 32768], [0, 0, 0, 0]]], np.uint16)
    tifffile.imwrite(tmp_path / "b.tif", multiplied, photometric="rgb", extrasamples=["assocalpha"])
    expected = [[[2000, 4000, 1000, 32768], [0, 0, 0, 0]]]
    np.testing.assert_array_equal(read_picture(tmp_path / "b.tif").pixels, expected)
    tifffile.imwrite(tmp_path / "c.tif", pixels, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(read_picture(tmp_path / "c.tif").pixels, pixels[..., :3])


def test_sixteen_bit_gray(tmp_path: Path) -> None:
    pixels = noise(9, 8, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "white.tif", pixels, photometric="miniswhite")
    np.testing.assert_array_equal(read_picture(tmp_path / "white.tif").pixels[..., 0], 65535 - pixels)
    path = save(pixels, tmp_path / "a.pgm")
    np.testing.assert_array_equal(read_picture(path).pixels[..., 0], pixels)


def test_cmyk_becomes_rgb_and_says_so(tmp_path: Path) -> None:
    cmyk = Image.new("CMYK", (8, 6), (0, 255, 255, 0))
    picture = read_picture(save(cmyk, tmp_path / "a.jpg", quality=100))
    assert picture.notes == ("CMYK converted to RGB",)
    np.testing.assert_allclose(picture.pixels, np.broadcast_to([255, 0, 0], (6, 8, 3)), atol=3)


def test_a_profile_for_other_pixels_is_left_out(tmp_path: Path) -> None:
    path = save(noise(5, 6), tmp_path / "a.jpg", icc_profile=SRGB)
    assert read_picture(path).icc_profile is None
    path = save(noise(5, 6, 3), tmp_path / "b.jpg", icc_profile=SRGB)
    assert read_picture(path).icc_profile == SRGB


def test_of_several_frames_the_first_is_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(4, 5, 3) // (i + 1)) for i in range(3)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, np.asarray(frames[0]))
    assert picture.notes == ("only the first of 3 frames is used",)


def test_the_size_of_a_file_is_known_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_png(path, np.zeros((30, 20, 3), np.uint8))
    assert image_size(path.read_bytes()[:60], "a.png") == (30, 20)
    with pytest.raises(HdsrError, match=r"a\.png is not an image of a known format"):
        image_size(b"text", "a.png")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.png").write_text("no picture")
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((4, 4), np.float32))
    for name, reason in {
        "absent.png": "no image at",
        "empty.png": "empty file",
        "notes.png": "not an image",
        "float.tif": "pixels of the kind F",
        ".": "is a folder",
    }.items():
        with pytest.raises(HdsrError, match=reason) as caught:
            read_image(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


def encoded(kind: str) -> bytes:
    pixels = photographs.astronaut()[:24, :20]
    if kind == "png16":
        return imagecodecs.png_encode(pixels.astype(np.uint16) * 257)
    stream = BytesIO()
    if kind == "tif16":
        tifffile.imwrite(stream, pixels.astype(np.uint16) * 257, photometric="rgb")
    else:
        Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "webp", "png16", "tif16"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_an_error(tmp_path: Path, kind: str, kept: float) -> None:
    data = encoded(kind)
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(HdsrError, match="cut"):
        read_image(path)


def outcome(path: Path) -> tuple[NDArray | None, str]:
    """The image, or the message of the error."""
    try:
        return read_image(path), ""
    except HdsrError as error:
        return None, str(error)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(["png", "jpeg", "gif", "webp", "tiff", "png16", "tif16"]), draw=st.data())
def test_damaged_bytes_give_an_image_or_one_clear_line(
    tmp_path_factory: pytest.TempPathFactory, kind: str, draw: st.DataObject
) -> None:
    data = bytearray(encoded(kind))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data)
    image, message = outcome(path)
    assert image is not None or (str(path) in message and "\n" not in message)


@given(position=st.integers(0, 10_000), change=st.integers(1, 255))
@settings(max_examples=40, deadline=None)
def test_no_changed_byte_of_a_png_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, position: int, change: int
) -> None:
    data = bytearray(encoded("png"))
    data[position % len(data)] ^= change
    path = tmp_path_factory.getbasetemp() / "changed.png"
    path.write_bytes(data)
    image, message = outcome(path)
    assert str(path) in message or np.array_equal(image, photographs.astronaut()[:24, :20])


@pytest.mark.parametrize("pixels", [np.zeros((4, 4)), np.zeros((4, 4, 5), np.uint8), np.zeros(4, np.uint8)])
def test_other_arrays_are_not_written(tmp_path: Path, pixels: NDArray) -> None:
    with pytest.raises(HdsrError, match="a PNG takes"):
        write_png(tmp_path / "a.png", pixels)
    assert not list(tmp_path.iterdir())
