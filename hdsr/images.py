"""Images in files: read as they are or as uint8 RGB, written as PNG.

Pillow reads what has 8 bits per channel, but has no mode for color with 16; there imagecodecs (PNG) and
tifffile (TIFF) read the pixels, and imagecodecs writes them.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from hdsr.errors import HdsrError
from hdsr.files import atomic_path

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

GRAY_MODES = {"1", "L", "LA", "La"}
COLOR_MODES = {"P", "PA", "RGB", "RGBA", "RGBX", "RGBa"}
CONVERTED_MODES = {"CMYK", "YCbCr", "HSV"}
INTEGER_MODES = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
PNG_DEPTH_OFFSET = 24
PNG_HEADER_BYTES = 33
"""Bytes of a PNG's signature and its first chunk (IHDR), after which a color profile may stand."""


@dataclass(frozen=True)
class Picture:
    """An image as its file holds it, turned upright."""

    pixels: Pixels
    """(height, width, channels): gray, gray and alpha, RGB, or RGB and alpha."""
    icc_profile: bytes | None = None
    """The color profile that the pixels are meant in."""
    notes: tuple[str, ...] = ()
    """What was changed in reading, one phrase each."""


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """An image file as uint8 RGB, (height, width, 3).

    Gray becomes RGB, 16 bits become 8, transparency is dropped, and a photograph marked as turned is turned.

    Raises:
        HdsrError: naming the file, if it is missing, damaged, cut short, or not an image.
    """
    return as_rgb(read_picture(path))


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """The bytes of an image file as uint8 RGB, as `read_image` gives it; errors call the file `name`."""
    return as_rgb(decode_picture(data, name))


def as_rgb(picture: Picture) -> NDArray[np.uint8]:
    """The pixels of a picture as uint8 RGB, (height, width, 3)."""
    pixels = picture.pixels
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    color = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    return np.ascontiguousarray(color)


def read_picture(path: str | Path) -> Picture:
    """An image file in its own depth (8 or 16 bits), with its transparency and color profile.

    Of a file with several frames this is the first one. CMYK, YCbCr and HSV become RGB.

    Raises:
        HdsrError: naming the file, if it is missing, damaged, cut short, or not an image.
    """
    return decode_picture(read_bytes(Path(path)), str(path))


def decode_picture(data: bytes, name: str) -> Picture:
    """The bytes of an image file as `read_picture` gives them; errors call the file `name`."""
    with errors_naming(name):
        Image.open(BytesIO(data)).verify()
        with Image.open(BytesIO(data)) as image:
            return decode(image, data)


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """Height and width of an image file before it is turned, from its bytes; nothing is decoded."""
    with errors_naming(name), Image.open(BytesIO(data)) as image:
        return image.height, image.width


@contextmanager
def errors_naming(name: str) -> Iterator[None]:
    """Whatever is wrong with an image file, as an HdsrError that calls the file `name`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except HdsrError as error:
            raise HdsrError(f"{name}: {error}") from None
        except UnidentifiedImageError:
            reason = "is not an image of a known format, or damaged at its beginning"
            raise HdsrError(f"{name} {reason}") from None
        except Image.DecompressionBombError as error:
            raise HdsrError(f"{name} is too large: {error}") from None
        except MemoryError:
            raise HdsrError(f"{name} is too large for the memory of this machine") from None
        except Exception as error:  # a decoder that meets damaged bytes may raise anything
            reason = " ".join(str(error).split()) or type(error).__name__
            raise HdsrError(f"{name} is a damaged image: {reason}") from None


def read_bytes(path: Path) -> bytes:
    """A file's content, or an HdsrError naming it."""
    if path.is_dir():
        raise HdsrError(f"{path} is a folder, expected an image file")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise HdsrError(f"no image at {path}") from None
    except OSError as error:
        raise HdsrError(f"{path} cannot be read: {error.strerror}") from None
    if not data:
        raise HdsrError(f"{path} is an empty file, expected an image")
    return data


def decode(image: Image.Image, data: bytes) -> Picture:
    """The first frame of an open image file; `data` is the whole file."""
    frames = getattr(image, "n_frames", 1)
    frames = getattr(image, "n_frames", 1)
    notes = [f"only the first of {frames} frames is used"] * (frames > 1)
    profile = image.info.get("icc_profile")
    deep = sixteen_bit_pixels(image, data)
    if deep is not None:
        pixels = deep.reshape(*deep.shape[:2], -1)
    else:
        upright = ImageOps.exif_transpose(image)
        notes += [f"{upright.mode} converted to RGB"] * (upright.mode in CONVERTED_MODES)
        pixels = np.array(in_plain_mode(upright, profile))
        pixels = pixels.reshape(*pixels.shape[:2], -1)
    if not 1 <= pixels.shape[2] <= 4:
        raise HdsrError(f"has {pixels.shape[2]} channels, expected 1 to 4")
    if profile and not profile_fits(profile, pixels.shape[2]):
        profile = None
    return Picture(pixels, profile, tuple(notes))


