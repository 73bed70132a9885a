"""The kinds of faults that `campaign` tries; each yields a name and a trial, one after another."""

import contextlib
import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
import requests
import tifffile
import torch
from fabricated import IDENTITY
from misbehaving_server import running_server
from PIL import Image
from skimage import data as photographs

from hdsr import checkpoint, datasets, files, results
from hdsr.cli import main
from hdsr.errors import HdsrError
from hdsr.fetch.checksums import Checksum
from hdsr.fetch.download import Download, Retry
from hdsr.formats.pickled_module import read_tensors
from hdsr.images import read_picture, write_png
from hdsr.measure.fresh_process import forget_peak, peak_rss_bytes
from hdsr.network import HDSRNet
from hdsr.upscaling.files import upscale, upscale_files

Kind = Callable[[np.random.Generator, Path, float], Iterator[tuple[str, Callable[[], str]]]]
KINDS: dict[str, Kind] = {}
ROW = results.Row(
    model="bicubic",
    dataset="Own",
    scale=2,
    image="a",
    psnr_db=30.123456789,
    ssim=0.9,
    weights="none",
    weights_sha256="none",
    crop_px=2,
    expected=5,
    **IDENTITY,
)
MOST_MEMORY_BYTES = 400_000_000
"""More than a process has already may be taken by no file that is small."""


def kind(function: Kind) -> Kind:
    """Put a kind on the list."""
    KINDS[function.__name__] = function
    return function


def held(path: Path, read: Callable[[], object], check: Callable[[object], bool] | None = None) -> str:
    """Whether a file is read rightly, or refused in one line that names it."""
    try:
        found, message = read(), None
    except HdsrError as error:
        message = str(error)
    if message is None:
        assert check is None or check(found), "silently wrong"
        return "right"
    assert path.name in message, f"does not name the file: {message}"
    assert "\n" not in message, "more than one line"
    return "refused"


def damaged(random: np.random.Generator, data: bytes) -> bytes:
    """Bytes of a file with some of them changed, cut off, left out, repeated or zeroed."""
    changed, at = bytearray(data), int(random.integers(len(data)))
    length = int(random.integers(1, 64))
    match random.integers(6):
        case 0:
            changed[at] ^= 1 << int(random.integers(8))
        case 1:
            changed[at : at + length] = random.bytes(length)
        case 2:
            del changed[at:]
        case 3:
            del changed[at : at + length]
        case 4:
            changed[at:at] = changed[at : at + length]
        case _:
            changed[at : at + length] = bytes(len(changed[at : at + length]))
    return bytes(changed)


def photograph(random: np.random.Generator, height: int = 40, width: int = 56) -> np.ndarray:
    """A piece of a color photograph."""
    picture = photographs.chelsea()
    top, left = random.integers(0, 300 - height), random.integers(0, 451 - width)
    return picture[top : top + height, left : left + width].copy()


def encoders() -> dict[str, Callable[[np.ndarray], bytes]]:
    """How to make an image file of every format that is read."""

    def pillow(pixels: np.ndarray, form: str, **options: object) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, form, **options)
        return stream.getvalue()

    def tiff(pixels: np.ndarray, **options: object) -> bytes:
        stream = io.BytesIO()
        tifffile.imwrite(stream, pixels.astype(np.uint16) * 257, photometric="rgb", **options)
        return stream.getvalue()

    made = {
        form.lower(): partial(pillow, form=form)
        for form in ("BMP", "GIF", "TIFF", "PPM", "TGA", "PCX", "SGI")
    }
    made |= {
        "png": imagecodecs.png_encode,
        "png16": lambda pixels: imagecodecs.png_encode(pixels.astype(np.uint16) * 257),
        "jpeg": partial(pillow, form="JPEG", quality=95),
        "progressive": partial(pillow, form="JPEG", quality=95, progressive=True),
        "webp": partial(pillow, form="WEBP", lossless=True),
        "avif": partial(pillow, form="AVIF"),
        "jp2": partial(pillow, form="JPEG2000"),
        "tiff16": tiff,
        "tiff16lzw": partial(tiff, compression="lzw"),
    }
    return made


