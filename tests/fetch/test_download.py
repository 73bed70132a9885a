"""A download from a server that goes wrong in every way that is known, and what is kept of it."""

import threading
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

import pytest
import requests
from made_manifests import LENGTH, content_of, git_name
from misbehaving_server import MisbehavingServer, running_server

from hdsr.errors import HdsrError
from hdsr.fetch.checksums import Checksum
from hdsr.fetch.download import PIECE_BYTES, Download, GivenUpError, Retry, StoppedError
from hdsr.files import sha256

CONTENT = content_of("file")
BY_GIT = Checksum("git blob SHA-1", git_name(CONTENT), None)
Start = Callable[..., Download]


class Waits(threading.Event):
    """An event that is never set, and notes how long it was waited for instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return self.is_set()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MisbehavingServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_server() as server:
        server.files["file"] = CONTENT
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "file.png"


@pytest.fixture
def start(server: MisbehavingServer, target: Path, tmp_path: Path) -> Iterator[Start]:
    """Make a download of the file; its hash is known, and its length unless told otherwise."""
    (tmp_path / "right").write_bytes(CONTENT)
    known = Checksum("SHA-256", sha256(tmp_path / "right"), LENGTH)
    with requests.Session() as session:

        def make(checksum: Checksum = known, attempts: int = 3) -> Download:
            retry = Retry(timeout_s=0.25, attempts=attempts, backoff_s=1)
            address = f"{server.address}/file"
            made = Download(address, target, checksum, session, retry, Waits(), lambda _: None)
            target.parent.mkdir()
            return made

        yield make


@pytest.mark.parametrize("mood", ["truncate", "hang", "unmeasured"])
def test_a_transfer_that_breaks_off_is_continued(
    mood: str, start: Start, server: MisbehavingServer, target: Path
) -> None:
    server.moods["file"] = [mood]
    start().run()
    assert target.read_bytes() == CONTENT
    first, second = server.ranges("file")
    assert first is None
    came = int(second.removeprefix("bytes=").rstrip("-"))
    assert LENGTH / 2 - PIECE_BYTES <= came <= LENGTH / 2
    assert [path.name for path in target.parent.iterdir()] == ["file.png"]


@pytest.mark.parametrize(
    ("moods", "requests_made"),
    [
        (["flip"], 2),
        (["500", "500"], 3),
        (["silent", "500"], 3),
        (["408", "429"], 3),
        (["truncate", "ignore range"], 2),
        (["truncate", "other part"], 3),
        (["truncate", "flip"], 3),
        (["truncate", "500", "hang", "flip"], 5),
        (["endless"], 2),
    ],
)
def test_it_arrives_whole_all_the_same(
    moods: list[str], requests_made: int, start: Start, server: MisbehavingServer, target: Path
) -> None:
    server.moods["file"] = list(moods)
    start().run()
    assert target.read_bytes() == CONTENT
    assert len(server.requests) == requests_made
    assert [path.name for path in target.parent.iterdir()] == ["file.png"]


def test_another_part_than_the_one_asked_for_costs_nothing_of_what_came(
    start: Start, server: MisbehavingServer, target: Path
) -> None:
    server.moods["file"] = ["truncate", "other part"]
    start().run()
    _, asked, again = server.ranges("file")
    assert asked is not None
    assert again == asked


def test_what_an_earlier_process_left_is_continued(
    start: Start, server: MisbehavingServer, target: Path
) -> None:
    download = start()
    download.part.write_bytes(CONTENT[:70_001])
    download.run()
    assert server.ranges("file") == ["bytes=70001-"]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 500, CONTENT + b"x", b"x" * LENGTH])
def test_what_does_not_belong_to_the_file_is_thrown_away(
    left: bytes, start: Start, server: MisbehavingServer, target: Path
) -> None:
    download = start()
    download.part.write_bytes(left)
    download.run()
    assert server.ranges("file")[-1] is None
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("checksum", [None, BY_GIT])
def test_a_part_that_was_complete_already(
    checksum: Checksum | None, start: Start, server: MisbehavingServer, target: Path
) -> None:
    download = start(checksum) if checksum else start()
    download.part.write_bytes(CONTENT)
    download.run()
    assert server.ranges("file") == ([f"bytes={LENGTH}-"] if checksum else [])
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("moods", [[], ["truncate"], ["flip"]])
def test_a_file_of_unknown_length_is_known_by_its_git_hash(
    moods: list[str], start: Start, server: MisbehavingServer, target: Path
) -> None:
    server.moods["file"] = list(moods)
    start(BY_GIT).run()
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("there_before", [None, b"an older file"])
def test_a_file_that_is_wrong_twice_is_not_kept(
    there_before: bytes | None, start: Start, server: MisbehavingServer, target: Path
) -> None:
    server.moods["file"] = ["flip", "flip"]
    download = start()
    if there_before:
        target.write_bytes(there_before)
    with pytest.raises(HdsrError, match=r"/file is not the published file: its SHA-256 is .*expected"):
        download.run()
    assert [path.read_bytes() for path in target.parent.iterdir()] == [there_before] * bool(there_before)
    assert server.ranges("file") == [None, None]


def test_a_refusal_is_not_asked_for_again(start: Start, server: MisbehavingServer) -> None:
    server.moods["file"] = ["404"]
    with pytest.raises(HdsrError, match="/file: 404 Not Found"):
        start().run()
    assert len(server.requests) == 1


def test_it_is_given_up_after_as_many_attempts_as_allowed(start: Start, server: MisbehavingServer) -> None:
    server.moods["file"] = ["500"] * 9
    with pytest.raises(GivenUpError, match=r"/file: 500 Internal Server Error \(3 attempts\)"):
        start().run()
    assert len(server.requests) == 3


def test_what_came_is_kept_when_it_is_given_up(start: Start, server: MisbehavingServer) -> None:
    server.moods["file"] = ["truncate", "500", "silent", "500"]
    download = start()
    with pytest.raises(GivenUpError):
        download.run()
    assert CONTENT.startswith(download.part.read_bytes())
    assert download.received > LENGTH / 2 - PIECE_BYTES


def test_attempts_count_from_the_last_one_that_brought_it_further(
    start: Start, server: MisbehavingServer, target: Path
) -> None:
    server.moods["file"] = ["truncate", "500"] * 2 + ["truncate"]
    start(attempts=2).run()
    assert target.read_bytes() == CONTENT
    assert len(server.requests) == 6


def test_a_server_that_always_begins_anew_and_breaks_off_is_given_up(
    start: Start, server: MisbehavingServer
) -> None:
    server.moods["file"] = ["half anew"] * 9
    with pytest.raises(GivenUpError, match=r"\(3 attempts\)"):
        start().run()
    assert len(server.requests) == 4


def test_what_a_server_takes_back_and_gives_again_is_no_progress(
    start: Start, server: MisbehavingServer
) -> None:
    server.moods["file"] = ["truncate", "truncate", *["half anew", "truncate"] * 3]
    with pytest.raises(GivenUpError, match=r"\(3 attempts\)"):
        start().run()
    assert len(server.requests) == 5


def test_nobody_there(start: Start, server: MisbehavingServer) -> None:
    download = start()
    server.shutdown()
    server.server_close()
    with pytest.raises(GivenUpError, match=r"/file: no connection \(3 attempts\)"):
        download.run()


def test_waits_double_unless_the_server_asks_for_more(start: Start, server: MisbehavingServer) -> None:
    server.moods["file"] = ["500", "500", "500", "503", "500"]
    download = start(attempts=9)
    download.run()
    assert download.stop.seconds == [1, 2, 4, 8, 16]
    server.moods["file"] = ["503"]
    download.run()
    assert download.stop.seconds[-1] == 2


def test_no_wait_is_longer_than_a_minute(start: Start, server: MisbehavingServer) -> None:
    server.moods["file"] = ["500"] * 8
    download = start(attempts=9)
    download.run()
    assert download.stop.seconds[-2:] == [60, 60]


def test_it_stops_when_told_and_keeps_what_came(start: Start, server: MisbehavingServer) -> None:
    download = start()
    download.part.write_bytes(CONTENT[:1000])
    download.stop.set()
    with pytest.raises(StoppedError):
        download.run()
    assert download.part.read_bytes() == CONTENT[:1000]


def test_bytes_are_counted_and_taken_off_again(start: Start, server: MisbehavingServer) -> None:
    counted: list[int] = []
    download = start()
    object.__setattr__(download, "advance", counted.append)
    download.part.write_bytes(b"x" * 500)
    server.moods["file"] = ["truncate"]
    download.run()
    assert counted[0] == 500
    assert min(counted) == -LENGTH
    assert sum(counted) == LENGTH


def test_a_server_that_sends_without_end_fills_no_disk(start: Start, server: MisbehavingServer) -> None:
    server.moods["file"] = ["endless"]
    counted: list[int] = []
    download = start()
    object.__setattr__(download, "advance", counted.append)
    download.run()
    assert LENGTH < max(accumulate(counted)) <= LENGTH + PIECE_BYTES


@pytest.mark.parametrize("until", ["259200", "Fri, 31 Dec 2100 23:59:59 GMT", "9" * 400])
def test_a_server_that_asks_to_wait_for_days_is_given_up(
    start: Start, server: MisbehavingServer, until: str
) -> None:
    server.moods["file"] = [f"503 {until}"]
    download = start()
    with pytest.raises(GivenUpError, match="the server asks to wait"):
        download.run()
    assert download.stop.seconds == []


@pytest.mark.parametrize("place", ["nonsense://x", "http://[::1/x", "http:///x", "http://a..b/x", "/file"])
def test_a_redirection_to_nowhere_is_one_line(start: Start, server: MisbehavingServer, place: str) -> None:
    server.moods["file"] = [f"302 {place}"] * 40
    with pytest.raises(HdsrError, match=f"{server.address}/file") as caught:
        start().run()
    assert "\n" not in str(caught.value)


def test_a_kill_at_the_end_of_a_download_loses_nothing(
    start: Start, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = []
    monkeypatch.setattr(Path, "replace", lambda source, goal: moved.append((source, goal)))
    start().run()
    assert moved == [(target.with_name("file.png.part"), target)]
