"""Images in files: read as they are or as uint8 RGB, written as PNG.

Pillow reads what has 8 bits per channel, but has no mode for color with more; there imagecodecs (PNG, JPEG
2000, AVIF) and tifffile, which also says more of damage, read the pixels, and imagecodecs writes them.
"""

import hashlib
import logging
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import simplejpeg
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, UnidentifiedImageError
from tqdm import tqdm

from hdsr.errors import HdsrError
from hdsr.files import atomic_path, read_bytes
from hdsr.free_memory import free_bytes

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
DeepPixels = tuple[NDArray[np.unsignedinteger], int]
"""Values as a file holds them, (height, width) or (height, width, channels), and the one that is white."""

GRAY_MODES = {"1", "L", "LA", "La"}
COLOR_MODES = {"P", "PA", "RGB", "RGBA", "RGBX", "RGBa"}
CONVERTED_MODES = {"CMYK", "YCbCr", "HSV"}
INTEGER_MODES = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_HEADER_BYTES = 33
"""Bytes of a PNG's signature and its first chunk (IHDR), after which metadata may stand."""
PNG_LEVEL = 4
"""Of zlib's 9: an enlarged photograph takes two fifths of the time of the usual 6, and 7 % more bytes."""
JPEG_IN_TIFF = 7
PILLOWS_COMPRESSIONS = {2, 3, 4, 6, JPEG_IN_TIFF}
"""Those of fax machines and JPEG, by their numbers in a TIFF, in which Pillow reads pixels of 8 bits."""
TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNM_HEADER = re.compile(rb"P([2356])" + 3 * rb"(?:\s|#[^\n]*\n)+(\d{1,9})" + rb"\s")
SEVERAL = "only the first of several frames is used"
DEPTH_LOST = "its more than 8 bits per channel became 8"
BYTES_PER_PIXEL = 64
"""Memory that reading an image takes at its peak besides its file, that of the kinds that take most."""
LONGEST_METADATA = 64 * 2**20
"""Bytes, once unpacked, of a PNG's color profile or of one of its texts; longer ones are left out."""
UNSUPPORTED = re.compile("(not|un) ?(support|implement)|cannot handle|unknown", re.IGNORECASE)
"""How decoders say that a file is beyond them, rather than damaged."""

# A size is compared with the memory that is free (`_check_memory`), and metadata never stop pixels.
Image.MAX_IMAGE_PIXELS = None
PngImagePlugin.MAX_TEXT_CHUNK = LONGEST_METADATA


class _OfTifffile(logging.Handler):
    """Raises what tifffile only logs of pixels; what it says of tags is nobody's business."""

    decodes = ContextVar("whether this thread decodes pixels", default=False)

    def emit(self, record: logging.LogRecord) -> None:
        if self.decodes.get():
            raise ValueError(record.getMessage())