@kind
def damaged_images(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Image files of every format, damaged. A PNG has checksums: its pixels are right, or there are none."""
    for form, encode in encoders().items():
        for number in range(int(60 * share)):
            pixels, path = photograph(random), folder / f"{form}.{number}"
            path.write_bytes(damaged(random, encode(pixels)))
            whole = pixels if form == "png" else pixels.astype(np.uint16) * 257
            check = (
                (lambda found, whole=whole: np.array_equal(found.pixels, whole)) if "png" in form else None
            )
            yield path.name, partial(held, path, partial(read_picture, path), check)
            path.unlink()


@kind
def odd_images(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Whole files of every depth, gray and color, some with metadata of megabytes: the pixels are right."""
    for number in range(int(400 * share)):
        bits = int(random.choice([8, 9, 10, 12, 14, 16]))
        channels = int(random.choice([1, 3]))
        white, shape = 2**bits - 1, (*random.integers(1, 40, 2), channels)
        values = random.integers(0, white + 1, shape, np.uint16)
        kept = values.astype(np.uint8) if bits == 8 else values
        plain = kept[..., 0] if channels == 1 else kept
        form = str(random.choice(["pnm", "jp2", "tif", "png"]))
        path = folder / f"{number}.{form}"
        if form == "pnm":
            head = f"P{5 if channels == 1 else 6} {shape[1]} {shape[0]} {white}\n".encode()
            path.write_bytes(head + (kept if bits == 8 else values.astype(">u2")).tobytes())
        elif form == "jp2":
            path.write_bytes(imagecodecs.jpeg2k_encode(plain, level=0, reversible=True, bitspersample=bits))
        elif form == "tif" and (channels == 1 or bits in (8, 16)):
            tifffile.imwrite(
                path, plain, bitspersample=bits, photometric="minisblack" if channels == 1 else "rgb"
            )
        else:
            write_png(path, np.rint(values * (65535 / white)).astype(np.uint16))
            text = b"zTXt" + b"Comment\0\0" + zlib.compress(bytes(int(random.integers(1, 3_000_000))))
            chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
            path.write_bytes(path.read_bytes()[:33] + chunk + path.read_bytes()[33:])
        eight = bits == 8 and path.read_bytes()[:4] != b"\x89PNG"
        right = np.rint(values * ((255 if eight else 65535) / white))
        yield (
            path.name,
            partial(
                held,
                path,
                partial(read_picture, path),
                lambda found, right=right: np.array_equal(found.pixels, right),
            ),
        )
        path.unlink()


def in_little_memory(trial: Callable[[], str]) -> str:
    """A trial that must not take more memory than small files may."""
    forget_peak()
    before = peak_rss_bytes()
    outcome = trial()
    assert peak_rss_bytes() - before < MOST_MEMORY_BYTES, f"took {peak_rss_bytes() - before:,} bytes"
    return outcome


@kind
def bombs(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Small files that ask for gigabytes: images that claim to be huge, texts and pickles that unfold."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    for number in range(int(40 * share)):
        width, height = (int(side) for side in random.integers(100_000, 2**31 - 1, 2))
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        small = width % 60_000 + 5000
        cases = {
            "png": b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b""))
            + chunk(b"IEND", b""),
            "gif": b"GIF89a"
            + 2 * b"\xff\xff"
            + bytes(3)
            + b","
            + bytes(4)
            + 2 * b"\xff\xff"
            + b"\0\2\1\0\0;",
            "ppm": b"P6 %d %d 65535\n" % (width, height),
            "bmp": b"BM"
            + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height % 2**31, 1, 24, *[0] * 6),
            "tga": bytes([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]) + struct.pack("<HHBB", small, 65535, 24, 0),
        }
        for form, data in cases.items():
            path = folder / f"{number}.{form}"
            path.write_bytes(data)
            yield (
                path.name,
                partial(in_little_memory, partial(held, path, partial(read_picture, path), lambda _: False)),
            )
        path = folder / f"{number}.pth"
        index = int(random.integers(2**28, 2**31 - 1))
        path.write_bytes(
            b"\x80\x02N" + bytes([random.choice([ord("r"), ord("j")])]) + struct.pack("<I", index) + b"0."
        )
        for read in (partial(read_tensors, path, [], "model"), partial(checkpoint.load, path)):
            yield path.name, partial(in_little_memory, partial(held, path, read, lambda _: False))
        path.write_bytes(b"\x80\x02X" + struct.pack("<I", index) + b"x.")
        for read in (partial(read_tensors, path, [], "model"), partial(checkpoint.load, path)):
            yield path.name, partial(in_little_memory, partial(held, path, read, lambda _: False))


