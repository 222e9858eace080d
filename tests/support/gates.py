"""A way to a server that can be shut while bytes are passing: how a test gets a backup to wait half-way."""

import contextlib
import socket
import threading
import time
from typing import Self

from worker.server.wire import pack

READ_BYTES = 16 * 1024


class Gate:
    """A port that leads to another one. Once `shut`, each new connection gets that many bytes of answers and then waits.

    Each piece of an answer takes `seconds` on its way.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self.seconds = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._allowed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self, after: int) -> None:
        """From now on a connection waits once it has had `after` bytes."""
        self._allowed = after
        self._open.clear()

    def open(self) -> None:
        """Let everything pass."""
        self._open.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()
        # Closing alone does not wake whoever is waiting in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as far:
            threading.Thread(target=_pass_on, args=(near, far), daemon=True).start()
            passed = 0
            while chunk := far.recv(READ_BYTES):
                passed += len(chunk)
                if passed > self._allowed:
                    self._open.wait()
                time.sleep(self.seconds)
                near.sendall(chunk)
            # Closing alone does not end a connection that the other thread reads from.
            near.shutdown(socket.SHUT_RDWR)


def _pass_on(near: socket.socket, far: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := near.recv(READ_BYTES):
            far.sendall(chunk)
    for end in (near, far):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Disguise:
    """A port that leads to a server and makes it seem another one: it does not know a setting, or says yes to it, or
    calls a line of its INFO something else.
    """

    def __init__(self, port: int, *, unknown: bytes = b"", yes: bytes = b"", renamed: bytes = b"") -> None:
        self._to, self._unknown, self._yes, self._renamed = port, unknown, yes, renamed
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            far = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._ask, args=(near, far), daemon=True).start()
            threading.Thread(target=self._answer, args=(far, near), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError), near, far:
            while chunk := near.recv(READ_BYTES):
                if self._unknown and self._unknown in chunk:
                    near.sendall(pack())
                elif self._yes and self._yes in chunk:
                    near.sendall(pack(self._yes, b"yes"))
                else:
                    far.sendall(chunk)

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := far.recv(READ_BYTES):
                near.sendall(chunk.replace(self._renamed, bytes(reversed(self._renamed))) if self._renamed else chunk)
