"""The command `hdsr`. Exit codes: 0; 1 some of many files failed; 2 one line says why; 130 interrupted;
141 nobody reads what is printed any more, as after `| head`.

What a command needs is imported when it runs, so that `hdsr --help` and a mistyped option answer at once.
"""

import ast
import io
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import psutil
import typer

from hdsr.errors import HdsrError, error_line, listed, meant, missing, unknown

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    name="hdsr",
    no_args_is_help=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Look after the data folder.")
app.add_typer(data_app, name="data")


def _keys(module: str, table: str) -> list[str]:
    """The keys of a table in a module of hdsr, read off its text: to import it would take seconds."""
    statements = ast.parse((Path(__file__).parent / module).read_text(encoding="utf-8")).body
    assigned = {
        ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0]): node.value
        for node in statements
        if isinstance(node, ast.Assign | ast.AnnAssign)
    }
    keys = (assigned.get(ast.unparse(key), key) for key in assigned[table].keys)
    return [key.value for key in keys if isinstance(key, ast.Constant)]


METHODS = [*_keys("methods/registry.py", "LOADERS"), "hdsrnet_ensemble"]
PROTOCOLS = _keys("measure/protocols.py", "NAMED")
BENCH_PARTS = _keys("bench/parts.py", "PARTS")
SOURCES = "ours|authors|others|FILE"


def _named(text: str) -> Path:
    """A path that was given; an empty one, as of a shell's unset variable, would mean the current folder."""
    if not text:
        raise HdsrError("an empty name: expected a file or folder")
    return Path(text)


_place = partial(typer.Option, parser=_named)

Images = Annotated[
    list[Path], typer.Argument(metavar="IMAGE...", help="Images of any kind, or folders.", parser=_named)
]

