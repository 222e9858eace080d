"""Data in a server, what has been made of it beforehand, and whether a result equals it. None of this is timed."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import hiredis

from benchmarks.data import Shape, pack
from benchmarks.floors import ECHO_END
from benchmarks.place import Place
from benchmarks.results import WHOLE
from benchmarks.servers import Server
from benchmarks.timing import FailedError

AT_ONCE = 500
LARGE_AT_ONCE = 1
READ_BYTES = 1 << 20


class Loaded:
    """One set of data and the server that holds it."""

    def __init__(self, place: Place, shape: Shape, server: Server) -> None:
        self.place, self.shape, self.server = place, shape, server
        self.folder = place.new_folder(shape.name)
        _fill(server, shape)
        server.ask("SAVE")
        self.rdb = server.folder / "dump.rdb"
        """The server's own file of the data."""
        self.digest = server.digest()
        self.whole: set[bytes] = set()
        """Fingerprints of what was compared already, and lacked nothing."""

    @cached_property
    def asking(self) -> Path:
        """SCAN and DUMP of all keys as commands, as a client would send them that knew every answer beforehand."""
        path = self.folder / "asking"
        with path.open("wb") as file:
            for scan, keys in _scanned(self.server):
                file.write(scan + b"".join([pack(b"DUMP", key) for key in keys]))
            file.write(ECHO_END)
        return path

    @cached_property
    def restoring(self) -> Path:
        """RESTORE of all keys as commands."""
        path, at_once = self.folder / "restoring", AT_ONCE if self.shape.name != "huge" else LARGE_AT_ONCE
        with path.open("wb") as file, _conversation(self.server) as ask:
            for _, found in _scanned(self.server):
                for begin in range(0, len(found), at_once):
                    keys = found[begin : begin + at_once]
                    replies = ask([pack(word, key) for key in keys for word in (b"DUMP", b"PEXPIRETIME")])
                    for key, dump, expires in zip(keys, replies[::2], replies[1::2], strict=True):
                        ttl = max(int(expires), 0)
                        file.write(pack(b"RESTORE", key, ttl, dump, b"REPLACE", b"ABSTTL"))
        return path

    def compared(self, server: Server) -> str:
        """What a server lacks of the data, in words; WHOLE where it holds just that."""
        if server.digest() == self.digest:
            return WHOLE
        lost = self.shape.keys - server.keys
        return f"lost {lost:,} of {self.shape.keys:,} keys" if lost > 0 else "its values are not the same"

    def file_compared(self, rdb: Path) -> str:
        """The same for an RDB file, once a server has loaded it."""
        try:
            with self.place.server(rdb) as server:
                return self.compared(server)
        except FailedError:
            return "no server loads it"


@contextmanager
def loaded(place: Place, shape: Shape) -> Iterator[Loaded]:
    """That data in a server of its own, for a while."""
    with ExitStack() as stack:
        yield Loaded(place, shape, stack.enter_context(place.server()))


def _fill(server: Server, shape: Shape) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        # Replies would only have to be read: whether all went well is counted at the end.
        connection.sendall(pack(b"CLIENT", b"REPLY", b"OFF"))
        for commands in shape.commands():
            connection.sendall(commands)
        connection.sendall(pack(b"CLIENT", b"REPLY", b"ON"))
        connection.recv(len(b"+OK\r\n"), socket.MSG_WAITALL)
    if server.keys != shape.keys:
        raise FailedError(f"The server holds {server.keys:,} keys, and not {shape.keys:,}: is its memory limited?")


@contextmanager
def _conversation(server: Server) -> Iterator[Callable[[list[bytes]], list[Any]]]:
    """A connection that sends packed commands and returns as many replies."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        reader = hiredis.Reader()

        def reply() -> Any:
            while (found := reader.gets()) is False:
                reader.feed(connection.recv(READ_BYTES))
            return found

        def ask(commands: list[bytes]) -> list[Any]:
            connection.sendall(b"".join(commands))
            return [reply() for _ in commands]

        yield ask


def _scanned(server: Server) -> Iterator[tuple[bytes, list[bytes]]]:
    """Each SCAN that leads through all keys, and the keys that it answers."""
    cursor, begun = b"0", False
    with _conversation(server) as ask:
        while cursor != b"0" or not begun:
            begun, scan = True, pack(b"SCAN", cursor, b"COUNT", AT_ONCE)
            (answer,) = ask([scan])
            cursor, keys = answer
            yield scan, keys


def size_of(path: Path) -> int:
    """Bytes of a file."""
    return os.stat(path).st_size
