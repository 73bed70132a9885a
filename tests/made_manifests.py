"""Manifests of files made from numbers, in the form of the real ones, for tests."""

import csv
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

from hdsr.fetch import manifest, published

FILES = {
    "BENCHMARKS": "benchmarks.csv",
    "TRAINING": "train291.csv",
    "PHOTOGRAPHS": "photographs.csv",
    "WEIGHTS": "weights.csv",
    "ARCHIVES": "div2k.csv",
}
CACHED = (
    manifest.benchmarks,
    manifest.training,
    manifest.photographs,
    manifest.weights,
    manifest.archives,
    published.published_files,
)
REPOSITORY = {"repository": "someone/images", "commit": "c0ffee"}
LENGTH = 100_000


def content_of(name: str, length: int = LENGTH) -> bytes:
    """Bytes that only this name has."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).bytes(length)


def git_name(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()


def write_manifests(folder: Path) -> dict[str, bytes]:
    """Write five manifests; return what they list by its address on a mirror."""
    images = {f"{REPOSITORY['repository']}/{REPOSITORY['commit']}/data/img {n}.png": n for n in "abc"}
    known, unknown = "someone/net/c1/x2.pth", "someone/net/c1/x4.pth"
    archive = "DIV2K_train_LR_bicubic_X2.zip"
    made = {address: content_of(address) for address in [*images, known, unknown, archive]}
    write(folder / "benchmarks.csv", [image_row(made[address], name) for address, name in images.items()])
    write(folder / "train291.csv", [image_row(content_of("t"), "t") | {"dataset": "T91"}])
    (folder / "photographs.csv").write_text("dataset,image\n")  # none
    write(folder / "weights.csv", [weights_row(made[known], 2), weights_row(made[unknown], 4, exact=False)])
    row = {"file": archive, "md5": hashlib.md5(made[archive]).hexdigest(), "bytes": LENGTH}
    write(folder / "div2k.csv", [row | {"url": f"http://127.0.0.1:1/{archive}"}])
    return made


def image_row(content: bytes, name: str) -> dict[str, object]:
    row = {"dataset": "Set5", "image": name, "width": 8, "height": 8, "mode": "RGB", "bytes": len(content)}
    hashes = {"sha256": hashlib.sha256(content).hexdigest(), "git_blob_sha1": git_name(content)}
    return row | hashes | REPOSITORY | {"path": f"data/img {name}.png"}


def weights_row(content: bytes, scale: int, exact: bool = True) -> dict[str, object]:
    row = {"model": "VDSR", "scale": scale, "file": f"vdsr_x{scale}.pth", "here": "no"}
    row |= {"repository": "someone/net", "commit": "c1", "path": f"x{scale}.pth"}
    row |= {"git_blob_sha1": git_name(content), "sha256": "", "bytes": ""}
    row |= {"licence": "MIT", "trained_by": "authors"}
    return row | {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} if exact else row


def write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def manifests_in(folder: Path) -> Iterator[None]:
    """Have the manifests of this folder read instead of the real ones."""
    with patch.multiple(manifest, **{name: folder / file for name, file in FILES.items()}):
        forget()
        try:
            yield
        finally:
            forget()


def forget() -> None:
    """Have manifests read anew."""
    for function in CACHED:
        function.cache_clear()