Scale = Annotated[Literal[2, 3, 4], typer.Option(help="How many times larger.")]
Root = Annotated[
    Path | None,
    _place("--data", metavar="ROOT", help="Data folder; else $HDSR_DATA, else data/."),
]
Weights = Annotated[str, typer.Option(metavar=SOURCES, help="Which weights the network gets.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]
Precision = Annotated[Literal["fp32", "bf16"], typer.Option(help="Arithmetic of the network.")]
Device = Annotated[str, typer.Option(help="Where the network runs: cpu, cuda, cuda:1, mps.")]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"hdsr {version('hdsr')}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """HDSRNet: measure it, use it, train it."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; an error is one line on stderr, never a traceback."""
    return run_program(app, "hdsr", arguments)


def run_program(commands: typer.Typer, name: str, arguments: list[str] | None = None) -> int:
    """Run a command of a program and return its exit code; SIGTERM ends it and the processes it started."""
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # the caller has closed it
            setattr(sys, stream, open(os.devnull, "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for names that the terminal cannot write
    # What Pillow says of metadata is nobody's business; what hinders pixels is an error.
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    try:
        with _ending_at_sigterm():
            code = commands(arguments, prog_name=name, standalone_mode=False) or 0
            sys.stdout.flush()  # here a full disk is an error like any other
            return code
    except BrokenPipeError:
        _leave_unheard()
        return 141
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # which typer takes for the end of the program
            _leave_unheard()
            return 141
        raise
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        _say(error_line(missing(error)))
        return 2
    except (HdsrError, typer.TyperException, OSError, UnicodeError, OverflowError, MemoryError) as error:
        _say(error_line(error))
        return 2
    except RuntimeError as error:
        from hdsr.upscaling.memory import is_want_of_memory

        if not is_want_of_memory(error):
            raise
        _say(f"hdsr: error: there is not enough memory for this: {str(error).splitlines()[0]}")
        return 2


def _say(line: str) -> None:
    """Print to stderr, where that can be written."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)
    _leave_unheard()


def _leave_unheard() -> None:
    """Let what cannot be written to stdout and stderr be lost, so that it is no error at the end either."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _ending_at_sigterm() -> Iterator[None]:
    """Exit at SIGTERM by way of an exception, so that nothing is left behind, workers neither."""

    def end(*_: object) -> None:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        raise SystemExit(128 + signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_weights(weights: str | Path | None, scale: int | None = None, data: Path | None = None) -> None:
    """Raise HdsrError, before torch is imported, unless these are a file, or HDSRNet's of that name."""
    from hdsr.fetch.weights import find_weights
    from hdsr.files import check_regular

    named = ("ours", "authors", "others")
    if weights == "":
        raise HdsrError("--weights has an empty name: expected ours, authors, others or a file")
    if weights not in (None, *named):
        check_regular(weights, f"a file of weights{meant(weights, named)}")
    elif weights and scale:
        find_weights(scale, weights, data)


def _check_model(model: str) -> None:
    """Raise HdsrError, before torch is imported, for a method that there is not."""
    registry = sys.modules.get("hdsr.methods.registry")
    # the program that called us may have registered a method of its own
    known = list(registry.LOADERS) if registry else METHODS
    if model not in known:
        raise unknown("model", model, known)


def _check_device(device: str) -> None:
    """Raise HdsrError, before torch is imported, for what names no device."""
    if not re.fullmatch(r"(cpu|mps|cuda(:\d+)?)", device):
        raise HdsrError(f"{device!r} names no device: expected cpu, cuda, cuda:1 or mps")


@app.command()
def evaluate(
    model: Annotated[
        str, typer.Option(help=f"The method: {', '.join(METHODS)} (the mean of eight turned and mirrored).")
    ],
    scale: Scale,
    dataset: Annotated[
        list[str], typer.Option(help="Set5, Set14, B100, Urban100, samples or a folder; may be repeated.")
    ],
    out: Annotated[
        Path,
        _place(metavar="ROWS.CSV", help="Result rows; rows already there are reused."),
    ],
    data: Root = None,
    weights: Annotated[
        str | None, typer.Option(metavar=SOURCES, help="Which weights it gets; else the first it has.")
    ] = None,
    precision: Precision = "fp32",
    device: Device = "cpu",
    save_images: Annotated[
        Path | None,
        _place(metavar="DIR", help="Keep SR images, as DIR/<model>/<set>/x<scale>/*.png."),
    ] = None,
) -> None:
    """Score a method on benchmark sets: Y-PSNR and SSIM of every image, one row each.

    May be stopped at any time; the same command goes on where it was.
    """
    from hdsr.datasets import load_benchmark
    from hdsr.files import check_regular

    _check_model(model)
    if out.exists():
        check_regular(out, "a file of result rows")
    for name in dataset:
        _named(name)
        load_benchmark(name, scale, data)
    _check_weights(weights, scale if model == "hdsrnet" else None, data)
    _check_device(device)
    from hdsr import evaluation, results
    from hdsr.upscaling.allocator import keep_freed_memory

    keep_freed_memory()
    rows = evaluation.evaluate(
        model,
        scale,
        dataset,
        out=out,
        root=data,
        weights=weights,
        precision=precision,
        device=device,
        save_images=save_images,
        progress=None,
    )
    print("\n".join(_summary_lines(results.summarize(rows))))
    for benchmark in (load_benchmark(name, scale, data) for name in dict.fromkeys(dataset)):
        if not benchmark.complete or benchmark.altered:
            print(benchmark.description)
        if benchmark.left_out:
            print(f"{benchmark.name}: not measured: {listed(benchmark.left_out)}")


def _summary_lines(summary: "pd.DataFrame") -> list[str]:
    """The means of whole sets, one line each; of a partial set, only how much of it there is."""
    lines = []
    for group in summary.itertuples():
        title = f"{group.model} ({group.weights}) x{group.scale} {group.dataset}:"
        if group.complete:
            lines.append(f"{title} {group.psnr_db:.2f} dB, SSIM {group.ssim:.4f}, {group.n} images")
        else:
            lines.append(f"{title} incomplete, {group.n} of {group.expected} images, no mean")
    return lines


@app.command()
def upscale(
    images: Images,
    scale: Scale,
    out: Annotated[
        Path,
        _place(metavar="DIR", help="Folder for <image>_x<scale>.png; of one image also FILE.png."),
    ],
    data: Root = None,
    weights: Weights = "ours",
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Mean of eight turned and mirrored: 8 times as long.")
    ] = False,
    overwrite: Overwrite = False,
    precision: Precision = "fp32",
    device: Device = "cpu",
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Memory that the program may take, such as 3GiB; else what is free."
        ),
    ] = None,
    accept_damaged: Annotated[
        bool,
        typer.Option("--accept-damaged", help="Take JPEG files whose data are corrupt, as far as they go."),
    ] = False,
) -> int:
    """Enlarge images of any kind: gray, 16 bits, transparency, color profile and upright view are kept.

    The weights are made for images shrunk by clean bicubic, such as `hdsr degrade` gives. Of JPEG photographs
    and noisy ones they enlarge the artifacts too. Example: hdsr upscale photo.png --scale 4 --out big.png

    Large images go through the network in strips, with the pixels that the whole would give.
    """
    from hdsr.upscaling import plan
    from hdsr.upscaling.memory import parse_bytes

    memory_bytes = None if memory is None else parse_bytes(memory)
    planned = plan.check(images, out, f"_x{scale}.png", overwrite)
    _check_weights(weights, scale, data)
    _check_device(device)
    from tqdm.auto import tqdm

    from hdsr.upscaling.allocator import keep_freed_memory
    from hdsr.upscaling.files import upscale_files

    keep_freed_memory()
    failures = upscale_files(
        images,
        scale,
        out,
        weights,
        overwrite=overwrite,
        root=data,
        device=device,
        precision=precision,
        memory_bytes=memory_bytes,
        strict=not accept_damaged,
        ensemble=ensemble,
        finished=lambda job: tqdm.write(f"{job.path} -> {job.output}: {job.sizes}"),
        progress=None,
    )
    return _failed_of(len(planned), failures, f"enlarged x{scale}")


def _failed_of(count: int, failures: list[HdsrError], done: str) -> int:
    """The exit code of a command on `count` files, and what it says at its end."""
    if len(failures) == count:
        raise HdsrError("; ".join(map(str, failures)))
    for failure in failures:
        print(error_line(failure), file=sys.stderr)
    print(f"{count - len(failures)} of {count} images {done}")
    return 1 if failures else 0


@app.command()
def degrade(
    images: Images,
    scale: Annotated[Literal[2, 3, 4], typer.Option(help="How many times smaller.")],
    out: Annotated[
        Path,
        _place(metavar="DIR", help="Folder for <image>x<scale>.png; of one image also FILE.png."),
    ],
    overwrite: Overwrite = False,
) -> int:
    """Shrink images by MATLAB's bicubic, bit for bit: the LR images of super-resolution benchmarks.

    Each is cropped to a multiple of the scale from the top left first.
    """
    from hdsr.upscaling.degrade import degrade_files

    failures, count = [], 0
    for count, line in enumerate(degrade_files(images, scale, out, overwrite), 1):  # noqa: B007
        if isinstance(line, HdsrError):
            failures.append(line)
        else:
            print(line, flush=True)
    return _failed_of(count, failures, f"shrunk x{scale}")


@app.command()
def score(
    sr: Annotated[
        Path, typer.Argument(metavar="SR", help="Image to judge, or a folder of them.", parser=_named)
    ],
    hr: Annotated[
        Path, typer.Argument(metavar="HR", help="The true image, or a folder of them.", parser=_named)
    ],
    crop_px: Annotated[
        int | None,
        typer.Option(
            "--crop-px",
            min=0,
            metavar="N",
            help="Pixels left out on every side; else the scale that SR's name ends in (_x4), else none.",
        ),
    ] = None,
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help=f"How it is measured: {', '.join(PROTOCOLS)}.")
    ] = "python",
) -> int:
    """Y-PSNR and SSIM of images, as the field measures them.

    In folders, images belong together whose names are the same but for _x4 and the suffix.
    """
    from hdsr.measure import files, protocols

    protocols.named(protocol)
    judged = files.pairs(sr, hr)
    made = list(files.score_lines(judged, protocol, crop_px))
    failures = [line for line in made if isinstance(line, HdsrError)]
    if len(failures) == len(judged):
        raise HdsrError("; ".join(map(str, failures)))
    for line in made:
        if isinstance(line, HdsrError):
            print(error_line(line), file=sys.stderr)
        else:
            print(line)
    if alone := files.unjudged(hr, judged):
        print(f"{hr}: nothing to judge for {listed(alone)}")
    return 1 if failures else 0


