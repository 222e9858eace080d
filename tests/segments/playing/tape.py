"""What a replica hears: a base, and the commands behind it, of a real server."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.support.servers import Server
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.segments.recording import Recording
from worker.server.wire import pack
from worker.storage.local import Folder

_MARK_BYTES = 40


class Tape:
    """A connection that has read a snapshot, or continues one, and hears what follows."""

    def __init__(self, server: Server, base: Manifest | None = None) -> None:
        self.server = server
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self._file = self._socket.makefile("rb", buffering=0)
        for said in ((b"listening-port", b"65536"), (b"capa", b"eof"), (b"version", b"255.255.255")):
            self._socket.sendall(pack(b"REPLCONF", *said))
            self._file.readline()
        self.base, self._heard = b"", b""
        if base is None:
            self._socket.sendall(pack(b"PSYNC", b"?", b"-1"))
            self.base_offset = int(self._line().split()[2])
            self.base = self._snapshot(self._line())
        else:
            history, self.base_offset = base.source.replication_id, base.source.replication_offset or 0
            assert history
            self._socket.sendall(pack(b"PSYNC", history.encode(), b"%d" % (self.base_offset + 1)))
            assert self._line().startswith(b"+CONTINUE")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def until_now(self) -> tuple[int, bytes]:
        """The source's offset, and all commands up to there."""
        offset = int(self.server.client().info("replication")["master_repl_offset"])
        self._socket.settimeout(0.1)
        while len(self._heard) < offset - self.base_offset:
            # Only what is acknowledged is followed by more, and not before the server has seen its child's end.
            self._socket.sendall(pack(b"REPLCONF", b"ACK", b"0"))
            try:
                heard = self._socket.recv(1 << 20)
                assert heard, "the source hung up"
                self._heard += heard
            except TimeoutError:
                continue
        return offset, self._heard[: offset - self.base_offset]

    def _line(self) -> bytes:
        while not (line := self._file.readline().strip()):
            pass
        return line

    def _snapshot(self, header: bytes) -> bytes:
        read, mark = bytearray(), header.removeprefix(b"$EOF:")
        length = None if mark != header else int(header[1:])
        while len(read) < length if length is not None else not read.endswith(mark):
            read += self._file.read(1 << 20 if length is None else length - len(read)) or b""
        return bytes(read if length is not None else read[:-_MARK_BYTES])


@contextmanager
def tape(server: Server, base: Manifest | None = None) -> Iterator[Tape]:
    """One that is being recorded until the end of the block."""
    recorded = Tape(server, base)
    try:
        yield recorded
    finally:
        recorded.close()


def recorded(server: Server, storage: Path, name: str) -> Recording:
    """This very moment of the server, of which that backup is the base."""
    base = catalogue.get(Folder(storage), name)
    with tape(server, base) as continued:
        offset, commands = continued.until_now()
    return Recording(
        base,
        Folder(storage),
        0,
        offset,
        base.source.replication_id or "",
        datetime.now(UTC),
        0.5,
        lambda: iter([commands]),
    )
