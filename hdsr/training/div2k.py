"""DIV2K (Agustsson and Timofte, CVPR Workshops 2017) as it is published: in archives, zipped or unpacked.

ROOT/train/DIV2K holds DIV2K_train_HR.zip (images 1 to 800) and DIV2K_valid_HR.zip (801 to 900), and perhaps
the published LR images in DIV2K_train_LR_bicubic_X<s>.zip and DIV2K_valid_LR_bicubic_X<s>.zip. Each may be
unpacked instead, DIV2K_train_HR/0001.png or DIV2K_train_LR_bicubic/X2/0001x2.png; a folder goes before an
archive. A part without LR has it made from HR.
"""

from pathlib import Path

from hdsr.datasets import how_to_get
from hdsr.errors import HdsrError
from hdsr.paths import div2k_folder
from hdsr.training.config import DIV2K_IMAGES
from hdsr.training.sources import ImageSource, sources_in

PARTS = {"train": range(1, 801), "valid": range(801, DIV2K_IMAGES + 1)}


def hr_sources(root: Path, numbers: range) -> list[ImageSource]:
    """The HR images of these numbers.

    Raises:
        HdsrError: if an archive or an image of it is missing.
    """
    found = []
    for part, wanted in parts_of(numbers):
        folder = div2k_folder(root)
        place = first_there(folder / f"DIV2K_{part}_HR", folder / f"DIV2K_{part}_HR.zip")
        if place is None:
            archive = f"DIV2K_{part}_HR.zip"
            raise HdsrError(
                f"DIV2K's images {wanted[0]} to {wanted[-1]} are not in {folder}: neither an archive "
                f"{archive} nor a folder DIV2K_{part}_HR is there; {how_to_get(archive)}"
            )
        found += sources_in(place, [f"{number:04}.png" for number in wanted])
    return found


def lr_sources(root: Path, numbers: range, scale: int) -> list[ImageSource | None]:
    """The published LR images of these numbers; None for those of a part that is there without LR.

    Raises:
        HdsrError: if LR of a part is there, but lacks images.
    """
    found: list[ImageSource | None] = []
    for part, wanted in parts_of(numbers):
        stem = div2k_folder(root) / f"DIV2K_{part}_LR_bicubic"
        place = first_there(stem / f"X{scale}", stem.with_name(f"{stem.name}_X{scale}.zip"))
        names = [f"{number:04}x{scale}.png" for number in wanted]
        found += sources_in(place, names) if place else [None] * len(names)
    return found


def parts_of(numbers: range) -> list[tuple[str, list[int]]]:
    """The numbers by the part of DIV2K that they are in; parts without any left out."""
    shares = {part: [number for number in numbers if number in within] for part, within in PARTS.items()}
    return [(part, wanted) for part, wanted in shares.items() if wanted]


def first_there(folder: Path, archive: Path) -> Path | None:
    """The folder if there is one, else the archive, else None."""
    return next((place for place in (folder, archive) if place.exists()), None)