logging.getLogger("tifffile").addHandler(_OfTifffile(logging.WARNING))


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

    Gray becomes RGB, 16 bits become 8 and transparency is dropped, both said on stderr, and a photograph
    marked as turned is turned.

    Raises:
        HdsrError: as `read_picture` does.
    """
    return as_rgb(read_picture(path), str(path))


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """The bytes of an image file as uint8 RGB, as `read_image` gives it; errors call the file `name`."""
    return as_rgb(decode_picture(data, name), name)


def as_rgb(picture: Picture, name: str) -> NDArray[np.uint8]:
    """A picture as uint8 RGB, (height, width, 3); stderr says what of the file `name` is lost."""
    picture = in_rgb(picture)
    for note in picture.notes:
        tqdm.write(f"{name}: {note}", file=sys.stderr)
    return picture.pixels


def in_rgb(picture: Picture) -> Picture:
    """A picture in RGB of 8 bits, with a note on each thing that is lost."""
    picture = in_8_bits(picture)
    pixels, notes = picture.pixels, picture.notes
    if pixels.shape[2] in (2, 4) and pixels[..., -1].min() < 255:
        notes = (*notes, "its transparency is left out")
    color = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    return replace(picture, pixels=np.ascontiguousarray(color), notes=notes)


def in_8_bits(picture: Picture) -> Picture:
    """A picture in 8 bits per channel, with a note if it had more."""
    if picture.pixels.dtype == np.uint8:
        return picture
    pixels = ((picture.pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return replace(picture, pixels=pixels, notes=(*picture.notes, DEPTH_LOST))


def read_picture(path: str | Path, strict: bool = True) -> Picture:
    """An image file in its own depth, with its transparency and color profile.

    Up to 8 bits become 8, more become 16. Of a file with several frames this is the first one. CMYK, YCbCr
    and HSV become RGB. Metadata that cannot be read are left out.

    Args:
        path: the file.
        strict: whether a JPEG of which libjpeg says that its data are corrupt is an error.

    Raises:
        HdsrError: naming the file, if it is missing, damaged, cut short, not an image, of a kind that is not
            supported, or too large for the memory that is free.
    """
    return decode_picture(read_bytes(path, "an image"), str(path), strict)


def decode_picture(data: bytes, name: str, strict: bool = True) -> Picture:
    """The bytes of an image file as `read_picture` gives them; errors call the file `name`."""
    with _errors_naming(name):
        if data.startswith(PNG_SIGNATURE):
            return _decode_png(data)
        if data.startswith(TIFF_SIGNATURES) and (picture := _decode_tiff(data, strict)):
            return picture
        with _opened(data) as image:
            _check_memory(image.height, image.width)
            if strict and image.format in ("JPEG", "MPO"):
                simplejpeg.decode_jpeg(data, "GRAY", strict=True)
            return decode(image, data)


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """Height and width of an image file before it is turned, from its bytes; nothing is decoded."""
    with _errors_naming(name):
        if data.startswith(PNG_SIGNATURE):
            return _png_size(data)
        if data.startswith(TIFF_SIGNATURES):
            with tifffile.TiffFile(BytesIO(data)) as tiff:
                return tiff.pages.first.imagelength, tiff.pages.first.imagewidth
        with _opened(data) as image:
            return image.height, image.width


def _opened(data: bytes) -> Image.Image:
    """What Pillow makes of an image file; where no format takes it, that of its signature says why."""
    try:
        return Image.open(BytesIO(data))
    except UnidentifiedImageError:
        for factory, accept in Image.OPEN.values():
            if data and accept is not None and accept(data[:16]) is True:
                return factory(BytesIO(data), "")
        raise


@contextmanager
def _errors_naming(name: str) -> Iterator[None]:
    """Whatever is wrong with an image file, as an HdsrError that calls the file `name`."""
    try:
        yield
    except HdsrError as error:
        raise HdsrError(f"{name}: {error}") from None
    except UnidentifiedImageError:
        reason = "is not an image of a known format and kind, or damaged at its beginning"
        raise HdsrError(f"{name} {reason}") from None
    except MemoryError:
        raise HdsrError(f"{name} is too large for the memory of this machine") from None
    except Exception as error:  # a decoder that meets damaged bytes may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        # A KeyError comes of a decoder's table of the kinds that it knows.
        unknown = UNSUPPORTED.search(reason) or isinstance(error.__cause__ or error, KeyError)
        fault = "of a kind that is not supported" if unknown else "a damaged image"
        raise HdsrError(f"{name} is {fault}: {reason}") from None


def _check_memory(height: int, width: int) -> None:
    """Raise HdsrError unless an image of this size can be decoded with the memory that is free."""
    needed, free = height * width * BYTES_PER_PIXEL, free_bytes()
    if needed > free:
        raise HdsrError(
            f"{width} x {height} pixels are too many to be read here: that takes about "
            f"{needed / 2**30:.2f} GiB of memory, {free / 2**30:.2f} GiB are free"
        )


def _picture_of(pixels: Pixels, orientation: int, profile: bytes | None, notes: list[str]) -> Picture:
    """A picture of decoded pixels, upright, with its color profile if that is meant for such pixels."""
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if not 1 <= pixels.shape[2] <= 4:
        raise HdsrError(f"has {pixels.shape[2]} channels, expected 1 to 4")
    fits = profile and profile[16:20] == (b"GRAY" if pixels.shape[2] <= 2 else b"RGB ")
    return Picture(_turned(pixels, orientation), profile if fits else None, tuple(notes))


def _decode_png(data: bytes) -> Picture:
    """The pixels of a PNG, read from the chunks that make them; the others are looked at apart."""
    chunks = _png_chunks(data)
    _check_memory(*_png_size(data))
    needed = [chunk for kind, chunk in chunks if kind[0] < ord("a") or kind == b"tRNS"]
    pixels = imagecodecs.png_decode(PNG_SIGNATURE + b"".join(needed))
    kinds = {kind for kind, _ in chunks}
    notes = [SEVERAL] * (b"acTL" in kinds)
    profile, orientation = None, 1
    with suppress(Exception):
        profile = _png_metadata(chunks, {b"iCCP"}).info.get("icc_profile")
    notes += ["its color profile cannot be read"] * (b"iCCP" in kinds and profile is None)
    with suppress(Exception):
        orientation = _orientation_of(_png_metadata(chunks, {b"eXIf", b"iTXt", b"tEXt", b"zTXt"}))
    return _picture_of(pixels, orientation, profile, notes)


def _png_size(data: bytes) -> tuple[int, int]:
    """Height and width as a PNG's header tells them."""
    width, height = struct.unpack(">II", data[16:24])
    return height, width


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG up to its end, as (kind, all its bytes), but for damaged metadata."""
    chunks, start, kind = [], len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[start : start + 4]), data[start + 4 : start + 8]
        chunk = data[start : start + length + 12]
        if len(chunk) < length + 12:
            raise ValueError("it is cut short")
        start += len(chunk)
        if zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:]):
            chunks.append((kind, chunk))
        elif kind[0] < ord("a") or kind == b"tRNS":
            raise ValueError(f"the checksum of its chunk {kind.decode('latin-1')} is wrong")
    return chunks


def _png_metadata(chunks: list[tuple[bytes, bytes]], kinds: set[bytes]) -> Image.Image:
    """An image of one pixel with the chunks of a PNG that are of these kinds; it may raise anything."""
    stream = BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    header, rest = stream.getvalue()[:PNG_HEADER_BYTES], stream.getvalue()[PNG_HEADER_BYTES:]
    return Image.open(BytesIO(b"".join([header, *(chunk for kind, chunk in chunks if kind in kinds), rest])))


def decode(image: Image.Image, data: bytes) -> Picture:
    """The first frame of an image file that Pillow has opened; `data` is the whole file."""
    notes = [SEVERAL] * bool(getattr(image, "is_animated", False))
    profile = image.info.get("icc_profile")
    deep = DEEP_FORMATS[image.format](data) if image.format in DEEP_FORMATS else None
    if deep is None:
        image.load()
        notes += [f"{image.mode} converted to RGB"] * (image.mode in CONVERTED_MODES)
        notes += [DEPTH_LOST] * _has_lost_depth(image, data)
        pixels = plain_pixels(image, profile)
    else:
        pixels = _filled(*deep)
    return _picture_of(pixels, _orientation_of(image), profile, notes)


def _orientation_of(image: Image.Image) -> int:
    """How the first row of an image lies, as EXIF numbers it (1 to 8); 1 where that cannot be read."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # whatever damaged metadata make Pillow raise
        return 1


