"""Reading and writing images of every kind that a person may have."""

import os
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import psutil
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps
from skimage import data as photographs

from hdsr import images
from hdsr.errors import HdsrError
from hdsr.images import decode_picture, image_size, read_image, read_picture, write_png
from hdsr.upscaling.pipeline import in_parallel

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
        ("profile", {"photometric": "rgb", "iccprofile": SRGB}),
        ("planes", {"photometric": "rgb", "planarconfig": "separate"}),
    ],
)
def test_sixteen_bit_tiff(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    pixels = noise(9, 8, 3, dtype=np.uint16)
    as_stored = np.moveaxis(pixels, -1, 0) if name == "planes" else pixels
    tifffile.imwrite(tmp_path / f"{name}.tif", as_stored, **options)
    picture = read_picture(tmp_path / f"{name}.tif")
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.icc_profile == options.get("iccprofile")


def test_sixteen_bit_tiff_with_alpha(tmp_path: Path) -> None:
    pixels = noise(9, 8, 4, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, pixels)
    multiplied = np.array([[[1000, 2000, 500, 32768], [0, 0, 0, 0], [400, 0, 900, 500]]], np.uint16)
    tifffile.imwrite(tmp_path / "b.tif", multiplied, photometric="rgb", extrasamples=["assocalpha"])
    expected = [[[2000, 4000, 1000, 32768], [0, 0, 0, 0], [52428, 0, 65535, 500]]]
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


def test_cmyk_becomes_rgb_by_its_profile_where_that_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cmyk = Image.new("CMYK", (8, 6), (0, 255, 255, 0))
    for name, profile in (("rgb.jpg", SRGB), ("none.jpg", b"no profile")):
        picture = read_picture(save(cmyk, tmp_path / name, quality=100, icc_profile=profile))
        np.testing.assert_allclose(picture.pixels, np.broadcast_to([255, 0, 0], (6, 8, 3)), atol=3)
        assert picture.notes == ("CMYK converted to RGB",)
    seen = Image.new("RGB", (8, 6), (1, 2, 3))
    monkeypatch.setattr(ImageCms, "profileToProfile", lambda *given, outputMode: seen)
    np.testing.assert_array_equal(read_picture(tmp_path / "rgb.jpg").pixels, np.asarray(seen))


def test_gray_with_transparency_keeps_it() -> None:
    pixels = noise(4, 5, 2)
    np.testing.assert_array_equal(images.picture_of(Image.fromarray(pixels, "LA")).pixels, pixels)


def test_a_profile_for_other_pixels_is_left_out(tmp_path: Path) -> None:
    path = save(noise(5, 6), tmp_path / "a.jpg", icc_profile=SRGB)
    assert read_picture(path).icc_profile is None
    path = save(noise(5, 6, 3), tmp_path / "b.jpg", icc_profile=SRGB)
    assert read_picture(path).icc_profile == SRGB


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_of_several_frames_the_first_is_read(tmp_path: Path, name: str) -> None:
    frames = [Image.fromarray(noise(4, 5, 3) // (i + 1)) for i in range(3)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    picture = read_picture(tmp_path / name)
    np.testing.assert_array_equal(picture.pixels, np.asarray(frames[0]))
    assert picture.notes == ("only the first of several frames is used",)


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
        "absent.png": "no file",
        "empty.png": "empty file",
        "notes.png": "not an image of a known format",
        "float.tif": "pixels of the kind float32",
        ".": "is a folder",
    }.items():
        with pytest.raises(HdsrError, match=reason) as caught:
            read_image(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks put right after its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def text_chunk(length: int) -> bytes:
    return png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(length)))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'),
        (b"tEXt", b"Raw profile type exif\0\nexif\n26\n" + oriented(6).tobytes()[6:].hex().encode()),
    ],
)
def test_how_a_photograph_lies_may_be_told_in_a_text(tmp_path: Path, kind: bytes, content: bytes) -> None:
    pixels = noise(4, 6, 3)
    data = with_chunks(imagecodecs.png_encode(pixels), png_chunk(kind, content))
    np.testing.assert_array_equal(decode_picture(data, "a.png").pixels, np.rot90(pixels, -1))


