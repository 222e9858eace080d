"""rclone as it is asked: over its socket, in JSON; what it answers, or how it failed."""

import atexit
import http.client
import json
import os
import socket
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from worker.storage.rclone.process import Process

_LONGEST_ERROR = 1 << 16


class RefusedError(Exception):
    """rclone says why not: in its own words, which are for nobody's eyes."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.text, self.status = text, status


class SilentError(Exception):
    """rclone does not answer: `late` where it still may."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late = late


@dataclass(frozen=True)
class Kind:
    """Which rclone it must be: that of an rclone.conf, one that trusts another authority."""

    config: str = ""
    ca: str = ""


@dataclass
class Daemon:
    """One rclone, and what it was told."""

    process: Process
    told: set[str] = field(default_factory=set)
    """Names of remotes."""

    def ask(self, method: str, seconds: float, **arguments: Any) -> dict[str, Any]:
        """What it answers. RefusedError, or SilentError after so many seconds without."""
        with self._request("POST", f"/{method}", seconds, json.dumps(arguments)) as answer:
            content = _all(answer)
        return dict(json.loads(content))

    def get(self, path: str, seconds: float, of: tuple[int, int] | None = None) -> http.client.HTTPResponse:
        """The bytes of `[remote:folder]/name`, or those from one place up to another, as they come."""
        headers = {"Range": f"bytes={of[0]}-{of[1] - 1}"} if of else {}
        return self._request("GET", quote(f"/{path}", safe="/[]:"), seconds, headers=headers)

    def _request(
        self, verb: str, path: str, seconds: float, body: str | None = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        connection = _Connection(self.process.socket, seconds)
        try:
            connection.request(verb, path, body, {"Content-Type": "application/json"} | (headers or {}))
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise SilentError(late=isinstance(error, TimeoutError)) from None
        if answer.status >= 300:
            with answer:
                raise RefusedError(_reason(_all(answer)), answer.status)
        return answer


class _Connection(http.client.HTTPConnection):
    """To a socket of this machine; it is closed with its one answer."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """As HTTPConnection calls it."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **more: Any) -> None:
        """One and no more."""
        super().request(method, url, body, {**(headers or {}), "Connection": "close"}, **more)


def _all(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise SilentError(late=isinstance(error, TimeoutError)) from None


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content[:_LONGEST_ERROR].decode(errors="replace")


_running: dict[tuple[int, Kind], Daemon] = {}
_lock = threading.Lock()


def running(kind: Kind) -> Daemon:
    """The one of this process, started where there is none. UsageError, StorageUnavailableError."""
    key = os.getpid(), kind
    with _lock:
        if (daemon := _running.get(key)) is None or not daemon.process.runs:
            if daemon is not None:
                daemon.process.stop()
            daemon = Daemon(Process(kind.config, {"RCLONE_CA_CERT": kind.ca} if kind.ca else {}))
            daemon.process.wait()
            _running[key] = daemon
        return daemon


@atexit.register
def _stop() -> None:
    for (pid, _), daemon in _running.items():
        if pid == os.getpid():
            daemon.process.stop()


def _begin_anew() -> None:
    """In a fork another thread's lock would never be let go."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)