@app.command()
def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.YAML", help="What to train, and how.", parser=_named)
    ],
    out: Annotated[Path, _place(metavar="RUN", help="Folder of the run.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is there.")] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one key; may be repeated.")
    ] = None,
) -> None:
    """Train a network."""
    from hdsr.training.config import load_config

    chosen = load_config(config, overrides or [])
    from hdsr.training import loop as training

    weights = training.train(chosen, out, resume)
    print(f"best weights: {weights}")


@app.command()
def pack(
    weights: Annotated[
        Path, typer.Argument(metavar="FILE", help="weights.safetensors or a state of a run.", parser=_named)
    ],
    out: Annotated[Path, _place(metavar="FILE|DIR", help="Where the weights or the pieces go.")],
) -> None:
    """Store weights in half precision, as those that ship are; or a state in pieces of less than 16 MiB.

    `hdsr train` begins from such pieces by --set branch_from=DIR.
    """
    _check_weights(weights)
    if weights.suffix == ".pt":
        from hdsr.training.states import split_state

        for piece in split_state(weights, out):
            print(f"{piece}: {piece.stat().st_size:,} bytes")
        return
    if out.suffix != ".safetensors":
        raise HdsrError(f"{out} does not end in .safetensors, as a file of weights does")
    if out.resolve() == weights.resolve():
        raise HdsrError(f"{out} is the file to be packed: name another one")
    from hdsr import checkpoint

    checkpoint.pack(weights, out)
    print(f"{out}: {out.stat().st_size:,} bytes")


