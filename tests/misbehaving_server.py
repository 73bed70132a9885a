"""An HTTP server on this machine whose answers can be made to go wrong, one by one."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class MisbehavingServer(ThreadingHTTPServer):
    """Serves files by their addresses. The next answers for an address follow its list of moods, if any.

    Moods: "truncate" (half of what was asked for, then the connection closes), "flip" (one bit is wrong),
    "500", "503" (asks to wait 2 s), "503 <until>", "302 <address>", "404", "hang" (half, then silence),
    "silent" (no answer at all),
    "ignore range" (the whole file), "half anew" (half of the whole file), "other part" (not the one that was
    asked for), "unmeasured" (half, and no length told), "endless" (more than the file).
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes | Path] = {}
        self.moods: defaultdict[str, list[str]] = defaultdict(list)
        self.requests: list[tuple[str, str | None]] = []
        """Address and Range of every request."""
        self.closing = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def ranges(self, address: str) -> list[str | None]:
        """The Range of each request for one address."""
        return [asked for requested, asked in self.requests if requested == address]

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that go away."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MisbehavingServer

    def do_GET(self) -> None:
        address, asked = unquote(self.path.lstrip("/")), self.headers.get("Range")
        self.server.requests.append((address, asked))
        moods = self.server.moods[address]
        mood = moods.pop(0) if moods else ""
        stored = self.server.files.get(address)
        if mood.startswith(("302 ", "503 ")):
            return self.refuse(int(mood[:3]), mood[4:])
        if stored is None or mood.isdecimal():
            return self.refuse(int(mood or 404))
        if mood == "silent":
            self.server.closing.wait()
            return None
        return self.answer(stored if isinstance(stored, bytes) else stored.read_bytes(), asked, mood)

    def refuse(self, code: int, told: str = "2") -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        if code in (302, 503):
            self.send_header("Location" if code == 302 else "Retry-After", told)
        self.end_headers()

    def answer(self, content: bytes, asked: str | None, mood: str) -> None:
        obeyed = asked and mood not in ("ignore range", "half anew")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if obeyed else 0
        if start and start >= len(content):
            return self.refuse(416)
        start //= 2 if mood == "other part" else 1
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if mood in ("unmeasured", "endless"):
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return self.send_body(body, mood)

    def send_body(self, body: bytes, mood: str) -> None:
        if mood == "flip":
            body = bytes([body[0] ^ 1]) + body[1:]
        whole = mood not in ("truncate", "hang", "unmeasured", "half anew")
        self.wfile.write(body if whole else body[: len(body) // 2])
        self.close_connection = mood in ("truncate", "unmeasured", "endless", "half anew")
        if mood == "endless":
            self.wfile.write(body)
        if mood == "hang":
            self.server.closing.wait()

    def log_message(self, *_: object) -> None:
        """Keep no log on stderr."""


@contextmanager
def running_server() -> Iterator[MisbehavingServer]:
    """A server that answers until the block ends."""
    server = MisbehavingServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