def in_plain_mode(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The same picture as L, LA, RGB or RGBA."""
    if image.mode in GRAY_MODES:
        return image.convert("LA" if image.has_transparency_data else "L")
    if image.mode in COLOR_MODES:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in CONVERTED_MODES:
        return converted(image, profile)
    raise HdsrError(f"has pixels of the kind {image.mode}, expected gray or color of 8 or 16 bits")


def converted(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image of another color space as RGB: to sRGB by its profile where it has one that can be used."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB")


def profile_fits(profile: bytes, channels: int) -> bool:
    """Whether a color profile is meant for gray (1 or 2 channels) or RGB pixels, whichever these are."""
    return profile[16:20] == (b"GRAY" if channels <= 2 else b"RGB ")


def sixteen_bit_pixels(image: Image.Image, data: bytes) -> NDArray[np.uint16] | None:
    """The upright pixels of a file with 16 bits per channel, or None if it is not one."""
    if image.format == "PNG" and data[PNG_DEPTH_OFFSET] == 16:
        return turned(imagecodecs.png_decode(data), image.getexif().get(ExifTags.Base.Orientation, 1))
    if image.format == "TIFF" and is_sixteen_bit_tiff(image):
        return turned(tiff_pixels(data), image.tag_v2.get(ExifTags.Base.Orientation, 1))
    if image.mode in INTEGER_MODES:
        values = np.asarray(ImageOps.exif_transpose(image))
        if values.min() < 0 or values.max() > 65535:
            raise HdsrError(f"has values from {values.min()} to {values.max()}, expected 0 to 65535")
        return values.astype(np.uint16)
    return None


def is_sixteen_bit_tiff(image: Image.Image) -> bool:
    """Whether a TIFF holds gray or RGB in unsigned 16-bit numbers."""
    bits = image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))
    signs = image.tag_v2.get(ExifTags.Base.SampleFormat, (1,))
    photometric = image.tag_v2.get(ExifTags.Base.PhotometricInterpretation)
    return set(bits) == {16} and set(signs) == {1} and photometric in (0, 1, 2)


def tiff_pixels(data: bytes) -> NDArray[np.uint16]:
    """The first page of a 16-bit TIFF, alpha not multiplied in."""
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        page = tiff.pages.first
        pixels = page.asarray()
    if page.axes.startswith("S"):
        pixels = np.moveaxis(pixels, 0, -1)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        pixels = 65535 - pixels
    return without_extra_samples(pixels, page.extrasamples)


def without_extra_samples(pixels: NDArray[np.uint16], extra: tuple[int, ...]) -> NDArray[np.uint16]:
    """Leave out what is neither color nor alpha, and take a multiplied-in alpha out of the colors."""
    if not extra:
        return pixels
    colors = pixels.shape[2] - len(extra)
    if extra[0] == tifffile.EXTRASAMPLE.UNSPECIFIED:
        return pixels[..., :colors]
    kept = pixels[..., : colors + 1]
    if extra[0] == tifffile.EXTRASAMPLE.ASSOCALPHA:
        alpha = np.maximum(kept[..., -1:].astype(np.float64), 1)
        plain = np.minimum(kept[..., :-1] * (65535 / alpha), 65535).round().astype(np.uint16)
        kept = np.concatenate([plain, kept[..., -1:]], axis=2)
    return kept


def turned(pixels: NDArray[np.uint16], orientation: int) -> NDArray[np.uint16]:
    """Undo the orientation that EXIF or TIFF gives (1 to 8), so that the first row is the top."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def write_png(path: str | Path, pixels: Pixels, icc_profile: bytes | None = None) -> None:
    """Write a PNG of 8 or 16 bits per channel, whole or not at all.

    Args:
        path: the file; its folder is made if need be.
        pixels: uint8 or uint16, (height, width) or (height, width, channels) with 1 to 4 channels: gray,
            gray and alpha, RGB, RGB and alpha.
        icc_profile: a color profile to store with the pixels.

    Raises:
        HdsrError: for another data type or shape.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise HdsrError(f"a PNG takes uint8 or uint16 pixels, not {pixels.dtype}")
    if pixels.ndim not in (2, 3) or not 1 <= (*pixels.shape, 1)[2] <= 4 or pixels.size == 0:
        raise HdsrError(f"a PNG takes (height, width) or (height, width, 1 to 4), not {pixels.shape}")
    plain = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    data = imagecodecs.png_encode(np.ascontiguousarray(plain))
    if icc_profile:
        data = with_profile(data, icc_profile)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def with_profile(data: bytes, icc_profile: bytes) -> bytes:
    """A PNG's bytes with a color profile, right after the header: the specification's chunk iCCP."""
    content = b"iCCP" + b"ICC profile\0\0" + zlib.compress(icc_profile)
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return data[:PNG_HEADER_BYTES] + chunk + data[PNG_HEADER_BYTES:]
