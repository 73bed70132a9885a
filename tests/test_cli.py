import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch

import hdsr
from hdsr import checkpoint, cli, evaluation, paths, results
from hdsr.bench import parts, rows
from hdsr.cli import convolution_line, main
from hdsr.errors import HdsrError
from hdsr.fetch import fetch as fetching
from hdsr.fetch import manifest
from hdsr.images import read_image, read_picture, write_png
from hdsr.measure import latency, protocols
from hdsr.methods import registry
from hdsr.network import HDSRNet
from hdsr.training import loop as training
from hdsr.upscaling import files as upscaling
from hdsr.upscaling import onnx
from hdsr.winograd.convolution import switched_off

pytestmark = pytest.mark.usefixtures("compiled")

COMMANDS = [
    "evaluate",
    "upscale",
    "degrade",
    "score",
    "train",
    "pack",
    "export",
    "profile",
    "data fetch",
    "data status",
    "data verify",
]


@pytest.fixture
def photos(tmp_path):
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        write_png(tmp_path / "photos" / f"{name}.png", random.integers(0, 256, (24, 26, 3), dtype=np.uint8))
    return tmp_path / "photos"


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    checkpoint.save(HDSRNet(2), tmp_path / "weights.safetensors", {})
    return tmp_path / "weights.safetensors"


