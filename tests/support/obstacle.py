"""A proxy before a server of S3 that does something wrong with chosen requests."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.support.certificates import Signed

Trouble = int | str | None
"""A number to answer with, or `reset` (before the request gets there), `lost` (it gets there, the answer does not), `cut` (half
of the answer), `hang` (never an answer); None: none.
"""


def none(_number: int, _method: str, _path: str) -> Trouble:
    """All is well."""
    return None


@dataclass
class Obstacle:
    """Where it listens, and what it does: `trouble` is asked of each request, with its number, its method and its path."""

    endpoint: str = ""
    trouble: Callable[[int, str, str], Trouble] = none
    seen: list[str] = field(default_factory=list)
    sent: int = 0
    """Bytes of the content of its answers."""
    counting: threading.Lock = field(default_factory=threading.Lock)
    let_go: threading.Event = field(default_factory=threading.Event)

    def clear(self) -> None:
        """No trouble any more, and numbers from nought."""
        self.trouble = none
        self.seen.clear()
        self.sent = 0

    def from_on(self, first: int, what: Trouble, *, once: bool = False) -> None:
        """That with the request of this number, and with all behind it unless it is `once`."""
        self.clear()
        self.trouble = lambda number, *_: what if number == first or (number > first and not once) else None


class Handler(BaseHTTPRequestHandler):
    """Passes on what it is asked, but for the trouble."""

    protocol_version = "HTTP/1.1"
    obstacle: Obstacle
    host: str

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.obstacle.counting:
            number = len(self.obstacle.seen)
            self.obstacle.seen.append(f"{self.command} {self.path}")
        trouble = self.obstacle.trouble(number, self.command, self.path)
        if trouble == "hang":
            self.obstacle.let_go.wait(60)
        if trouble in ("reset", "hang"):
            self._hang_up()
        elif isinstance(trouble, int):
            self._answer(trouble, {}, b"<Error><Code>SomeCode</Code></Error>")
        else:
            status, headers, content = self._asked(body)
            if trouble == "lost":
                self._hang_up()
            else:
                self._answer(status, headers, content, cut=trouble == "cut")

    def _asked(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content

    def _answer(self, status: int, headers: dict[str, str], content: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        is_head = self.command == "HEAD"
        self.send_header("Content-Length", headers.get("content-length", "0") if is_head else str(len(content)))
        self.end_headers()
        if not is_head:
            with self.obstacle.counting:
                self.obstacle.sent += len(content)
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 - as the standard library calls them

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


class Proxy(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False

    def handle_error(self, *_: Any) -> None:
        """Whoever is cut off goes away."""


@contextmanager
def before(server: str, certificate: Signed | None = None) -> Iterator[Obstacle]:
    """One that stands before the server at that address, until the end of the block; with a certificate it speaks TLS."""
    obstacle = Obstacle()
    handler = type("Before", (Handler,), {"obstacle": obstacle, "host": urlsplit(server).netloc})
    with Proxy(("127.0.0.1", 0), handler) as proxy:
        obstacle.endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{proxy.server_address[1]}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            proxy.socket = context.wrap_socket(proxy.socket, server_side=True)
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield obstacle
        finally:
            obstacle.let_go.set()
            proxy.shutdown()
            thread.join()
