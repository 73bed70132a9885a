"""One file over HTTP: continued where it broke off, asked for again, verified, and only then given its name.

What has come so far lies in <file>.part, so even a killed process has lost nothing. pooch begins a broken
transfer anew and does not know git's hashes, so this is on requests, as pooch is.
"""

import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from hdsr.errors import HdsrError
from hdsr.fetch.checksums import Checksum

PIECE_BYTES = 16 * 1024
"""How much is taken off the network at a time; this much may be lost when a transfer breaks off."""
RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes of troubles that may pass."""
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class Retry:
    """How long a server is put up with."""

    timeout_s: float = 30.0
    """Seconds without a sign of it after which a transfer counts as broken."""
    attempts: int = 5
    """Broken transfers in a row, none of which brought the file further, after which it is given up."""
    backoff_s: float = 1.0
    """Seconds before the second attempt; they double from one to the next, up to LONGEST_PAUSE_S."""


class GivenUpError(HdsrError):
    """A server could not be reached, or did not bring a file to its end, in as many attempts as allowed."""


class BrokenError(Exception):
    """A transfer ended early; the next one may do better.

    Attributes:
        wait_s: seconds that the server asked to wait.
    """

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class StoppedError(Exception):
    """The download was told to stop; its .part stays."""


@dataclass(frozen=True)
class Download:
    """One file to be had at `url` and put at `target`.

    A complete file whose hash is wrong is fetched once more from its beginning, since what it was continued
    from, or the way here, may have been bad; if it is wrong again, nothing of it is kept.
    """

    url: str
    target: Path
    checksum: Checksum
    session: requests.Session
    retry: Retry
    stop: threading.Event
    """Set it, and a running download ends at its next piece."""
    advance: Callable[[int], None]
    """Told how many bytes more lie in the .part, or, after a fresh start, fewer."""

    @property
    def part(self) -> Path:
        """Where the bytes lie until they are all there and right."""
        return part_of(self.target)

    @property
    def received(self) -> int:
        """How many bytes lie there."""
        return length_of(self.part)

    def run(self) -> None:
        """Fetch the file; when this returns, `target` is the published one.

        Raises:
            HdsrError: if the server refuses it, sends something else twice, or is given up (GivenUpError).
            StoppedError: when `stop` is set.
        """
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.advance(self.received)
        fault = self.fault_when_complete()
        if fault:
            fault = self.fault_when_complete()
        if fault:
            raise HdsrError(f"{self.url} is not the published file: {fault}; nothing of it is kept")
        with self.part.open("rb") as stream:
            os.fsync(stream.fileno())
        self.part.replace(self.target)

    def fault_when_complete(self) -> str | None:
        """Bring the .part to its end and check it; one that is wrong is removed."""
        self.complete()
        fault = self.checksum.fault(self.part)
        if fault:
            self.discard()
        return fault

    def complete(self) -> None:
        """Transfer what is missing, in as many attempts as it takes while each brings it further."""
        furthest, in_vain = self.received, 0
        while True:
            try:
                return self.transfer()
            except BrokenError as error:
                in_vain = 0 if self.received > furthest else in_vain + 1
                furthest = max(furthest, self.received)
                if in_vain >= self.retry.attempts:
                    raise GivenUpError(f"{self.url}: {error} ({in_vain} attempts)") from None
                self.pause(in_vain, error.wait_s)

    def pause(self, in_vain: int, asked_s: float) -> None:
        """Wait before the next attempt, the longer the more have been in vain.

        Raises:
            GivenUpError: if the server asks for more patience than there is.
        """
        if asked_s > LONGEST_PAUSE_S:
            raise GivenUpError(f"{self.url}: the server asks to wait {asked_s:,.0f} s")
        wait_s = max(self.retry.backoff_s * 2 ** max(in_vain - 1, 0), asked_s)
        if self.stop.wait(min(wait_s, LONGEST_PAUSE_S)):
            raise StoppedError

    def transfer(self) -> None:
        """Ask once for what is missing, and append it to the .part; BrokenError if some is missing still."""
        expected = self.checksum.bytes
        if expected is not None and self.received >= expected:
            return
        headers = {"Range": f"bytes={self.received}-"} if self.received else {}
        try:
            with self.session.get(
                self.url, headers=headers, stream=True, timeout=self.retry.timeout_s
            ) as response:
                self.take(response)
        except HdsrError:
            raise
        except (ValueError, requests.TooManyRedirects) as error:  # redirected to what is no address
            raise HdsrError(f"{self.url} leads nowhere: {type(error).__name__}") from None
        except (requests.RequestException, HTTPError) as error:
            raise BrokenError(_reason_of(error)) from None
        if expected is not None and self.received < expected:
            raise BrokenError(f"it ended after {self.received:,} of {expected:,} bytes")

    def take(self, response: requests.Response) -> None:
        """Append an answer to the .part; in place of what is there, if it is the file from its beginning."""
        code = response.status_code
        if code in RETRIED_STATUS:
            raise BrokenError(f"{code} {response.reason}", _asked_wait_s(response))
        if code == requests.codes.range_not_satisfiable:
            return  # there is no more than what is here: its hash tells whether it is the file
        if code not in (requests.codes.ok, requests.codes.partial_content):
            raise HdsrError(f"{self.url}: {code} {response.reason}")
        continued = code == requests.codes.partial_content
        if continued and _first_byte(response) != self.received:
            raise BrokenError("it sent another part than the one asked for")
        if not continued:
            self.discard()
        self.write(response)

    def write(self, response: requests.Response) -> None:
        """Append the content of an answer, but no more than one piece beyond the published length."""
        with self.part.open("ab") as stream:
            for piece in response.iter_content(PIECE_BYTES):
                if self.stop.is_set():
                    raise StoppedError
                stream.write(piece)
                self.advance(len(piece))
                if self.checksum.bytes is not None and stream.tell() > self.checksum.bytes:
                    return

    def discard(self) -> None:
        """Begin anew."""
        self.advance(-self.received)
        self.part.unlink(missing_ok=True)


def part_of(target: Path) -> Path:
    """Where the bytes of a file lie until they are all there and right."""
    return target.with_name(f"{target.name}.part")


def length_of(path: Path) -> int:
    """The bytes of a file; 0 if it is not there."""
    return path.stat().st_size if path.exists() else 0


def _first_byte(response: requests.Response) -> int | None:
    """Where the part begins that an answer holds; None if it does not say."""
    told = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(told[1]) if told else None


def _asked_wait_s(response: requests.Response) -> float:
    """The seconds that a server asks to wait, which it tells as a number or as the end; 0 if it does not."""
    told = response.headers.get("Retry-After", "")
    if told.isdecimal():
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _reason_of(error: requests.RequestException) -> str:
    """What went wrong on the network, in a few words."""
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return "the connection broke"