@pytest.fixture
def failure(capsys):
    """Run a command that must fail with exit code 2 and one line, which is returned without its beginning."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert code == 2
        assert re.fullmatch(r"hdsr: error: [^\n]+\n", printed.err)
        return printed.err.removeprefix("hdsr: error: ").rstrip()

    return run


def evaluate_arguments(dataset, tmp_path, *more):
    defaults = ["evaluate", "--model", "bicubic", "--scale", 2, "--dataset", dataset]
    return [str(word) for word in [*defaults, "--out", tmp_path / "rows.csv", *more]]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    assert "Usage: hdsr" in capsys.readouterr().out


def test_help_names_what_there_is():
    assert list(protocols.NAMED) == cli.PROTOCOLS
    assert list(parts.PARTS) == cli.BENCH_PARTS
    assert list(registry.LOADERS) == cli.METHODS


def test_help_needs_no_torch():
    code = "import sys; from hdsr.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "hdsr", "profile", "--scale", "5"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "hdsr: error: Invalid value for '--scale': '5' is not one of '2', '3', '4'.\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "Missing command"),
        ("paint", "No such command 'paint'"),
        ("profile --colour red", "No such option: --colour"),
        ("profile --scale two", "'two' is not one of '2', '3', '4'"),
        ("profile --precision fp8", "'fp8' is not one of 'fp32', 'bf16'"),
        ("profile --runs many", "Invalid value for '--runs'"),
        ("profile --runs 1", "Invalid value for '--runs'"),
        ("profile --scale", "'--scale' requires an argument"),
        ("profile --scale 2 --device tpu9", "'tpu9' names no device: expected cpu, cuda"),
        ("evaluate --model bicubic", "Missing option '--scale'"),
        (
            "evaluate --model edsr --scale 2 --dataset samples --out x.csv",
            "unknown model 'edsr': expected one of",
        ),
        ("upscale --scale 2 --out x", "Missing argument 'IMAGE...'"),
        ("train", "Missing argument"),
        ("train nowhere.yaml --out x", "nowhere.yaml"),
        ("data paint", "No such command 'paint'"),
        ("data fetch Set6", "unknown published name 'Set6': expected one of benchmarks, weights"),
        ("data fetch --jobs 0", "Invalid value for '--jobs'"),
    ],
)
def test_usage_errors_are_one_line(words, message, failure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in failure(*words.split())
    assert list(tmp_path.iterdir()) == []


def test_evaluate_writes_rows_and_prints_means(photos, tmp_path, capsys):
    arguments = evaluate_arguments(photos, tmp_path, "--save-images", tmp_path / "sr")
    for _ in range(2):
        assert main(arguments) == 0
        printed = capsys.readouterr()
        assert re.fullmatch(
            r"bicubic \(none\) x2 photos: \d\d?\.\d\d dB, SSIM 0\.\d{4}, 2 images\n", printed.out
        )
        assert printed.err == ""
    assert [row.image for row in results.read(tmp_path / "rows.csv")] == ["a", "b"]
    assert (tmp_path / "sr" / "bicubic" / "photos" / "x2" / "b.png").is_file()


def test_evaluate_prints_no_mean_of_a_partial_set(photos, tmp_path, capsys):
    hr = tmp_path / "benchmarks" / "Set5" / "HR"
    hr.mkdir(parents=True)
    (photos / "a.png").rename(hr / "baby.png")
    assert main(evaluate_arguments("Set5", tmp_path, "--data", tmp_path)) == 0
    text = capsys.readouterr().out
    assert "bicubic (none) x2 Set5 (altered): incomplete, 1 of 5 images, no mean" in text
    assert "missing bird, butterfly, head, woman" in text
    assert "dB" not in text


def test_evaluate_tells_what_of_a_set_is_not_the_published_one(photos, tmp_path, capsys):
    hr = tmp_path / "benchmarks" / "Set5" / "HR"
    hr.mkdir(parents=True)
    for name in ("baby", "bird", "butterfly", "head", "woman"):
        shutil.copy(photos / "a.png", hr / f"{name}.png")
    assert main(evaluate_arguments("Set5", tmp_path, "--data", tmp_path)) == 0
    mean, *told = capsys.readouterr().out.splitlines()
    assert mean.startswith("bicubic (none) x2 Set5 (altered): ")
    assert len(told) == 1
    assert told[0].startswith("Set5: 5 of 5 images in ")
    assert "not the published ones: baby, bird" in told[0]


def test_evaluate_tells_what_lies_beside_the_images(photos, tmp_path, capsys):
    (photos / "notes.txt").write_text("of a person")
    assert main(evaluate_arguments(photos, tmp_path)) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["photos: not measured: notes.txt"]


def test_a_truncated_image_is_named(photos, tmp_path, failure):
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:500])
    assert "b.png" in failure(*evaluate_arguments(photos, tmp_path))


def test_a_missing_set_says_where_it_was_looked_for(tmp_path, failure):
    line = failure(*evaluate_arguments("Set5", tmp_path, "--data", tmp_path))
    assert str(tmp_path / "benchmarks" / "Set5" / "HR") in line


def test_weights_of_another_network_are_refused(photos, tmp_path, failure):
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pt")
    arguments = evaluate_arguments(photos, tmp_path, "--model", "hdsrnet", "--weights", tmp_path / "other.pt")
    line = failure(*arguments)
    assert "other.pt" in line
    assert "not HDSRNet" in line


@pytest.mark.parametrize("file", ["carn_m.pth", "lesrcnn_x2.pth", "vdsr_model_epoch_50.pth"])
def test_real_weights_of_another_network_are_refused(photos, tmp_path, real_data_root, file, failure):
    path = real_data_root / "weights" / file
    assert file in failure(*evaluate_arguments(photos, tmp_path, "--model", "hdsrnet", "--weights", path))


def test_weights_of_another_scale_are_refused(photos, tmp_path, weights, failure):
    line = failure(
        *evaluate_arguments(photos, tmp_path, "--model", "hdsrnet", "--scale", 3, "--weights", weights)
    )
    assert "holds weights for x2, expected x3" in line


def test_a_folder_cannot_hold_rows(photos, tmp_path, failure):
    (tmp_path / "rows.csv").mkdir()
    line = failure(*evaluate_arguments(photos, tmp_path))
    assert line == f"{tmp_path / 'rows.csv'} is a folder, expected a file of result rows"


def complaints(capsys):
    """What was written to stderr, but for the note that a convolution is compiled, once on a machine."""
    lines = capsys.readouterr().err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("hdsr: compiling a convolution"))


def test_upscale_writes_every_image(photos, tmp_path, weights, capsys):
    arguments = ["upscale", photos / "a.png", photos / "b.png", "--scale", 2, "--out", tmp_path / "big"]
    assert main([*map(str, arguments), "--weights", str(weights)]) == 0
    assert read_image(tmp_path / "big" / "a_x2.png").shape == (48, 52, 3)
    assert (tmp_path / "big" / "b_x2.png").is_file()
    assert complaints(capsys) == ""


def test_upscale_does_what_it_can(photos, tmp_path, weights, capsys):
    (photos / "a.png").write_bytes(b"not an image")
    arguments = ["upscale", photos / "a.png", photos / "b.png", "--scale", 2, "--out", tmp_path / "big"]
    assert main([*map(str, arguments), "--weights", str(weights)]) == 1
    assert re.fullmatch(r"hdsr: error: [^\n]*a\.png[^\n]*\n", complaints(capsys))
    assert [path.name for path in (tmp_path / "big").iterdir()] == ["b_x2.png"]


@pytest.mark.parametrize("names", [["a.png"], ["a.png", "gone.png"]])
def test_upscale_of_nothing_usable_fails(names, photos, tmp_path, weights, failure):
    (photos / "a.png").write_bytes(b"not an image")
    paths = [photos / name for name in names]
    line = failure("upscale", *paths, "--scale", 2, "--out", tmp_path / "big", "--weights", weights)
    assert all(name in line for name in names)


def test_upscale_does_not_overwrite_unless_told(photos, tmp_path, weights, failure):
    write_png(tmp_path / "a_x2.png", np.zeros((4, 4, 3), np.uint8))
    arguments = ["upscale", photos / "a.png", "--scale", 2, "--out", tmp_path, "--weights", weights]
    assert "a_x2.png" in failure(*arguments)
    assert main([*map(str, arguments), "--overwrite"]) == 0


def test_an_unknown_config_key_is_named(tmp_path, failure):
    config = tmp_path / "config.yaml"
    config.write_text("scale: 2\nsets: [{name: T91}]\npatch_px: 64\nsteps: 10\nlearning_speed: 1\n")
    assert "unknown key 'learning_speed'" in failure("train", config, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_train_hands_its_options_on(tmp_path, monkeypatch, capsys):
    config = tmp_path / "config.yaml"
    config.write_text("scale: 2\nsets: [{name: T91}]\npatch_px: 64\nsteps: 10\n")
    seen = {}

    def train(config, out, resume):
        seen.update(config=config, out=out, resume=resume)
        return out / "best.safetensors"

    monkeypatch.setattr(training, "train", train)
    arguments = ["train", str(config), "--out", "run", "--resume", "--set", "steps=3", "--set", "seed=7"]
    assert main(arguments) == 0
    assert (seen["config"].steps, seen["config"].seed, str(seen["out"]), seen["resume"]) == (
        3,
        7,
        "run",
        True,
    )
    assert capsys.readouterr().out == "best weights: run/best.safetensors\n"


def test_evaluate_hands_its_options_on(photos, tmp_path, weights, monkeypatch):
    seen = {}

    def evaluate(model, scale, dataset, **options):
        seen.update(options, asked=(model, scale, dataset))
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    words = ["--model", "hdsrnet", "--weights", weights, "--precision", "bf16", "--device", "cuda:1"]
    words += ["--data", tmp_path, "--save-images", tmp_path / "sr"]
    assert main(evaluate_arguments(photos, tmp_path, *words)) == 130
    assert seen == {
        "asked": ("hdsrnet", 2, [str(photos)]),
        "out": tmp_path / "rows.csv",
        "root": tmp_path,
        "weights": str(weights),
        "precision": "bf16",
        "device": "cuda:1",
        "save_images": tmp_path / "sr",
        "progress": None,
    }


def test_upscale_hands_its_options_on(photos, tmp_path, weights, monkeypatch):
    seen = {}

    def upscale_files(images, scale, out, weights, *, finished, **options):
        seen.update(options, asked=(images, scale, out, weights))
        return []

    monkeypatch.setattr(upscaling, "upscale_files", upscale_files)
    words = ["upscale", photos, "--scale", 3, "--out", tmp_path / "big", "--weights", weights]
    assert main([str(word) for word in words]) == 0
    asked = ([photos], 3, tmp_path / "big", str(weights))
    usual = {"overwrite": False, "root": None, "device": "cpu", "precision": "fp32", "memory_bytes": None}
    assert seen == usual | {"asked": asked, "strict": True, "ensemble": False, "progress": None}
    words += ["--overwrite", "--data", tmp_path, "--device", "cuda:1", "--precision", "bf16"]
    words += ["--memory", "3KiB", "--accept-damaged", "--ensemble"]
    assert main([str(word) for word in words]) == 0
    other = {"overwrite": True, "root": tmp_path, "device": "cuda:1", "precision": "bf16"}
    other |= {"memory_bytes": 3072, "strict": False, "ensemble": True}
    assert seen == other | {"asked": asked, "progress": None}


def test_profile_times_what_it_says(monkeypatch, capsys):
    seen = {}

    def time_networks(networks, *sides, **options):
        seen.update(
            options, sides=sides, shapes=[net(torch.zeros(1, 3, 8, 8)).shape for net in networks.values()]
        )
        return {name: [1.0, 2.0, 3.0] for name in networks}

    monkeypatch.setattr(latency, "time_networks", time_networks)
    words = ["profile", "--scale", "2", "--lr-size", "16", "--warmup", "0", "--runs", "5"]
    assert main([*words, "--precision", "bf16"]) == 0
    assert seen == {
        "sides": (16, 16),
        "shapes": [(1, 3, 16, 16)] * 2,
        "device": "cpu",
        "precision": "bf16",
        "warmup": 0,
        "runs": 5,
        "progress": None,
    }
    assert "latency, folded: 2.0 ms (quartiles 1.5 to 2.5)" in capsys.readouterr().out


def test_export_bench_and_fetch_hand_their_options_on(weights, tmp_path, monkeypatch):
    seen = []

    def export(scale, out, source, root):
        out.touch()
        seen.append((scale, source, root))
        return 0.001

    def measure_parts(chosen, request, out):
        seen.append((list(chosen), request.root, out))
        return pd.DataFrame(columns=rows.COLUMNS)

    def fetch(planned, mirror, jobs, retry):
        seen.append((planned.root, mirror, jobs, retry.timeout_s, retry.attempts))
        return fetching.Outcome(list(planned.needed))

    monkeypatch.setattr(onnx, "export", export)
    monkeypatch.setattr(rows, "measure_parts", measure_parts)
    monkeypatch.setattr(fetching, "fetch", fetch)
    data = ["--data", str(tmp_path)]
    assert (
        main(["export", "--scale", "2", "--out", str(tmp_path / "x.onnx"), "--weights", str(weights), *data])
        == 0
    )
    assert main(["bench", "--part", "memory", "--out", "x.csv", *data]) == 0
    limits = ["--jobs", "3", "--timeout", "2", "--attempts", "7"]
    assert main(["data", "fetch", "Set5", "--mirror", "http://x", *limits, *data]) == 0
    assert seen == [
        (2, str(weights), tmp_path),
        (["memory"], tmp_path, Path("x.csv")),
        (tmp_path, "http://x", 3, 2, 7),
    ]


def test_pack_writes_nothing_else_than_a_new_file_of_weights(weights, tmp_path, failure):
    before = weights.read_bytes()
    assert "is the file to be packed" in failure("pack", weights, "--out", weights)
    assert "does not end in .safetensors" in failure("pack", weights, "--out", tmp_path / "a.png")
    assert weights.read_bytes() == before
    assert not (tmp_path / "a.png").exists()


def test_pack_halves_the_weights(weights, tmp_path, capsys):
    packed = tmp_path / "packed.safetensors"
    assert main(["pack", str(weights), "--out", str(packed)]) == 0
    assert capsys.readouterr().out == f"{packed}: {packed.stat().st_size:,} bytes\n"
    assert packed.stat().st_size < 0.51 * weights.stat().st_size


def test_an_interrupt_ends_with_130_and_no_traceback(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "evaluate", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    assert main(evaluate_arguments(photos, tmp_path)) == 130
    assert capsys.readouterr().err == ""


def test_profile_counts_and_times(capsys):
    assert main(["profile", "--scale", "4", "--lr-size", "16", "--warmup", "0", "--runs", "2"]) == 0
    text = capsys.readouterr().out
    assert "parameters: 1,966,208 (by hand 1,966,208)" in text
    for line in (
        "latency, published: ",
        "latency, folded: ",
        "cpu, fp32, ",
        "warm-up turns: 0, timed turns: 2",
        "convolutions, folded: ",
    ):
        assert line in text


def test_profile_says_why_another_way_of_convolving_serves():
    other = "PyTorch's; Winograd's: "
    with switched_off():
        assert convolution_line("cpu", "fp32") == f"{other}it is switched off"
    for precision in ("fp32", "bf16"):
        assert convolution_line("cpu", precision).startswith(("Winograd's, the faster way", other))


def test_data_status_of_an_empty_folder(tmp_path, capsys):
    assert main(["data", "status", "--data", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert str(tmp_path) in text
    assert "Set5: missing baby, bird, butterfly, head, woman" in text


def test_data_verify_names_a_damaged_file(photos, tmp_path, capsys):
    hr = tmp_path / "benchmarks" / "Set5" / "HR"
    hr.mkdir(parents=True)
    assert main(["data", "verify", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "0 of 0 files are as published\n"
    (photos / "a.png").rename(hr / "baby.png")
    assert main(["data", "verify", "--data", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert printed.out == "0 of 1 files are as published\n"
    damaged = f"{hr / 'baby.png'} is not as published: it has {(hr / 'baby.png').stat().st_size:,} bytes"
    assert printed.err == f"hdsr: error: {damaged}, expected 371,264\n"
    assert main(["data", "status", "--data", str(tmp_path)]) == 0
    assert "Set5: damaged baby\n" in capsys.readouterr().out


def test_data_verify_does_not_judge_copies_in_other_formats(tmp_path, capsys):
    entry = manifest.images_of("T91")[0]
    copy = (tmp_path / "train" / "T91" / "HR" / entry.file_name).with_suffix(".webp")
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"an image")
    assert main(["data", "verify", "--data", str(tmp_path)]) == 0
    told = "0 of 0 files are as published; 1 images are copies in other formats\n"
    assert capsys.readouterr().out == told


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_message_that_cannot_be_written_is_no_traceback(tmp_path, photos, stream):
    command = [sys.executable, "-m", "hdsr", *evaluate_arguments(photos, tmp_path)]
    command += ["--scale", "7"] * (stream == "stderr")
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: full})
    assert done.returncode == 2
    assert (done.stderr or b"").count(b"\n") == (stream == "stdout")


@pytest.mark.parametrize("command", ["data status", "upscale {photos} --scale 2 --out {out}"])
def test_what_nobody_reads_ends_without_a_word(tmp_path, photos, command):
    words = command.format(photos=photos, out=tmp_path / "out").split()
    read, written = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "hdsr", *words], stdout=written, stderr=subprocess.PIPE)
    os.close(written)
    assert (done.returncode, done.stderr) == (141, b"")


def test_memory_that_does_not_suffice_for_one_image_leaves_the_others(photos, tmp_path, monkeypatch, capsys):
    enlarge = upscaling.enlarge_pixels

    def short(pixels, *rest):
        if pixels.shape[0] > 24:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory"
            )
        return enlarge(pixels, *rest)

    monkeypatch.setattr(upscaling, "enlarge_pixels", short)
    write_png(photos / "large.png", np.zeros((40, 30, 3), np.uint8))
    assert main(["upscale", str(photos), "--scale", "2", "--out", str(tmp_path / "big")]) == 1
    printed = capsys.readouterr()
    assert printed.err == f"hdsr: error: {photos / 'large.png'}: there is not enough memory for it\n"
    assert printed.out.splitlines()[-1] == "2 of 3 images enlarged x2"


def test_a_pipe_is_not_waited_for(photos, tmp_path, failure):
    os.mkfifo(tmp_path / "a_x2.png")
    words = ("upscale", str(photos / "a.png"), "--scale", "2", "--out", str(tmp_path), "--overwrite")
    assert "a_x2.png is a pipe, expected a file to replace" in failure(*words)


def test_sigterm_ends_a_command_and_its_workers(tmp_path):
    code = """
