"""Fetching made and real files from a mirror on this machine that goes wrong."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import unquote

import pytest
from filelock import FileLock
from made_manifests import FILES, LENGTH, content_of, manifests_in, write_manifests
from misbehaving_server import MisbehavingServer, running_server

from hdsr.cli import main
from hdsr.errors import HdsrError
from hdsr.fetch import fetch as fetching
from hdsr.fetch.download import Retry
from hdsr.fetch.fetch import Outcome, fetch, plan
from hdsr.fetch.published import selected

SHORT = Retry(timeout_s=0.3, attempts=3, backoff_s=0.01)
IMAGE = "someone/images/c0ffee/data/img a.png"
PLACES = {
    IMAGE: "benchmarks/Set5/HR/a.png",
    "someone/images/c0ffee/data/img b.png": "benchmarks/Set5/HR/b.png",
    "someone/images/c0ffee/data/img c.png": "benchmarks/Set5/HR/c.png",
    "someone/net/c1/x2.pth": "weights/vdsr_x2.pth",
    "someone/net/c1/x4.pth": "weights/vdsr_x4.pth",
    "DIV2K_train_LR_bicubic_X2.zip": "train/DIV2K/DIV2K_train_LR_bicubic_X2.zip",
}
"""Where what the made manifests list belongs."""
ALL = ("benchmarks", "weights", "DIV2K")
PROGRAM = f"""
import sys
from pathlib import Path
from hdsr import cli
from hdsr.fetch import manifest
for name, file in {FILES!r}.items():
    setattr(manifest, name, Path(sys.argv[1]) / file)
