"""Who comes to the port where we play the primary: heard side by side, few of each address, and all by one deadline."""

import hmac
import selectors
import socket
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

import hiredis

from worker.config.fields import Networks

READ_BYTES = 64 * 1024
"""Nobody needs to say more to be let in."""
MOST_OF_AN_ADDRESS = 4
"""With one more the oldest is hung up on: the target says all in its first moment, so it is not who keeps others waiting."""


class StrangerError(Exception):
    """Somebody who is not the target."""


@dataclass(frozen=True)
class Expected:
    """What the target is known by before it is asked itself."""

    networks: Networks
    """Where it comes from."""
    replication_id: str
    """Which it had as a primary. Who may not ask it for INFO does not know it."""
    password: bytes | None = None
    """What it shows in AUTH; None where nobody knows."""


class Visitor:
    """One connection, and what was said on it."""

    def __init__(self, connection: socket.socket, address: str) -> None:
        connection.setblocking(False)
        self.connection, self.address = connection, address
        self._reader, self._received = hiredis.Reader(), 0
        self._password = b""

    def hear(self, expected: Expected) -> bool:
        """Answer what has come; whether the visitor has asked as the target would. Raises StrangerError, and whatever noise does."""
        chunk = self.connection.recv(READ_BYTES)
        self._received += len(chunk)
        if not chunk or self._received > READ_BYTES:
            raise StrangerError
        self._reader.feed(chunk)
        while command := self._reader.gets():
            name = command[0].upper() if isinstance(command, list) else b""
            if name == b"PSYNC":
                return self._knows(command[1], expected)
            if name == b"AUTH":
                self._password = command[-1]
            known = {b"PING": b"+PONG\r\n", b"AUTH": b"+OK\r\n", b"REPLCONF": b"+OK\r\n"}
            self.connection.sendall(known.get(name, b"-ERR only for a replica\r\n"))
        return False

    def _knows(self, replication_id: bytes, expected: Expected) -> bool:
        password = self._password if expected.password is None else expected.password
        known = (replication_id, expected.replication_id.encode()), (self._password, password)
        if not all(hmac.compare_digest(*pair) for pair in known):
            raise StrangerError
        return True


class Visitors:
    """All who come to a listener, in the order in which they ask to be let in."""

    def __init__(self, listener: socket.socket, expected: Expected) -> None:
        listener.setblocking(False)
        self._listener, self._expected = listener, expected
        self._heard: list[Visitor] = []
        self._selector = selectors.DefaultSelector()
        self.turned_away: str | None = None
        """The address of one who came from elsewhere than the target does."""

    def asking(self, seconds: float) -> Generator[socket.socket, None, None]:
        """Each who asks as the target would, for so long; all others are hung up on, at the end too."""
        deadline = time.monotonic() + seconds
        self._selector.register(self._listener, selectors.EVENT_READ)
        try:
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in self._selector.select(left):
                    if key.data is None:
                        self._welcome()
                    elif key.data in self._heard and self._asks(key.data):
                        self._leave(key.data)
                        yield key.data.connection
        finally:
            for visitor in (*self._heard,):
                self._hang_up(visitor)
            self._selector.close()

    def _welcome(self) -> None:
        try:
            connection, (address, *_) = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        if not any(ip_address(address.partition("%")[0]) in network for network in self._expected.networks):
            self.turned_away = address
            connection.close()
            return
        visitor = Visitor(connection, address)
        neighbours = [other for other in self._heard if other.address == address]
        if len(neighbours) == MOST_OF_AN_ADDRESS:
            self._hang_up(neighbours[0])
        self._heard.append(visitor)
        self._selector.register(connection, selectors.EVENT_READ, visitor)

    def _asks(self, visitor: Visitor) -> bool:
        # Whatever a stranger sends must not end the mirror.
        with suppress(Exception):
            return visitor.hear(self._expected)
        self._hang_up(visitor)
        return False

    def _hang_up(self, visitor: Visitor) -> None:
        self._leave(visitor)
        visitor.connection.close()

    def _leave(self, visitor: Visitor) -> None:
        self._heard.remove(visitor)
        self._selector.unregister(visitor.connection)