def same_weights(one: HDSRNet, other: HDSRNet) -> bool:
    """Whether two networks have equal tensors."""
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in one.state_dict().items())


@kind
def damaged_weights(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Weights files of ours, damaged: loaded as they were, or not at all. And files of text and noise."""
    network, path = HDSRNet(2), folder / "weights.safetensors"
    checkpoint.save(network, path, {"step": 1})
    whole = path.read_bytes()
    for number in range(int(150 * share)):
        head, at = bytearray(damaged(random, whole[:3000])), int(random.integers(3000, len(whole)))
        changed = bytearray(whole)
        if number % 2:
            changed[at] ^= 1 << int(random.integers(8))
        else:
            changed[:3000] = head
        path.write_bytes(changed)
        yield (
            f"{path.name} {number}",
            partial(held, path, partial(checkpoint.load, path), partial(same_weights, network)),
        )
    for _ in range(int(100 * share)):
        for path in (folder / "noise.pt", folder / "noise.safetensors"):
            path.write_bytes(random.bytes(int(random.integers(1, 4000))))
            yield path.name, partial(held, path, partial(checkpoint.load, path), lambda _: False)


class Code:
    """Makes a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.witness}",)


@kind
def hostile_pickles(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Pickles that hold code, whole and damaged: nothing of it is run."""
    path, witness = folder / "evil.pth", folder / "witness"

    def tried(read: Callable[[], object]) -> str:
        outcome = held(path, read, lambda _: False)
        assert not witness.exists(), "the code was run"
        return outcome

    for number in range(int(150 * share)):
        content = {"model": Code(witness), "weight": torch.zeros(2)}
        if number % 2:
            torch.save(content, path)
        else:
            path.write_bytes(pickle.dumps(content | {"weight": 0}, protocol=int(random.integers(0, 6))))
        if number % 3:
            path.write_bytes(damaged(random, path.read_bytes()))
        yield path.name, partial(tried, partial(checkpoint.load, path))
        yield path.name, partial(tried, partial(read_tensors, path, [], "model"))


@kind
def not_finite(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """A value in the weights that is no number: not saved, and no image is made with it."""
    image = photograph(random, 12, 12)
    for number in range(int(40 * share)):
        network, path = HDSRNet(2), folder / f"{number}.safetensors"
        tensor = list(network.state_dict().values())[random.integers(len(network.state_dict()))]
        tensor.view(-1)[random.integers(tensor.numel())] = float(random.choice([np.nan, np.inf, -np.inf]))
        yield path.name, partial(held, path, partial(checkpoint.save, network, path, {}), lambda _: False)

        def enlarged(network: HDSRNet = network) -> str:
            return held(Path("network"), partial(upscale, image, 2, network))

        yield path.name, enlarged


@kind
def torn_rows(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Files of rows, cut or damaged, or of something else: whole rows stay, none stands twice."""
    for number in range(int(300 * share)):
        path = folder / f"{number}.csv"
        rows = [replace(ROW, image=f"image {i}") for i in range(int(random.integers(1, 8)))]
        for row in rows:
            results.add(path, row)
        data = path.read_bytes()
        at = int(random.integers(len(data)))
        path.write_bytes(
            random.bytes(50) if number % 5 == 0 else data[:at] if number % 2 else damaged(random, data)
        )

        def added(path: Path = path, rows: list = rows) -> str:
            before = path.read_bytes()

            def add() -> list:
                results.add(path, rows[-1])
                return results.read(path)

            outcome = held(
                path, add, lambda found: rows[-1] in found and len({row.place for row in found}) == len(found)
            )
            assert outcome == "right" or path.read_bytes() == before, "a file that is not ours was changed"
            return outcome

        yield path.name, added


ADDING = """
import sys
sys.path[:0] = {path!r}
from hdsr import results
row = {row!r}
for index in range(100000):
    results.add(sys.argv[1], results.Row(**row | {{"image": str(index)}}))
    print(index, flush=True)
"""
WRITING = """
import sys
sys.path[:0] = {path!r}
from hdsr.files import atomic_path
for index in range(100000):
    with atomic_path(sys.argv[1]) as temporary:
        temporary.write_bytes(bytes([index % 256]) * 1000000)
    print(index, flush=True)
"""


def killed(random: np.random.Generator, code: str, path: Path) -> int:
    """Run a program that says what it has done, kill it after a while, and return the last that it said."""
    command = [sys.executable, "-c", code.format(path=sys.path, row=asdict(ROW)), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        time.sleep(float(random.uniform(0, 0.3)))
        process.send_signal(signal.SIGKILL)
        return int((said + process.stdout.read()).rsplit("\n", 2)[-2])


@kind
def killed_writers(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Processes killed while they add rows or write files: what they said is there, and nothing else."""

    def rows(number: int) -> str:
        path = folder / f"{number}.csv"
        last = killed(random, ADDING, path)
        names = [row.image for row in results.read(path)]
        assert names[: last + 1] == [str(index) for index in range(last + 1)]
        assert len(names) <= last + 2
        return "right"

    def written(number: int) -> str:
        path = folder / str(number) / "file.bin"
        path.parent.mkdir()
        last = killed(random, WRITING, path)
        content = path.read_bytes()
        assert len(content) == 1_000_000
        assert set(content) in ({last % 256}, {(last + 1) % 256})
        with files.atomic_path(path) as temporary:
            temporary.write_bytes(b"again")
        assert [left.name for left in path.parent.iterdir()] == ["file.bin"], "something is left behind"
        return "right"

    for number in range(int(8 * share)):
        yield f"rows {number}", partial(rows, number)
        yield f"file {number}", partial(written, number)


@kind
def bad_servers(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Downloads from servers that break off, lie, ask for days or lead elsewhere: the right file or none."""
    moods = ["truncate", "flip", "500", "503", "404", "ignore range", "half anew", "other part", "unmeasured"]
    moods += ["endless", "503 259200", "302 nonsense://x", "302 http://[", "302 /file", "silent", "hang"]
    content = random.bytes(100_000)
    (folder / "right").write_bytes(content)
    known = Checksum("SHA-256", files.sha256(folder / "right"), len(content))
    with running_server() as server, requests.Session() as session:
        server.files["file"] = content
        for number in range(int(120 * share)):
            target = folder / f"{number}.bin"
            chosen = list(random.choice(moods, random.integers(1, 5)))

            def fetched(target: Path = target, chosen: list[str] = chosen) -> str:
                server.moods["file"] = list(chosen)
                retry = Retry(timeout_s=0.2, attempts=3, backoff_s=0.001)
                stop, address = threading.Event(), f"{server.address}/file"
                stop.wait = lambda *_: False
                download = Download(address, target, known, session, retry, stop, lambda _: None)
                outcome = held(Path("file"), download.run, lambda _: target.read_bytes() == content)
                assert outcome == "right" or not target.exists(), "a wrong file has the final name"
                return outcome

            yield ", ".join(chosen), fetched


@kind
def altered_sets(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Published sets with one file that is another image: never named as if they were the published ones."""
    for number in range(int(20 * share)):
        name = str(random.choice(datasets.BENCHMARK_SETS))
        entries = datasets.manifest.images_of(name)
        entry = entries[random.integers(len(entries))]
        write_png(folder / str(number) / "benchmarks" / name / "HR" / entry.file_name, photograph(random))

        def named(root: Path = folder / str(number), name: str = name) -> str:
            assert datasets.load_benchmark(name, 2, root).name == f"{name} (altered)"
            return "right"

        yield f"{name}/{entry.image}", named


@kind
def command_lines(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Commands on what is no image, no weights and no file of rows: exit code 2 and one line, at once."""
    good, weights = folder / "good.png", folder / "weights.safetensors"
    write_png(good, photograph(random, 24, 24))
    checkpoint.save(HDSRNet(2), weights, {})
    (folder / "loop").symlink_to("loop")
    (folder / "empty").touch()
    (folder / "void").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "noise").write_bytes(random.bytes(3000))
    odd = [
        "loop",
        "empty",
        "pipe",
        "noise",
        "void",
        "absent",
        "good.png/x",
        "\udcff",
        "~nosuchuser/x",
        "x" * 300,
    ]
    places = [*(f"{folder}/{name}" if name[0] != "~" else name for name in odd), "/dev/zero", "/dev/full", ""]

    def refused(arguments: list[str]) -> str:
        said = io.StringIO()
        before = sorted(os.fsencode(name) for name in os.listdir(folder))
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = main(arguments)
        assert code == 2, f"exit code {code}: {arguments}"
        assert said.getvalue().startswith("hdsr: error: ")
        assert said.getvalue().count("\n") == 1, said.getvalue()
        left = {os.fsencode(name) for name in os.listdir(folder)} - set(before)
        assert not [name for name in left if b"partial" in name], "something is left behind"
        return "refused"

    out = ["--out", str(folder / "out")]
    for place in places:
        for arguments in (
            ["upscale", place, "--scale", "2", *out, "--weights", str(weights)],
            ["upscale", str(good), "--scale", "2", *out, "--weights", place],
            [
                "evaluate",
                "--model",
                "hdsrnet",
                "--scale",
                "2",
                "--dataset",
                "samples",
                *out,
                "--weights",
                place,
            ],
            ["evaluate", "--model", "bicubic", "--scale", "2", "--dataset", place or "?", *out],
            ["pack", place, "--out", str(folder / "packed.safetensors")],
        ):
            yield " ".join(map(ascii, arguments)), partial(refused, arguments)
    for place in (
        folder,
        "/dev/null",
        "/dev/full",
        folder / "pipe",
        folder / "noise",
        folder / "good.png" / "x",
    ):
        arguments = [
            "evaluate",
            "--model",
            "bicubic",
            "--scale",
            "2",
            "--dataset",
            "samples",
            "--out",
            str(place),
        ]
        yield " ".join(arguments), partial(refused, arguments)


@kind
def killed_commands(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Enlargements killed and begun anew: every result is whole, and nothing else is left."""
    weights = folder / "weights.safetensors"
    checkpoint.save(HDSRNet(2), weights, {})
    images = [folder / f"{index}.png" for index in range(6)]
    for path in images:
        write_png(path, photograph(random, 80, 80))
    right = {}

    def begun_anew(number: int) -> str:
        out = folder / f"out {number}"
        options = ["--scale", "2", "--out", str(out), "--weights", str(weights)]
        command = [sys.executable, "-m", "hdsr", "upscale", *map(str, images), *options]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while not out.is_dir() and process.poll() is None:
                time.sleep(0.02)
            time.sleep(float(random.uniform(0, 0.5)))
            process.send_signal(signal.SIGTERM if number % 2 else signal.SIGKILL)
        assert upscale_files(images, 2, out, weights, overwrite=True, progress=False) == []
        made = {path.name: path.read_bytes() for path in out.iterdir()}
        assert set(made) == {f"{path.stem}_x2.png" for path in images}, "something is left behind"
        assert right.setdefault("made", made) == made
        return "right"

    for number in range(max(2, int(4 * share))):
        yield f"upscale {number}", partial(begun_anew, number)