def test_a_damaged_transparency_is_not_just_left_out() -> None:
    damaged = png_chunk(b"tRNS", bytes(6))[:-1] + b"?"
    data = with_chunks(imagecodecs.png_encode(noise(4, 6, 3)), damaged)
    with pytest.raises(HdsrError, match="the checksum of its chunk tRNS is wrong"):
        decode_picture(data, "a.png")


def test_jpeg_2000_of_signed_values_is_refused() -> None:
    data = bytearray(imagecodecs.jpeg2k_encode(noise(6, 8, 3, dtype=np.uint16), level=0))
    data[data.find(b"\xff\x4f\xff\x51") + 42] |= 128
    with pytest.raises(HdsrError, match="has signed values, expected unsigned ones"):
        decode_picture(bytes(data), "a.jp2")


@pytest.mark.parametrize("depth", [1, 2])
def test_sgi_of_sixteen_bits_says_that_it_lost_depth(tmp_path: Path, depth: int) -> None:
    picture = read_picture(save(noise(4, 5, 3), tmp_path / "a.sgi", bpc=depth))
    assert picture.notes == ("its more than 8 bits per channel became 8",) * (depth == 2)


@pytest.mark.parametrize("value", [-1, 65536])
def test_values_beyond_sixteen_bits_are_refused(value: int) -> None:
    with pytest.raises(HdsrError, match=f"has values from .*{value}.*, expected 0 to 65535"):
        images.picture_of(Image.fromarray(np.array([[7, value]], np.int32)))
    fits = images.picture_of(Image.fromarray(np.array([[0, 65535]], np.int32)))
    assert fits.pixels.tolist() == [[[0], [65535]]]


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_white_of_any_depth_is_white(tmp_path: Path, bits: int, channels: int) -> None:
    white = 2**bits - 1
    values = noise(6, 8, channels, dtype=np.uint16) & white
    values[0, :2] = [[0], [white]]
    expected = np.rint(values * (65535 / white)).astype(np.uint16)
    plain = values[..., 0] if channels == 1 else values
    kind = "P5" if channels == 1 else "P6"
    files = {
        "a.pnm": f"{kind}\n# by hand\n8 6 {white}\n".encode() + values.astype(">u2").tobytes(),
        "b.pnm": f"P{int(kind[1]) - 3} 8 6\n{white}\n{' '.join(map(str, values.ravel()))}\n".encode(),
        "a.jp2": imagecodecs.jpeg2k_encode(plain, level=0, reversible=True, bitspersample=bits),
    }
    if bits in (10, 12) and channels == 3:
        files["a.avif"] = imagecodecs.avif_encode(values, level=100, bitspersample=bits, pixelformat="444")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        picture = read_picture(tmp_path / name)
        assert picture.notes == ()
        np.testing.assert_array_equal(picture.pixels, expected, err_msg=name)


@pytest.mark.parametrize("bits", [1, 2, 4, 7])
def test_white_of_few_bits_is_white(tmp_path: Path, bits: int) -> None:
    white = 2**bits - 1
    values = noise(6, 8) & white
    data = imagecodecs.jpeg2k_encode(values, level=0, reversible=True, bitspersample=bits)
    (tmp_path / "a.jp2").write_bytes(data)
    expected = np.rint(values * (255 / white)).astype(np.uint8)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.jp2").pixels[..., 0], expected)


def test_what_is_lost_in_reading_as_rgb_of_8_bits_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_png(tmp_path / "deep.png", noise(4, 5, 4, dtype=np.uint16))
    write_png(tmp_path / "opaque.png", np.concatenate([noise(4, 5, 3), np.full((4, 5, 1), 255, np.uint8)], 2))
    read_image(tmp_path / "deep.png")
    read_image(tmp_path / "opaque.png")
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}/deep.png: its more than 8 bits per channel became 8",
        f"{tmp_path}/deep.png: its transparency is left out",
    ]


