"""A point in time: the server's own snapshot, taken as a replica takes it.

Source of the protocol: replication.c of Redis (SYNC, PSYNC, REPLCONF) and its `$EOF:` form for diskless transfers.
"""

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NoReturn

from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.errors import SourceUnavailableError
from worker.formats.rdb.reader import Reader
from worker.server.endpoint import Endpoint
from worker.server.info import Facts
from worker.server.replies import reply_error
from worker.server.wire import Wire, pack

MARK_BYTES = 40
LONGEST_LINE = 64 * 1024
_RESYNC = re.compile(rb"\+FULLRESYNC ([0-9A-Za-z?]+) (\d+)")
NO_PORT = b"65536"
"""Sentinel takes every replica that INFO shows for one that it may promote, unless its port cannot be: without any it would note us
as port 0, and keep that for ever.
"""
_ACKNOWLEDGE = pack(b"REPLCONF", b"ACK", b"0")
_ACKNOWLEDGE_SECONDS = 0.2
_ACKNOWLEDGEMENTS = 50


class Replication:
    """Reads what SYNC sends: an RDB file, made by the server at one instant."""

    engine = "replication"
    consistency = "point-in-time"

    def __init__(self, endpoint: Endpoint, rdb_of: str = "") -> None:
        """`rdb_of` is the release of Valkey whose RDB version we say to understand; with none it sends what Redis 7.2 loads."""
        self.warnings: list[str] = []
        self.position: dict[str, Any] = {}
        """The snapshot's position, known once its first chunk is there."""
        self._endpoint, self._rdb_of = endpoint, rdb_of
        self._received = b""

    def refusal(self) -> str | None:
        """Why the server would not do it, in its own words; None when it would. Starts no snapshot.

        A PSYNC sent while another reply is still unsent is turned down by the server, but only after it has checked
        everything else: the command is known, this user may use it, a replica has its primary.
        """
        with self._endpoint.translated("asking for a snapshot"), Wire(self._endpoint) as wire:
            wire.send(pack(b"PING") + pack(b"PSYNC", b"?", b"-1"))
            answers = list(wire.replies(2))
        words = str(answers[1])
        return None if "pending output" in words else words

    def chunks(self) -> Generator[bytes]:
        """Yield the RDB file. SourceUnavailableError when the connection ends, or stalls, before the file does."""
        with self._endpoint.translated("sending its snapshot"), Wire(self._endpoint) as wire:
            only_snapshot = self._introduce(wire)
            length, mark = self._begin(wire)
            if mark:
                yield from self._until_mark(wire, mark, closes=only_snapshot)
            else:
                yield from self._exactly(wire, length)

    @contextmanager
    def entries(self) -> Iterator[Reader]:
        """What is in the file. The snapshot ends with the block: the server's child must not outlive our failure."""
        with closing(self.chunks()) as chunks:
            yield Reader(chunks, values=True)

    def check_sender(self, facts: Facts) -> None:
        """Compares the replication ids, where both are known."""
        known, announced = facts.replication_id, self.position.get("replication_id")
        if known and announced and known != announced:
            raise SourceUnavailableError(
                f"The source at {self._endpoint.address} became another one before it sent its snapshot: it was restarted or "
                "promoted, or its address leads to several servers. Nothing was kept; try again."
            ).plain()

    def missing(self, read: Mapping[int, int]) -> None:
        """Nothing: a file that was cut short is an error at once."""

    def stale(self, facts: Facts) -> None:
        """Never: a replica sends a snapshot only while it has its primary."""

    def _introduce(self, wire: Wire) -> bool:
        """Say what we are; whether the server will send the snapshot alone and then hang up (6.2 and newer)."""
        # The server may refuse any of these.
        wire.try_(b"REPLCONF", b"listening-port", NO_PORT)
        wire.try_(b"REPLCONF", b"capa", b"eof")
        if self._rdb_of:
            wire.try_(b"REPLCONF", b"version", self._rdb_of.encode())
        return bool(wire.try_(b"REPLCONF", b"rdb-only", b"1") == b"OK")

    def _begin(self, wire: Wire) -> tuple[int, bytes]:
        """Ask for the snapshot: its length, or the mark that ends it."""
        wire.send(pack(b"PSYNC", b"?", b"-1"))
        answer = self._line(wire)
        if answer.startswith(b"-"):
            raise _refusal(answer)
        if (resync := _RESYNC.fullmatch(answer)) is None:
            raise ResponseError(f"an unexpected reply to PSYNC: {answer[:80]!r}")
        self.position = {"replication_id": resync[1].decode(), "replication_offset": int(resync[2])}
        header = self._line(wire)
        if header.startswith(b"$EOF:") and len(header) == len(b"$EOF:") + MARK_BYTES:
            return 0, header.removeprefix(b"$EOF:")
        if header.startswith(b"$") and header[1:].isdigit():
            return int(header[1:]), b""
        raise _refusal(header)

    def _line(self, wire: Wire) -> bytes:
        """The next line that is not empty: bare newlines are how the server says that it is still at work."""
        while True:
            line, newline, rest = self._received.partition(b"\n")
            if newline:
                self._received = rest
                if line.strip():
                    return line.strip()
                wire.await_more()
            else:
                if len(self._received) > LONGEST_LINE:
                    raise ResponseError("a line without an end")
                self._received += self._receive(wire)

    def _receive(self, wire: Wire) -> bytes:
        chunk = _received(wire)
        if not chunk:
            self._cut_short()
        return chunk

    def _payload(self, wire: Wire) -> Iterator[bytes]:
        """What was received behind the header, then whatever comes."""
        if self._received:
            yield self._received
        self._received = b""
        wire.await_more()
        while True:
            yield _received(wire)

    def _exactly(self, wire: Wire, length: int) -> Iterator[bytes]:
        for chunk in self._payload(wire):
            if not chunk:
                self._cut_short()
            yield chunk[:length]
            length -= len(chunk)
            if length <= 0:
                return

    def _until_mark(self, wire: Wire, mark: bytes, *, closes: bool) -> Iterator[bytes]:
        """Hold back the last 40 bytes: they are the mark only at the very end, for a value may contain it too."""
        held = b""
        payload = self._payload(wire)
        while not held.endswith(mark) or closes:
            chunk = self._after_mark(wire) if held.endswith(mark) else next(payload)
            if not chunk:
                break
            held += chunk
            yield held[:-MARK_BYTES]
            held = held[-MARK_BYTES:]
        if not held.endswith(mark):
            self._cut_short()

    def _after_mark(self, wire: Wire) -> bytes:
        """What follows the mark: nothing when it was the end, for then the server hangs up.

        6.2 does so only once the snapshot is acknowledged after it has noticed its own child's end, so it is told again.
        """
        for _ in range(_ACKNOWLEDGEMENTS):
            try:
                wire.send(_ACKNOWLEDGE)
                return wire.receive(seconds=_ACKNOWLEDGE_SECONDS)
            except RedisTimeoutError:
                continue
            except OSError:
                return b""
        return b""

    def _cut_short(self) -> NoReturn:
        raise SourceUnavailableError(
            f"The source at {self._endpoint.address} ended the connection before its snapshot was whole; "
            "nothing of it was kept. Its own log says why."
        ).plain()


def _received(wire: Wire) -> bytes:
    """The bytes that come next; none once the connection has ended or broken."""
    try:
        return wire.receive()
    except ConnectionError:
        return b""


def _refusal(line: bytes) -> RedisError:
    """The error that a line stands for which announces no snapshot."""
    return reply_error(line[1:200].decode("utf-8", "backslashreplace"))