def plain_pixels(image: Image.Image, profile: bytes | None) -> Pixels:
    """The pixels of a loaded image as gray or RGB of 8 bits, with alpha if it has any, or gray of 16."""
    if image.mode not in INTEGER_MODES:
        return np.array(_in_plain_mode(image, profile))
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise HdsrError(f"has values from {values.min()} to {values.max()}, expected 0 to 65535")
    return values.astype(np.uint16)


def picture_of(image: Image.Image) -> Picture:
    """An image of the caller's, upright as its EXIF says, with its color profile if that is meant for it."""
    profile = image.info.get("icc_profile")
    return _picture_of(plain_pixels(image, profile), _orientation_of(image), profile, [])


def _has_lost_depth(image: Image.Image, data: bytes) -> bool:
    """Whether a file has more than the 8 bits per channel that Pillow has made of it."""
    if image.format == "TIFF":
        return max(image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))) > 8 and image.mode != "P"
    return image.format == "SGI" and data[3] == 2


def _filled(values: NDArray[np.unsignedinteger], white: int) -> Pixels:
    """Whole numbers up to `white` in 8 bits, of which 255 is white; where that is too few, in 16."""
    if values.size and int(values.max()) > white:
        raise HdsrError(f"has values up to {values.max()}, expected at most {white}")
    peak, dtype = (255, np.uint8) if white < 256 else (65535, np.uint16)
    if white == peak:
        return values.astype(dtype)
    return ((values.astype(np.uint64) * peak + white // 2) // white).astype(dtype)


def _deep_jpeg_2000(data: bytes) -> DeepPixels | None:
    """The pixels of a JPEG 2000 unless it has 8 bits: its marker SIZ says so 42 bytes from its beginning."""
    size = data.find(b"\xff\x4f\xff\x51")
    bits = data[size + 42] + 1
    if bits > 128:
        raise HdsrError("has signed values, expected unsigned ones")
    return (imagecodecs.jpeg2k_decode(data), 2**bits - 1) if bits != 8 else None


def _deep_avif(data: bytes) -> DeepPixels | None:
    """The pixels of an AVIF of 10 or 12 bits, which the third byte of its box av1C tells."""
    flags = data[data.find(b"av1C") + 6]
    bits = 12 if flags & 0x20 else 10
    return (imagecodecs.avif_decode(data), 2**bits - 1) if flags & 0x40 else None


def _deep_pnm(data: bytes) -> DeepPixels | None:
    """The pixels of a PGM or PPM of more than 8 bits."""
    header = PNM_HEADER.match(data)
    if header is None or int(header[4]) < 256:
        return None
    kind, width, height, white = map(int, header.groups())
    shape = (height, width, 3 if kind in (3, 6) else 1)
    if kind > 3:
        values = np.frombuffer(data, ">u2", int(np.prod(shape)), header.end())
    else:
        values = np.array(data[header.end() :].split()[: int(np.prod(shape))]).astype(np.uint32)
    return values.reshape(shape), white


DEEP_FORMATS: dict[str, Callable[[bytes], DeepPixels | None]] = {
    "JPEG2000": _deep_jpeg_2000,
    "AVIF": _deep_avif,
    "PPM": _deep_pnm,
}
"""By Pillow's name of a format: its pixels where Pillow would not have them right, else None."""


def _decode_tiff(data: bytes, strict: bool) -> Picture | None:
    """The first page of a TIFF with gray or RGB values that Pillow cannot read; None for what it reads."""
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        page = tiff.pages.first
        bits = int(np.max(page.bitspersample))
        plain = bits <= 8 and page.sampleformat == 1 and page.compression in PILLOWS_COMPRESSIONS
        if strict and page.compression == JPEG_IN_TIFF:
            for segment, _ in tiff.filehandle.read_segments(page.dataoffsets, page.databytecounts):
                jpeg = (page.jpegtables or b"\xff\xd8\xff\xd9")[:-2] + segment[2:]
                _check_memory(*simplejpeg.decode_jpeg_header(jpeg)[:2])
                simplejpeg.decode_jpeg(jpeg, "GRAY", strict=True)
        if page.photometric not in (0, 1, 2) or plain:
            return None
        if page.dtype is None or page.dtype.kind not in "bu" or bits > 32:
            raise HdsrError(f"has pixels of the kind {page.dtype}, expected 1 to 32 unsigned bits")
        _check_memory(page.imagelength * page.imagedepth, page.imagewidth)
        outside = _OfTifffile.decodes.set(True)
        try:
            pixels = _filled(page.asarray(maxworkers=1), 2**bits - 1)  # in this thread
        finally:
            _OfTifffile.decodes.reset(outside)
        notes = [SEVERAL] * tiff.pages.is_multipage + ["its 32 bits per channel became 16"] * (bits > 16)
        tags = {
            tag: page.tags.valueof(tag)
            for tag in (ExifTags.Base.Orientation, ExifTags.Base.InterColorProfile)
        }
    if page.axes.startswith("S"):
        pixels = np.moveaxis(pixels, 0, -1)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        gray = pixels[..., 0] if page.extrasamples else pixels
        np.invert(gray, out=gray)
    pixels = _without_extra_samples(pixels, page.extrasamples)
    return _picture_of(
        pixels, tags[ExifTags.Base.Orientation] or 1, tags[ExifTags.Base.InterColorProfile], notes
    )


def _in_plain_mode(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The same picture as L, LA, RGB or RGBA."""
    if image.mode in GRAY_MODES:
        return image.convert("LA" if image.has_transparency_data else "L")
    if image.mode in COLOR_MODES:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in CONVERTED_MODES:
        return _converted(image, profile)
    raise HdsrError(f"has pixels of the kind {image.mode}, expected gray or color of 8 or 16 bits")


def _converted(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image of another color space as RGB: to sRGB by its profile where it has one that can be used."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB")


def _without_extra_samples(pixels: Pixels, extra: tuple[int, ...]) -> Pixels:
    """Leave out what is neither color nor alpha, and take a multiplied-in alpha out of the colors."""
    if not extra:
        return pixels
    colors = pixels.shape[2] - len(extra)
    if extra[0] == tifffile.EXTRASAMPLE.UNSPECIFIED:
        return pixels[..., :colors]
    kept = pixels[..., : colors + 1]
    if extra[0] == tifffile.EXTRASAMPLE.ASSOCALPHA:
        alpha = np.maximum(kept[..., -1:].astype(np.float64), 1)
        white = np.iinfo(pixels.dtype).max
        plain = np.minimum(kept[..., :-1] * (white / alpha), white).round().astype(pixels.dtype)
        kept = np.concatenate([plain, kept[..., -1:]], axis=2)
    return kept


def _turned(pixels: Pixels, orientation: int) -> Pixels:
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
    data = imagecodecs.png_encode(np.ascontiguousarray(plain), level=PNG_LEVEL)
    if icc_profile:
        data = _with_profile(data, icc_profile)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def _with_profile(data: bytes, icc_profile: bytes) -> bytes:
    """A PNG's bytes with a color profile, right after the header: the specification's chunk iCCP."""
    content = b"iCCP" + b"ICC profile\0\0" + zlib.compress(icc_profile)
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return data[:PNG_HEADER_BYTES] + chunk + data[PNG_HEADER_BYTES:]


def pixels_sha256(image: Pixels) -> str:
    """Hexadecimal SHA-256 of an image's shape and pixels, whatever file they came from."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