sys.exit(cli.main(sys.argv[2:]))
"""
"""The command line with manifests of another folder."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MisbehavingServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_server() as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def made(tmp_path: Path, server: MisbehavingServer) -> Iterator[Path]:
    """The folder of made manifests; the server has what they list."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    server.files |= write_manifests(folder)
    with manifests_in(folder):
        yield folder


@pytest.fixture
def fetched(server: MisbehavingServer, root: Path) -> Callable[..., Outcome]:
    def run(*names: str, jobs: int = 3) -> Outcome:
        return fetch(plan(names or ALL, root), server.address, jobs, SHORT)

    return run


def contents(root: Path) -> dict[str, bytes]:
    """Every file in a data folder but hidden ones."""
    paths = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


WHOLE = {place: content_of(address) for address, place in PLACES.items()}


def test_every_file_comes_to_its_place_from_its_address(
    made: Path, server: MisbehavingServer, root: Path, fetched: Callable[..., Outcome]
) -> None:
    outcome = fetched()
    assert (len(outcome.fetched), outcome.failures, outcome.untried) == (6, [], 0)
    assert contents(root) == WHOLE
    assert sorted(server.requests) == sorted((address, None) for address in PLACES)


def test_a_second_fetch_asks_nothing_and_touches_nothing(
    made: Path, server: MisbehavingServer, root: Path, fetched: Callable[..., Outcome]
) -> None:
    fetched()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    server.requests.clear()
    assert fetched() == Outcome()
    assert server.requests == []
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_only_what_is_missing_or_damaged_is_fetched(
    made: Path, server: MisbehavingServer, root: Path, fetched: Callable[..., Outcome]
) -> None:
    fetched()
    damaged = root / PLACES[IMAGE]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    (root / "weights/vdsr_x4.pth").unlink()
    server.requests.clear()
    fetched()
    assert sorted(address for address, _ in server.requests) == [IMAGE, "someone/net/c1/x4.pth"]
    assert contents(root) == WHOLE


def test_all_that_can_go_wrong_at_once(
    made: Path, server: MisbehavingServer, root: Path, fetched: Callable[..., Outcome]
) -> None:
    troubles = (["truncate"], ["flip"], ["500", "500"], ["hang"], ["truncate", "ignore range"], ["silent"])
    for address, moods in zip(PLACES, troubles, strict=True):
        server.moods[address] = list(moods)
    assert fetched().failures == []
    assert contents(root) == WHOLE
    assert not any(server.moods.values())


def test_what_cannot_be_had_does_not_keep_the_rest_from_coming(
    made: Path, server: MisbehavingServer, root: Path, fetched: Callable[..., Outcome]
) -> None:
    server.moods[IMAGE] = ["404"]
    server.moods["someone/net/c1/x4.pth"] = ["flip", "flip"]
    server.moods["DIV2K_train_LR_bicubic_X2.zip"] = ["500"] * 3
    outcome = fetched(jobs=1)
    assert [str(failure).removeprefix(server.address) for failure in outcome.failures] == [
        "/someone/images/c0ffee/data/img%20a.png: 404 Not Found",
        "/DIV2K_train_LR_bicubic_X2.zip: 500 Internal Server Error (3 attempts)",
        outcome.failures[2].args[0].removeprefix(server.address),
    ]
    assert "its git blob SHA-1 is" in str(outcome.failures[2])
    assert contents(root).keys() == WHOLE.keys() - {
        PLACES[IMAGE],
        "weights/vdsr_x4.pth",
        "train/DIV2K/DIV2K_train_LR_bicubic_X2.zip",
    }


@pytest.mark.parametrize(("jobs", "failures", "untried"), [(1, fetching.MOST_GIVEN_UP, 3), (5, 5, 1)])
def test_a_server_that_is_gone_is_not_tried_for_every_file_but_by_every_job(
    made: Path,
    server: MisbehavingServer,
    fetched: Callable[..., Outcome],
    jobs: int,
    failures: int,
    untried: int,
) -> None:
    server.shutdown()
    server.server_close()
    outcome = fetched(jobs=jobs)
    assert (len(outcome.failures), outcome.untried) == (failures, untried)


def test_files_that_a_server_refuses_are_no_sign_that_it_is_gone(
    made: Path, server: MisbehavingServer, fetched: Callable[..., Outcome]
) -> None:
    server.moods |= {address: ["404"] for address in PLACES if "img" in address}
    outcome = fetched(jobs=1)
    assert (len(outcome.failures), len(outcome.fetched), outcome.untried) == (3, 3, 0)


def command(made: Path, root: Path, server: MisbehavingServer, *names: str) -> list[str]:
    options = ["--data", str(root), "--mirror", server.address, "--timeout", "600"]
    return [sys.executable, "-c", PROGRAM, str(made), "data", "fetch", *names, *options]


def begin_and_wait_for_half(arguments: list[str], part: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not (part.is_file() and part.stat().st_size > LENGTH / 3):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_process_that_is_stopped_half_way_goes_on_where_it_was(
    how: signal.Signals, code: int, made: Path, server: MisbehavingServer, root: Path
) -> None:
    server.moods[IMAGE] = ["hang"]
    part = root / f"{PLACES[IMAGE]}.part"
    process = begin_and_wait_for_half(command(made, root, server, "Set5"), part)
    process.send_signal(how)
    _, errors = process.communicate(timeout=120)  # the server hangs, so it would wait for 600 s
    assert (process.returncode, errors) == (code, "")
    assert not (root / PLACES[IMAGE]).exists()
    came = part.stat().st_size
    subprocess.run(command(made, root, server, "Set5"), check=True, stdout=subprocess.DEVNULL)
    assert server.ranges(IMAGE) == [None, f"bytes={came}-"]
    assert contents(root) == {place: content for place, content in WHOLE.items() if "Set5" in place}


def test_no_two_processes_fetch_into_one_folder(
    made: Path, root: Path, server: MisbehavingServer, fetched: Callable[..., Outcome]
) -> None:
    root.mkdir()
    with FileLock(root / fetching.LOCK), pytest.raises(HdsrError, match="another process fetches into"):
        fetched()
    assert server.requests == []


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    made: Path,
    server: MisbehavingServer,
    root: Path,
    fetched: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = fetching.shutil.disk_usage("/")._replace(free=4 * LENGTH)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(HdsrError, match=r"0\.0 GB are free there"):
        fetched()
    assert server.requests == []
    part = root / f"{PLACES[IMAGE]}.part"  # what has come of a file takes no more room
    part.parent.mkdir(parents=True)
    part.write_bytes(content_of(IMAGE)[:-1] + b"!")
    assert fetched().failures == []


def test_div2k_goes_where_it_is_looked_for(made: Path, root: Path, fetched: Callable[..., Outcome]) -> None:
    (root / "DIV2K").mkdir(parents=True)
    fetched("DIV2K")
    assert contents(root).keys() == {"DIV2K/DIV2K_train_LR_bicubic_X2.zip"}


def test_the_bar_counts_bytes_and_files(
    made: Path, root: Path, server: MisbehavingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.moods[IMAGE] = ["truncate", "flip"]
    fetch(plan(["Set5"], root), server.address, 2, SHORT, progress=True)
    last = capsys.readouterr().err.rstrip().rsplit("\r", 1)[-1]
    assert "100%" in last
    assert "300k/300k" in last
    assert "3 of 3 files" in last


@pytest.mark.parametrize("mirror", ["ftp://somewhere", "/a/folder"])
def test_a_mirror_is_an_http_address(mirror: str, made: Path, root: Path) -> None:
    with pytest.raises(HdsrError, match="expected an address that begins with http://"):
        fetch(plan(["Set5"], root), mirror)


def test_the_command_says_sizes_first_and_then_what_came(
    made: Path, root: Path, server: MisbehavingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["data", "fetch", "--data", str(root), "--mirror", server.address]
    assert main([*arguments, "--dry-run"]) == 0
    told = [
        f"data folder: {root}",
        "Set5: 0 of 3 files here, 3 to fetch: 0.3 MB",
        "VDSR: 0 of 2 files here, 2 to fetch: 0.1 MB and 1 of unpublished length",
        "in all: 5 to fetch: 0.4 MB and 1 of unpublished length",
    ]
    assert capsys.readouterr().out.splitlines() == told
    assert server.requests == []
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [*told, "5 of 5 files fetched, each as published"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "Set5: 3 of 3 files here",
        "VDSR: 2 of 2 files here",
        "in all: nothing to fetch",
    ]


def test_the_command_names_what_failed(
    made: Path, root: Path, server: MisbehavingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.moods[IMAGE] = ["404"] * 2
    arguments = ["data", "fetch", "Set5", "--data", str(root), "--mirror", server.address]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "2 of 3 files fetched, each as published"
    failure = f"hdsr: error: {server.address}/someone/images/c0ffee/data/img%20a.png: 404 Not Found\n"
    assert printed.err == failure
    assert main(arguments) == 2
    assert capsys.readouterr().err == failure


def test_real_images_and_weights_through_a_server_that_misbehaves(
    real_data_root: Path, root: Path, server: MisbehavingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["Set5", "LESRCNN", "CARN-M", "VDSR"]
    wanted = selected(names)
    troubles = (["truncate", "hang"], ["flip"], ["500", "500"], ["truncate", "ignore range"], [])
    for file, moods in zip(wanted, cycle(troubles)):
        address = unquote(file.source.mirrored)
        server.files[address] = file.path_in(real_data_root)
        server.moods[address] = list(moods)
    assert fetch(plan(names, root), server.address, 4, SHORT).failures == []
    assert main(["data", "verify", "--data", str(root)]) == 0
    assert capsys.readouterr().out == f"{len(wanted)} of {len(wanted)} files are as published\n"
    options = ["--model", "bicubic", "--scale", "4", "--dataset", "Set5", "--data", str(root)]
    assert main(["evaluate", *options, "--out", str(root / "rows.csv")]) == 0
    assert capsys.readouterr().out == "bicubic (none) x4 Set5: 28.43 dB, SSIM 0.8111, 5 images\n"