@app.command()
def export(
    scale: Scale,
    out: Annotated[Path, _place(metavar="FILE.ONNX", help="Where the network goes.")],
    data: Root = None,
    weights: Weights = "ours",
) -> None:
    """Write HDSRNet as ONNX for images of any size, having compared it with PyTorch on photographs."""
    _check_weights(weights, scale, data)
    from hdsr.upscaling.onnx import export

    difference = export(scale, out, weights, data)
    print(f"{out}: {out.stat().st_size:,} bytes; at most {difference:.2g} of 255 from PyTorch")


@app.command()
def profile(
    scale: Scale = 4,
    lr_size: Annotated[int, typer.Option(min=1, metavar="PX", help="Side of the square LR image.")] = 256,
    warmup: Annotated[int, typer.Option(min=0, help="Turns that are not timed.")] = 3,
    runs: Annotated[int, typer.Option(min=2, help="Turns that are.")] = 10,
    precision: Precision = "fp32",
    device: Device = "cpu",
) -> None:
    """Count HDSRNet's parameters and operations, and time it, as published and folded."""
    _check_device(device)
    import torch

    from hdsr import inference, network
    from hdsr.measure import counters, latency
    from hdsr.upscaling.run import device_name, torch_device

    published = network.HDSRNet(scale)
    forms = {"published": published, "folded": inference.fold(published)}
    timed = latency.time_networks(
        forms,
        lr_size,
        lr_size,
        device=device,
        precision=precision,
        warmup=warmup,
        runs=runs,
        progress=None,
    )
    counted = counters.by_hand(scale, lr_size, lr_size)
    print(f"HDSRNet x{scale}, LR {lr_size} x {lr_size} to HR {scale * lr_size} x {scale * lr_size}")
    print(f"parameters: {counters.parameters(published):,} (by hand {counted['parameters'].sum():,})")
    print(f"MACs by hand, mean shift as convolutions: {counted['macs'].sum() / 1e9:.2f} G")
    for name, form in forms.items():
        print(f"MACs by torch's counter, {name}: {counters.macs(form, lr_size, lr_size) / 1e9:.2f} G")
    for name, times_ms in timed.items():
        median, first, third = latency.quartiles(times_ms)
        print(f"latency, {name}: {median:.1f} ms (quartiles {first:.1f} to {third:.1f})")
    made = f"{device_name(torch_device(device))}, {precision}, CPU threads: {torch.get_num_threads()}"
    print(f"({made}, warm-up turns: {warmup}, timed turns: {runs})")
    print(f"convolutions, folded: {convolution_line(device, precision)}")


def convolution_line(device: str, precision: str) -> str:
    """Which way of convolving serves the folded network, and why."""
    import torch

    from hdsr.winograd.fused import winograd_obstacle

    features, weight = torch.zeros(1, 64, 8, 8, device=device), torch.zeros(64, 64, 3, 3, device=device)
    with torch.inference_mode(), torch.autocast(features.device.type, torch.bfloat16, precision == "bf16"):
        obstacle = winograd_obstacle(features, weight)
    return "Winograd's, the faster way here" if obstacle is None else f"PyTorch's; Winograd's: {obstacle}"


