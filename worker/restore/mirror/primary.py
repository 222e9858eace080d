"""For a moment we are a primary: one replica is let in, and is given one RDB file.

Source of the protocol: replication.c of Redis (syncWithMaster, slaveTryPartialResynchronization, readSyncBulkPayload).
"""

import hmac
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError

from worker.broker.timeouts import BoundedSocket
from worker.server.wire import pack

READ_BYTES = 64 * 1024
STRANGER_SECONDS = 5
"""How long one who has come may take to show who he is."""
SILENCE_SECONDS = 60
"""How long the replica may take nothing of the file."""
PING_SECONDS = 1
_PING = pack(b"PING")


class NobodyCameError(Exception):
    """The replica has not come to us: we listen where it cannot reach us."""


class Primary:
    """Listens on one port from its making to the end of the `with`. Raises OSError where that cannot be."""

    def __init__(self, bind: str, port: int) -> None:
        family = socket.AF_INET6 if ip_address(bind).version == 6 else socket.AF_INET
        self._listener = socket.create_server((bind, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.replication_id = secrets.token_hex(20)
        """What the replica takes over as its own once it holds the file whole, and no sooner."""
        self._replica: socket.socket | None = None
        self._pinged = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        if self._replica:
            self._replica.close()

    def let_in(self, known_by: str, seconds: float) -> None:
        """Wait for the replica that was known by this replication id when it was a primary, and let nobody else in.

        It names that id in PSYNC, and who may not ask it for INFO does not know it: more than an address could prove.
        Raises NobodyCameError.
        """
        deadline = time.monotonic() + seconds
        while self._replica is None:
            self._listener.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                visitor, _ = self._listener.accept()
            except TimeoutError:
                raise NobodyCameError from None
            # Whatever a stranger sends must not end the mirror.
            with suppress(Exception):
                if _asks_as(visitor, known_by):
                    self._replica = visitor
                    break
            visitor.close()
        # Exactly one connection.
        self._listener.close()

    def send(self, length: int, chunks: Iterator[bytes]) -> Iterator[int]:
        """Give the file to the replica; yields how many bytes it has been sent so far.

        Raises redis' TimeoutError when it takes none of it, or too few for long; or OSError.
        """
        replica = BoundedSocket(self._connected, SILENCE_SECONDS, SILENCE_SECONDS)
        replica.sendall(b"+FULLRESYNC %b 0\r\n$%d\r\n" % (self.replication_id.encode(), length))
        sent = 0
        for chunk in chunks:
            replica.sendall(chunk)
            sent += len(chunk)
            yield sent

    def keep(self) -> None:
        """Be there: hear what the replica says, none of which matters to us, and let it hear from us.

        Raises redis' ConnectionError, or OSError, once it has hung up.
        """
        replica = self._connected
        replica.setblocking(False)
        with suppress(BlockingIOError):
            while replica.recv(READ_BYTES):
                pass
            raise RedisConnectionError("it ended the replication")
        if time.monotonic() - self._pinged > PING_SECONDS:
            self._pinged = time.monotonic()
            with suppress(BlockingIOError):
                replica.sendall(_PING)

    @property
    def _connected(self) -> socket.socket:
        if self._replica is None:
            raise RedisConnectionError("no replica is connected")
        return self._replica


def _asks_as(visitor: socket.socket, known_by: str) -> bool:
    """Answer until PSYNC comes; whether that names this id."""
    visitor.settimeout(STRANGER_SECONDS)
    reader, received = hiredis.Reader(), 0
    deadline = time.monotonic() + STRANGER_SECONDS
    while received < READ_BYTES and time.monotonic() < deadline:
        chunk = visitor.recv(READ_BYTES)
        if not chunk:
            return False
        received += len(chunk)
        reader.feed(chunk)
        while command := reader.gets():
            name = command[0].upper() if isinstance(command, list) else b""
            if name == b"PSYNC":
                return hmac.compare_digest(command[1], known_by.encode())
            # AUTH too: the target may have a password for whoever its primary is.
            known = {b"PING": b"+PONG\r\n", b"AUTH": b"+OK\r\n", b"REPLCONF": b"+OK\r\n"}
            visitor.sendall(known.get(name, b"-ERR only for a replica\r\n"))
    return False
