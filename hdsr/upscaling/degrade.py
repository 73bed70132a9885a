"""LR images made of HR ones as MATLAB makes them, by the command `hdsr degrade`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hdsr.datasets import cropped
from hdsr.errors import HdsrError
from hdsr.images import in_8_bits, read_picture, write_png
from hdsr.resize import imresize
from hdsr.upscaling import plan


def _degrade_file(path: Path, output: Path, scale: int) -> str:
    """Shrink an image file by MATLAB's bicubic, and say what was done.

    It is cropped to a multiple of the scale from the top left first. Gray, transparency and the color profile
    are kept; 16 bits become 8, as benchmarks have them.

    Args:
        path: an image file.
        output: a PNG file.
        scale: 2, 3 or 4.

    Raises:
        HdsrError: naming the file, if it cannot be used.
    """
    picture = in_8_bits(read_picture(path))
    hr = cropped(picture.pixels, scale, path)
    lr = imresize(hr, 1 / scale)
    write_png(output, lr, picture.icc_profile)
    sizes = f"{hr.shape[1]} x {hr.shape[0]} -> {lr.shape[1]} x {lr.shape[0]}"
    return "; ".join([f"{path} -> {output}: {sizes}", *picture.notes])


def degrade_files(
    paths: Sequence[Path], scale: int, out: Path, overwrite: bool = False
) -> Iterator[str | HdsrError]:
    """Shrink image files into `out`/<stem>x<scale>.png, as benchmarks in the EDSR layout name them.

    Args:
        paths: image files, and folders of image files.
        scale: 2, 3 or 4.
        out: folder for the results, made if need be; or, of one image file, the .png file.
        overwrite: whether to replace results that are there.

    Yields:
        A line for each image once it is shrunk, or why it could not be.

    Raises:
        HdsrError: before any work; see `hdsr.upscaling.plan.check`.
    """
    for output, path in plan.check(paths, out, f"x{scale}.png", overwrite).items():
        plan.make_folder(output.parent)
        try:
            yield _degrade_file(path, output, scale)
        except HdsrError as error:
            yield error
        except OSError as error:
            yield plan.not_written(output, error)
        except MemoryError:
            yield HdsrError(f"{path}: there is not enough memory for it")