@app.command()
def bench(
    out: Annotated[
        Path | None,
        _place(metavar="FILE.CSV", help="File of rows; else reports/bench.csv."),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help=f"Of {', '.join(BENCH_PARTS)}; may be repeated; else all."),
    ] = None,
    data: Root = None,
) -> None:
    """Measure speed, memory and training steps of this machine as ratios; rows of other parts stay."""
    for name in part or ():
        if name not in BENCH_PARTS:  # before torch is imported
            raise unknown("part", name, BENCH_PARTS)
    from hdsr import paths
    from hdsr.bench import parts, rows

    measured = rows.measure_parts(
        parts.chosen(part or ()), rows.Request(paths.data_root(data)), out or paths.BENCH
    )
    print("\n".join(rows.row_lines(measured)))


@data_app.command()
def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="What to fetch: benchmarks, weights, train291, photographs or DIV2K (6 GB); one set (Set5), "
            "one network (HDSRNet) or one file (DIV2K_train_HR.zip). Without a name: benchmarks and weights.",
        ),
    ] = None,
    data: Root = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Fetch from URL/<repository>/<commit>/<path> (of DIV2K: URL/<file>) instead.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=32, help="Files at a time.")] = 8,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="SECONDS", help="How long a server may be silent.")
    ] = 30.0,
    attempts: Annotated[
        int, typer.Option(min=1, help="Attempts in a row that may bring a file no further.")
    ] = 5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be fetched.")] = False,
) -> int:
    """Bring published images and weights into the data folder, each verified before it gets its name.

    May be stopped at any time; the same command goes on where it was. What is there and whole stays; what is
    there and damaged is replaced.
    """
    from hdsr.fetch.download import Retry
    from hdsr.fetch.fetch import fetch, plan

    planned = plan(names or (), data)
    print("\n".join([f"data folder: {planned.root}", *planned.describe()]), flush=True)
    if dry_run or not planned.needed:
        return 0
    outcome = fetch(planned, mirror, jobs, Retry(timeout_s=timeout, attempts=attempts))
    if not outcome.fetched:
        others = len(planned.needed) - 1
        raise HdsrError(
            f"{outcome.failures[0]}" + f"; nor was any of {others} other files fetched" * bool(others)
        )
    for failure in outcome.failures:
        print(error_line(failure), file=sys.stderr)
    print(f"{len(outcome.fetched)} of {len(planned.needed)} files fetched, each as published")
    if outcome.untried:
        print(f"{outcome.untried} not tried after so many failures: the same command goes on")
    return 1 if outcome.failures else 0


@data_app.command()
def status(data: Root = None) -> None:
    """List the published sets and weights: how much of each is here, and how much of that is whole."""
    from hdsr import paths
    from hdsr.fetch import inventory

    table = inventory.status(data)
    print(f"data folder: {paths.data_root(data)}")
    columns = ["set", "scale", "images", "present", "verified", "copies", "bytes"]
    is_weights = table["group"] == "weights"
    weights = table[is_weights].rename(columns={"set": "weights", "images": "files"})
    for part in (
        table.loc[~is_weights, columns],
        weights[["weights", "scale", "files", "present", "verified", "bytes"]],
    ):
        print(f"\n{part.to_string(index=False, formatters={'bytes': '{:,}'.format})}")
    print()
    for name, lines in table.groupby("set", sort=False):
        for what in ("missing", "damaged"):
            if names := lines[what].sum():
                print(f"{name}: {what} {listed(names)}")


@data_app.command()
def verify(data: Root = None) -> int:
    """Compare every published file that is here, weights too, with its published length and hash.

    The weights that ship are compared with theirs.
    """
    from hdsr import paths
    from hdsr.fetch import inventory, manifest

    present = [finding for finding in inventory.inspect(paths.data_root(data)) if finding.present]
    bad = [finding for finding in present if finding.fault]
    copies = sum(finding.copy for finding in present)
    for finding in bad:
        print(f"hdsr: error: {finding.path} is not as published: {finding.fault}", file=sys.stderr)
    originals = len(present) - copies
    told = f"; {copies} images are copies in other formats" if copies else ""
    print(f"{originals - len(bad)} of {originals} files are as published{told}")
    shipped = manifest.shipped(paths.OWN_WEIGHTS)
    other = [name for name in shipped if shipped[name].fault(paths.OWN_WEIGHTS / name)]
    for name in other:
        print(f"hdsr: error: {paths.OWN_WEIGHTS / name} is not the file that ships", file=sys.stderr)
    return 1 if bad or other else 0