@pytest.mark.parametrize("compression", ["jpeg2000", "png", "lerc"])
def test_tiff_of_a_compression_that_only_tifffile_knows(tmp_path: Path, compression: str) -> None:
    pixels = noise(6, 8, 3)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression=compression)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("bits", [12, 16])
def test_a_jpeg_of_a_kind_that_is_not_supported_is_called_that(tmp_path: Path, bits: int) -> None:
    pixels = noise(16, 16, 3, dtype=np.uint16) >> 16 - bits
    data = imagecodecs.jpeg8_encode(pixels, level=95, bitspersample=bits, lossless=bits == 16)
    (tmp_path / "a.jpg").write_bytes(data)
    reason = rf"a\.jpg is of a kind that is not supported: cannot handle {bits}-bit layers"
    with pytest.raises(HdsrError, match=reason):
        read_picture(tmp_path / "a.jpg")
    with pytest.raises(HdsrError, match=reason):
        image_size(data, "a.jpg")


def test_a_kind_that_the_decoder_does_not_list_is_called_not_supported(tmp_path: Path) -> None:
    header = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 4, 4, 16, 3)
    (tmp_path / "a.psd").write_bytes(header + bytes(14) + bytes(96))
    with pytest.raises(HdsrError, match=r"a\.psd is of a kind that is not supported"):
        read_picture(tmp_path / "a.psd")


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_tiff_of_odd_depth(tmp_path: Path, bits: int) -> None:
    white = 2**bits - 1
    values = noise(6, 8, dtype=np.uint16) & white
    tifffile.imwrite(tmp_path / "a.tif", values, bitspersample=bits)
    expected = np.rint(values * (65535 / white)).astype(np.uint16)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels[..., 0], expected)


def test_more_than_sixteen_bits_become_sixteen_and_say_so(tmp_path: Path) -> None:
    values = np.array([[0, 2**31, 2**32 - 1]], np.uint32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels[..., 0], [[0, 32768, 65535]])
    assert picture.notes == ("its 32 bits per channel became 16",)


def test_sixteen_bit_cmyk_says_that_it_lost_depth(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(4, 5, 4, dtype=np.uint16), photometric="separated")
    notes = read_picture(tmp_path / "a.tif").notes
    assert notes == ("CMYK converted to RGB", "its more than 8 bits per channel became 8")


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.float16, np.float32, np.uint64])
def test_numbers_of_another_kind_are_refused_as_such(tmp_path: Path, dtype: type) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4), dtype))
    with pytest.raises(
        HdsrError, match=f"pixels of the kind {np.dtype(dtype)}, expected 1 to 32 unsigned bits"
    ):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_gray_of_any_depth_stays_transparent(tmp_path: Path, bits: int) -> None:
    white = 2**bits - 1
    rows = [np.array([0, 0, 0, 0, 1, 1, 1, 1], ">u2"), np.array([white] * 4 + [0] * 4, ">u2")]
    packed = [
        imagecodecs.packints_encode(row.astype(np.uint8), bits)
        if bits < 8
        else row.astype(f">u{bits // 8}").tobytes()
        for row in rows
    ]
    image = [
        png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 2, bits, 0, 0, 0, 0)),
        png_chunk(b"tRNS", struct.pack(">H", white)),
        png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in packed))),
        png_chunk(b"IEND", b""),
    ]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(image))
    pixels = read_picture(tmp_path / "a.png").pixels
    assert pixels.dtype == (np.uint16 if bits == 16 else np.uint8)
    values, peak = np.array(rows).astype(float), np.iinfo(pixels.dtype).max
    np.testing.assert_array_equal(pixels[..., 0], np.rint(values * peak / white))
    np.testing.assert_array_equal(pixels[..., 1], np.where(values == white, 0, peak))