import sys, time, typer
from hdsr import cli
from hdsr.measure import fresh_process
app = typer.Typer()
@app.command()
def wait(): fresh_process.run(time.sleep, 60)
if __name__ == "__main__": sys.exit(cli.run_program(app, "wait", []))
"""
    (tmp_path / "wait.py").write_text(code)
    process = subprocess.Popen([sys.executable, str(tmp_path / "wait.py")])
    parent = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while not (workers := parent.children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    process.terminate()
    assert process.wait(30) == 143
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert workers
    assert not alive


def test_names_that_are_not_utf8_and_homes_of_nobody_are_named(tmp_path, photos, failure):
    folder = tmp_path / os.fsdecode(b"\xff")
    shutil.copytree(photos, folder)
    shutil.copy(photos / "a.png", photos / os.fsdecode("\U0001f600".encode() + b"\xff.png"))
    assert r"'\U0001f600\udcff.png' in" in failure(*evaluate_arguments(photos, tmp_path))
    assert r"'\udcff' in" in failure(*evaluate_arguments(folder, tmp_path))
    assert "~nosuchuser" in failure(*evaluate_arguments("~nosuchuser/x", tmp_path))


def test_names_that_are_not_utf8_are_enlarged(tmp_path, photos, weights):
    odd = os.fsdecode(b"\xff.png")
    (photos / "a.png").rename(photos / odd)
    arguments = ["upscale", photos, "--scale", 2, "--out", tmp_path / "big", "--weights", weights]
    assert main([str(word) for word in arguments]) == 0
    assert read_image(tmp_path / "big" / odd.replace(".", "_x2.")).shape == (48, 52, 3)


@pytest.mark.parametrize(("closed", "code"), [("score {0} {0} >&-", 0), ("score {0}/x {0} 2>&-", 2)])
def test_a_closed_stream_is_no_matter(photos, closed, code):
    command = f"{sys.executable} -m hdsr {closed.format(photos)}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (code, "", "")


def test_what_needs_more_memory_than_there_is_ends_in_one_line(failure):
    assert "not enough memory" in failure("profile", "--lr-size", 10**8)


def test_a_link_that_leads_to_itself_does_not_stop_the_other_images(tmp_path, photos, weights, capsys):
    (photos / "loop.png").symlink_to("loop.png")
    arguments = ["upscale", photos / "loop.png", photos / "a.png", "--scale", 2, "--out", tmp_path / "big"]
    assert main([*map(str, arguments), "--weights", str(weights)]) == 1
    said = capsys.readouterr().err
    assert f"{photos / 'loop.png'} cannot be read: Too many levels of symbolic links" in said
    assert [path.name for path in (tmp_path / "big").iterdir()] == ["a_x2.png"]


def test_an_image_too_small_for_its_metric_is_named(tmp_path, failure):
    write_png(tmp_path / "small" / "tiny.png", np.zeros((12, 12, 3), np.uint8))
    assert failure(*evaluate_arguments(tmp_path / "small", tmp_path)).startswith("tiny of small: ")


def test_data_verify_looks_at_shipped_weights(tmp_path, weights, capsys, monkeypatch):
    monkeypatch.setattr(paths, "OWN_WEIGHTS", tmp_path)
    manifest.list_shipped(weights)
    assert main(["data", "verify", "--data", str(tmp_path)]) == 0
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert main(["data", "verify", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"hdsr: error: {weights} is not the file that ships\n"


def test_upscale_hands_its_limit_of_memory_on(photos, tmp_path, weights, failure):
    arguments = ["upscale", photos / "a.png", "--scale", 2, "--out", tmp_path / "big", "--weights", weights]
    assert "a.png: an image of 26 x 24 pixels is too large" in failure(*arguments, "--memory", "1MiB")
    assert "'3 apples' is not an amount of memory" in failure(*arguments, "--memory", "3 apples")
    assert main([*map(str, arguments), "--memory", "64GiB"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--help", ""),
        ("upscale nope.jpg --scale 2 --out x", "no file nope.jpg: expected an image"),
        ("upscale {here} --scale 2 --out x --weights nope.pt", "no file nope.pt: expected a file of weights"),
        ("upscale {here} --scale 2 --out x --memory lots", "'lots' is not an amount of memory"),
        ("upscale {here} --scale 5 --out x", "Invalid value for '--scale'"),
        ("upscale {here} --scale 2 --out x --device gpu", "'gpu' names no device"),
        ("upscale {test} --scale 2 --out x", "test_cli.py is not an image"),
        (
            "upscale {here} --scale 2 --out x --weights authors --data .",
            "weights/hdsrnet_authors_x2.pt; `hdsr data",
        ),
        ("evaluate --model bicubic --scale 2 --dataset nope --out x", "unknown data set 'nope'"),
        ("evaluate --model bicubc --scale 2 --dataset samples --out x", "did you mean bicubic?"),
        (
            "evaluate --model bicubic --scale 2 --dataset samples --out .",
            "expected a file of result rows",
        ),
        ("upscale {here} --scale 2 --out x --weights authrs", "did you mean authors?"),
        ("bench --part infernce", "did you mean inference?"),
        ("train nope.yaml --out x", "cannot read nope.yaml"),
        ("pack nope --out x", "no file nope: expected a file of weights"),
        ("export --scale 2 --out x --weights nope", "no file nope: expected a file of weights"),
        ("data fetch nope", "unknown published name 'nope'"),
    ],
)
def test_what_needs_no_network_is_answered_without_torch(
    words: str, message: str, photos: Path, tmp_path: Path
) -> None:
    code = "import sys; sys.modules['torch'] = None; from hdsr.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *words.format(here=photos / "a.png", test=__file__).split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, message in done.stderr) == (2 if message else 0, True), done.stderr


def test_the_version_is_told(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"hdsr \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_a_shell_completes_commands():
    asked = {**os.environ, "_HDSR_COMPLETE": "complete_bash", "COMP_WORDS": "hdsr sc", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-m", "hdsr"], env=asked, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["score"])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_no_values_that_an_option_does_not_take(command, capsys):
    main([*command.split(), "--help"])
    assert "<bool>" not in capsys.readouterr().out


def test_help_of_upscale_says_what_the_weights_are_made_for(capsys):
    main(["upscale", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "made for images shrunk by clean bicubic" in text
    assert "JPEG photographs" in text


def test_a_method_registered_by_the_calling_program_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.LOADERS, "mine", registry.LOADERS["bicubic"])
    cli._check_model("mine")
    with pytest.raises(HdsrError, match=r"unknown model 'mien'.*did you mean mine"):
        cli._check_model("mien")


def test_a_mistyped_model_is_blamed_on_the_model(failure, tmp_path):
    words = ["evaluate", "--model", "hdsrnt", "--scale", 2, "--dataset", "nowhere", "--weights", "no.pt"]
    line = failure(*words, "--out", tmp_path / "rows.csv")
    assert line.startswith("unknown model 'hdsrnt'")
    assert line.endswith("did you mean hdsrnet?")


def test_a_mistyped_set_or_protocol_is_answered_with_what_was_meant(failure, photos, tmp_path):
    words = [
        "evaluate",
        "--model",
        "bicubic",
        "--scale",
        2,
        "--dataset",
        "Sett5",
        "--out",
        tmp_path / "x.csv",
    ]
    assert failure(*words).endswith("did you mean Set5?")
    image = photos / "a.png"
    assert failure("score", image, image, "--protocol", "hdsrnt").endswith("did you mean hdsrnet?")


def test_upscale_takes_folders_and_says_a_line_for_each_image(photos, tmp_path, weights, capsys):
    words = ["upscale", photos, "--scale", 2, "--out", tmp_path / "big", "--weights", weights]
    assert main([str(word) for word in words]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == f"{photos / 'a.png'} -> {tmp_path / 'big' / 'a_x2.png'}: 26 x 24 -> 52 x 48"
    assert second.startswith(f"{photos / 'b.png'} -> ")
    assert last == "2 of 2 images enlarged x2"


def test_one_image_goes_to_the_file_that_is_named(photos, tmp_path, weights, failure):
    words = ["upscale", photos / "a.png", "--scale", 2, "--weights", weights, "--out"]
    out = tmp_path / "new" / "large.png"
    assert main([str(word) for word in [*words, out]]) == 0
    assert read_image(out).shape == (48, 52, 3)
    assert "large.png exists already" in failure(*words, out)
    assert "name a file that ends in .png" in failure(*words, tmp_path / "large.jpg")
    both = ["upscale", photos / "a.png", photos / "b.png", "--scale", 2, "--weights", weights]
    assert "names one file, but there are folders or 2 images" in failure(*both, "--out", tmp_path / "x.png")
    assert "would replace the input" in failure(*words, photos / "a.png")


def test_upscale_by_the_ensemble_is_not_the_plain_one(photos, tmp_path, weights):
    words = [str(word) for word in ["upscale", photos / "a.png", "--scale", 2, "--weights", weights, "--out"]]
    assert main([*words, str(tmp_path / "one.png")]) == 0
    assert main([*words, str(tmp_path / "eight.png"), "--ensemble"]) == 0
    one, eight = (read_image(tmp_path / name) for name in ("one.png", "eight.png"))
    assert np.array_equal(
        eight, hdsr.upscale(read_image(photos / "a.png"), 2, weights=weights, ensemble=True)
    )
    assert not np.array_equal(one, eight)


def test_degrade_is_matlabs_bicubic_under_the_names_of_benchmarks(photos, tmp_path, capsys):
    assert main(["degrade", str(photos), "--scale", "4", "--out", str(tmp_path / "lr")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 2 images shrunk x4"
    hr = read_image(photos / "a.png")
    assert np.array_equal(read_image(tmp_path / "lr" / "ax4.png"), hdsr.imresize(hr[:24, :24], 1 / 4))


def test_degrade_goes_on_where_one_result_cannot_be_written(photos, tmp_path, capsys):
    (tmp_path / "lr" / "ax2.png").mkdir(parents=True)
    command = ["degrade", str(photos), "--scale", "2", "--out", str(tmp_path / "lr"), "--overwrite"]
    assert main(command) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "1 of 2 images shrunk x2"
    assert re.fullmatch(r"hdsr: error: \S*/lr/ax2\.png cannot be written: [^\n]*\n", printed.err)


@pytest.mark.parametrize(
    "words",
    [
        ("upscale", "", "--scale", "2", "--out", "x"),
        ("degrade", "", "--scale", "2", "--out", "x"),
        ("score", "", "x"),
        ("evaluate", "--model", "bicubic", "--scale", "2", "--dataset", "", "--out", "x"),
        ("upscale", "x", "--scale", "2", "--out", ""),
        (
            "evaluate",
            "--model",
            "bicubic",
            "--scale",
            "2",
            "--dataset",
            "x",
            "--out",
            "x",
            "--save-images",
            "",
        ),
        ("data", "status", "--data", ""),
        ("export", "--scale", "2", "--out", "x.onnx", "--weights", ""),
        ("train", "", "--out", "x"),
        ("pack", "", "--out", "x"),
    ],
)
def test_an_empty_name_is_not_the_current_folder(words, failure):
    assert re.search("an empty name: expected .*file", failure(*words))


def test_degrade_keeps_gray_gray_and_does_what_it_can(photos, tmp_path, capsys):
    write_png(photos / "gray.png", np.arange(24 * 24, dtype=np.uint16).reshape(24, 24, 1) * 100)
    (photos / "a.png").write_bytes(b"no image")
    assert main(["degrade", str(photos), "--scale", "2", "--out", str(tmp_path / "lr")]) == 1
    printed = capsys.readouterr()
    assert "gray" in printed.out
    assert "its more than 8 bits per channel became 8" in printed.out
    assert printed.out.splitlines()[-1] == "2 of 3 images shrunk x2"
    assert re.fullmatch(r"hdsr: error: [^\n]*a\.png[^\n]*\n", printed.err)
    assert read_picture(tmp_path / "lr" / "grayx2.png").pixels.shape == (12, 12, 1)


def scores(text):
    return [tuple(map(float, pair)) for pair in re.findall(r": (\S+) dB, SSIM (\S+)", text)]


def test_score_gives_what_the_metrics_give(photos, capsys):
    sr, hr = (read_image(photos / name) for name in ("a.png", "b.png"))
    assert main(["score", str(photos / "a.png"), str(photos / "b.png"), "--crop-px", "3"]) == 0
    one, mean = scores(capsys.readouterr().out)
    assert one == mean == pytest.approx((hdsr.psnr_y(sr, hr, 3), hdsr.ssim_y(sr, hr, 3)), abs=1e-4)
    assert main(["score", str(photos / "a.png"), str(photos / "b.png"), "--protocol", "hdsrnet"]) == 0
    printed = capsys.readouterr().out
    assert scores(printed)[0] == pytest.approx(protocols.score(sr, hr, 0, "hdsrnet"), abs=1e-4)
    assert "0 px cropped" in printed


def test_score_of_folders_matches_names_and_crops_by_the_scale_in_them(photos, tmp_path, capsys, failure):
    sr = tmp_path / "sr"
    for name in ("a", "b"):
        hr = read_image(photos / f"{name}.png")
        write_png(sr / f"{name}_x4.png", hr[:24, :24][::-1])
    assert main(["score", str(sr), str(photos)]) == 0
    printed = capsys.readouterr().out
    a, _, mean = scores(printed)
    assert a == pytest.approx(
        (
            hdsr.psnr_y(read_image(sr / "a_x4.png"), read_image(photos / "a.png")[:24, :24], 4),
            hdsr.ssim_y(read_image(sr / "a_x4.png"), read_image(photos / "a.png")[:24, :24], 4),
        ),
        abs=1e-4,
    )
    assert mean == pytest.approx(np.mean(scores(printed)[:2], axis=0), abs=1e-4)
    assert printed.splitlines()[0].startswith("a_x4.png: ")
    assert "mean of 2 images" in printed
    assert "4 px cropped" in printed
    # what is cropped does not change which sizes belong together
    assert main(["score", str(sr / "a_x4.png"), str(photos / "a.png"), "--crop-px", "0"]) == 0
    capsys.readouterr()
    write_png(tmp_path / "a_x4.png", np.zeros((20, 20, 3), np.uint8))
    assert "different sizes" in failure("score", tmp_path / "a_x4.png", photos / "a.png", "--crop-px", "7")
    (sr / "b_x4.png").unlink()
    assert main(["score", str(sr), str(photos)]) == 0
    assert "nothing to judge for b.png" in capsys.readouterr().out
    (sr / "a_x4.png").rename(sr / "ax4_x4.png")  # as degrade, then upscale name it
    assert main(["score", str(sr), str(photos)]) == 0
    assert scores(capsys.readouterr().out)[0] == a
    write_png(sr / "c.png", np.zeros((24, 24, 3), np.uint8))
    assert "has no image for c.png" in failure("score", sr, photos)
    assert "a file and a folder" in failure("score", sr / "c.png", photos)
    write_png(photos / "c.png", np.zeros((80, 24, 3), np.uint8))
    assert main(["score", str(sr), str(photos)]) == 1
    printed = capsys.readouterr()
    assert "c.png: images of different sizes" in printed.err
    assert "mean of 1 of 2 images" in printed.out
