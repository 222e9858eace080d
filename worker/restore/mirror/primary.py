"""For a moment we are a primary: one replica is let in, and is given one RDB file.

Source of the protocol: replication.c of Redis (syncWithMaster, slaveTryPartialResynchronization, readSyncBulkPayload).
"""

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from ipaddress import ip_address
from types import TracebackType
from typing import Self

from redis.exceptions import ConnectionError as RedisConnectionError

from worker.broker.timeouts import BoundedSocket
from worker.restore.mirror.visitors import READ_BYTES, Expected, Visitors
from worker.server.wire import pack

SILENCE_SECONDS = 20
"""How long the replica may take nothing of the file, and takes no writes: less than a server that hangs is asked for, as it
holds all of its data still and the same can be run again; more than a disk that is busy keeps it.
"""
PING_SECONDS = 1
_PING = pack(b"PING")


class NobodyCameError(Exception):
    """The replica has not come to us: we listen where it cannot reach us, or it comes from where we do not expect it."""

    def __init__(self, turned_away: str | None) -> None:
        super().__init__(turned_away)
        self.turned_away = turned_away
        """The address of somebody who was turned away."""


class Primary:
    """Listens on one port from its making to the end of the `with`. Raises OSError where that cannot be."""

    def __init__(self, bind: str, port: int) -> None:
        family = socket.AF_INET6 if ip_address(bind).version == 6 else socket.AF_INET
        self._listener = socket.create_server((bind, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.replication_id = secrets.token_hex(20)
        """The replication id that the replica takes over once it holds the whole file."""
        self.password = secrets.token_hex(32).encode()
        """The password that the replica has to show, where it has one."""
        self._replica: socket.socket | None = None
        self._pinged = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up and stop listening."""
        self._listener.close()
        if self._replica:
            self._replica.close()

    def let_in(self, expected: Expected, says_so: Callable[[], bool], seconds: float) -> None:
        """Wait for the replica that we expect, and let nobody else in.

        Who asks as it would is told that a file comes, and `says_so` asks the target whether it has heard that: nobody else
        can make it say so. Raises NobodyCameError, and what that raises.
        """
        visitors = Visitors(self._listener, expected)
        with closing(visitors.asking(seconds)) as asking:
            for self._replica in asking:
                if self._announce(self._replica) and says_so():
                    # Exactly one connection.
                    self._listener.close()
                    return
                self._replica.close()
        self._replica = None
        raise NobodyCameError(visitors.turned_away)

    def _announce(self, replica: socket.socket) -> bool:
        with suppress(OSError):
            replica.sendall(b"+FULLRESYNC %b 0\r\n" % self.replication_id.encode())
            return True
        return False

    def send(self, length: int, chunks: Iterator[bytes]) -> Iterator[int]:
        """Give the file to the replica; yields how many bytes it has been sent so far.

        Raises redis' TimeoutError when it takes none of it, or too few for long; or OSError.
        """
        replica = BoundedSocket(self._connected, SILENCE_SECONDS, SILENCE_SECONDS)
        replica.sendall(b"$%d\r\n" % length)
        sent = 0
        for chunk in chunks:
            replica.sendall(chunk)
            sent += len(chunk)
            yield sent

    def keep(self) -> None:
        """Keep the link alive: read and ignore what the replica says, and send it pings.

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