def test_large_metadata_do_not_stop_pixels_and_a_large_profile_is_kept(tmp_path: Path) -> None:
    pixels, profile = noise(5, 6, 3), SRGB + noise(1_200_000).tobytes()
    write_png(tmp_path / "a.png", pixels, profile)
    (tmp_path / "a.png").write_bytes(with_chunks((tmp_path / "a.png").read_bytes(), text_chunk(2_000_000)))
    picture = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.icc_profile == profile
    assert picture.notes == ()


NO_PROFILE = "its color profile cannot be read"


@pytest.mark.parametrize(
    ("chunk", "notes"),
    [
        (png_chunk(b"iCCP", b"no profile"), (NO_PROFILE,)),
        (png_chunk(b"eXIf", b"no tags"), ()),
        (png_chunk(b"tEXt", b"Comment\0of a person")[:-1] + b"?", ()),
    ],
    ids=["no profile", "no EXIF", "checksum"],
)
def test_damaged_metadata_are_left_out(tmp_path: Path, chunk: bytes, notes: tuple[str, ...]) -> None:
    assert_left_out(tmp_path / "a.png", chunk, notes)


def assert_left_out(path: Path, chunk: bytes, notes: tuple[str, ...]) -> None:
    pixels = noise(5, 6, 3)
    path.write_bytes(with_chunks(imagecodecs.png_encode(pixels), chunk))
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert (picture.icc_profile, picture.notes) == (None, notes)


@pytest.mark.parametrize(
    ("kind", "name", "notes"), [(b"zTXt", b"Comment\0\0", ()), (b"iCCP", b"x\0\0", (NO_PROFILE,))]
)
def test_metadata_that_would_fill_memory_are_left_out(
    tmp_path: Path, kind: bytes, name: bytes, notes: tuple[str, ...]
) -> None:
    assert_left_out(tmp_path / "a.png", png_chunk(kind, name + zlib.compress(bytes(200 * 2**20))), notes)


@pytest.mark.parametrize("frames", [1, 2])
def test_what_libjpeg_calls_corrupt_is_an_error_unless_allowed(tmp_path: Path, frames: int) -> None:
    stream, image = BytesIO(), Image.fromarray(photographs.chelsea())
    image.save(stream, "MPO", save_all=True, append_images=[image] * (frames - 1))
    data = stream.getvalue()
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:5000] + b"\x12\x34\xff\xd9" + data[5004:])
    with pytest.raises(HdsrError, match=r"a\.jpg is a damaged image: Corrupt JPEG data"):
        read_picture(path)
    assert read_picture(path, strict=False).pixels.shape == (300, 451, 3)


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "tiff_adobe_deflate", "packbits", None])
def test_a_damaged_tiff_of_8_bits_is_an_error_and_nothing_else_is_printed(
    tmp_path: Path, compression: str | None, capfd: pytest.CaptureFixture
) -> None:
    Image.fromarray(photographs.chelsea()).save(tmp_path / "a.tif", compression=compression)
    assert read_picture(tmp_path / "a.tif").pixels.shape == (300, 451, 3)
    data = (tmp_path / "a.tif").read_bytes()
    cut = {"cut.tif": data[: len(data) // 2]}
    if compression in ("jpeg", "tiff_adobe_deflate"):
        middle = len(data) // 2
        cut["a.tif"] = data[:middle] + b"\xff\xd9" * 4 + data[middle + 8 :]
    for name, damaged in cut.items():
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(HdsrError, match=rf"{name} is a damaged image"):
            read_picture(tmp_path / name)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_only_the_gray_of_a_tiff_whose_zero_is_white_is_turned_over(tmp_path: Path, dtype: type) -> None:
    pixels = noise(6, 8, 2, dtype=dtype)
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        photometric="miniswhite",
        extrasamples=["unassalpha"],
        planarconfig="contig",
    )
    expected = np.dstack([np.iinfo(dtype).max - pixels[..., 0], pixels[..., 1]])
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, expected)


