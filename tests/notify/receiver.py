"""Whoever is told of something, as a real server on a free port: it remembers all that it was sent."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from worker.config.settings import Settings
from worker.notify import standing
from worker.notify.message import Level, Message
from worker.notify.outbox import put

SECRET = "0123456789abcdef" * 2


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """It answers with `status`; 0: it hangs up without a word. It waits for `may_answer` first."""

    port: int = 0
    status: int = 200
    requests: list[Request] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)
    """Those that it took."""
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_answer: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def wait(self, seconds: float = 60) -> Request:
        """The next request, which may still wait for its answer."""
        assert self.came.acquire(timeout=seconds), "nothing came"
        return self.requests[-1]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body)
            receiver.requests.append(request)
            receiver.came.release()
            receiver.may_answer.wait()
            if status := receiver.status:
                if status < 300:
                    receiver.taken.append(request)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
            else:
                # A reset, and no orderly end.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

        def log_message(self, *_: object) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (OSError, ValueError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    receiver.port = server.server_address[1]
    try:
        yield receiver
    finally:
        receiver.may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()


def told(settings: Settings, sentence: str, level: Level = "bad", event: str = "backup.failed") -> None:
    """Put it into the outbox."""
    assert put(
        settings,
        Message(event=event, level=level, sentence=sentence, path="/backups", at=datetime.now(UTC), key="a source"),
    )


def again_now(settings: Settings) -> None:
    """The pause of each channel is over."""
    for name, state in standing.standings(settings).items():
        standing.note(settings, name, state.model_copy(update={"next_at": state.failed_at}))