def huge_png() -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 200_000, 200_000, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(b"")) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", huge_png()),
        ("a.gif", b"GIF89a" + 2 * b"\xff\xff" + b"\0\0\0," + bytes(4) + 2 * b"\xff\xff" + b"\0\2\1\0\0;"),
        ("a.ppm", b"P6 200000 200000 65535\n"),
    ],
)
def test_a_small_file_that_claims_to_be_huge_is_refused_undecoded(
    tmp_path: Path, name: str, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(images, "decode", None)
    monkeypatch.setattr(images.imagecodecs, "png_decode", None)
    with pytest.raises(HdsrError, match=rf"{name}: \d+ x \d+ pixels are too many to be read here"):
        read_picture(tmp_path / name)


def test_memory_to_read_an_image_covers_the_kinds_that_take_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((500, 400), np.uint32))
    memory = type("Memory", (), {"available": 500 * 400 * 60})  # what was measured of such a file
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    with pytest.raises(HdsrError, match=r"a.tif: 400 x 500 pixels are too many to be read here"):
        read_picture(tmp_path / "a.tif")


def test_complaints_of_one_tiff_are_not_those_of_another_read_beside_it(tmp_path: Path) -> None:
    pixels = noise(8, 8, 3)
    tifffile.imwrite(
        tmp_path / "odd.tif", pixels, photometric="rgb", extratags=[(65000, 2, 0, "x" * 9, True)]
    )
    tifffile.imwrite(tmp_path / "good.tif", pixels, photometric="rgb", compression="zlib")
    odd, good = ((tmp_path / f"{name}.tif").read_bytes() for name in ("odd", "good"))
    where = odd.index(struct.pack("<HH", 65000, 2)) + 8
    odd = odd[:where] + struct.pack("<I", 10**9) + odd[where + 4 :]  # its tag's value lies beyond its end
    read = list(in_parallel(lambda data: decode_picture(data, "a.tif").pixels, 300 * [odd, good], workers=2))
    assert len(read) == 600
    assert all(np.array_equal(found, pixels) for found in read)


def test_reading_images_side_by_side_leaves_warnings_as_they_were() -> None:
    stream = BytesIO()
    Image.fromarray(noise(8, 8, 3)).save(stream, "JPEG")
    list(in_parallel(lambda data: decode_picture(data, "a.jpg"), 200 * [stream.getvalue()], workers=4))
    with pytest.raises(UserWarning, match="still heard"):
        warnings.warn("still heard", UserWarning, stacklevel=1)


def test_a_tiff_of_many_pages_is_read_at_once(tmp_path: Path) -> None:
    pages = [np.full((2, 2), index % 255, np.uint8) for index in range(3000)]
    tifffile.imwrite(tmp_path / "a.tif", np.stack(pages), photometric="minisblack", metadata=None)
    looked_at = []
    data = (tmp_path / "a.tif").read_bytes()

    class Counting(BytesIO):
        def seek(self, *arguments: int) -> int:
            looked_at.append(arguments)
            return super().seek(*arguments)

    with Image.open(Counting(data)) as image:
        picture = images.decode(image, data)
    assert picture.notes == ("only the first of several frames is used",)
    assert len(looked_at) < 100


def test_pipes_and_devices_are_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(HdsrError, match=f"{path} is a pipe, socket or device, expected an image"):
            read_image(path)


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


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4)),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_not_written(tmp_path: Path, pixels: NDArray) -> None:
    with pytest.raises(HdsrError, match="a PNG takes"):
        write_png(tmp_path / "a.png", pixels)
    assert not list(tmp_path.iterdir())


def test_pixels_and_shape_make_the_hash() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert images.pixels_sha256(image) == images.pixels_sha256(np.asfortranarray(image))
    assert images.pixels_sha256(image) != images.pixels_sha256(image.reshape(4, 1, 3))
    assert images.pixels_sha256(image) != images.pixels_sha256(image + 1)
