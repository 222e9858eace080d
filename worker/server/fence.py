"""How a run writes to a target: under a name, and only while it can prove that nobody else is at work there.

What is on its way when a process stands still lands whenever it goes on, or its network does. So whoever comes next ends
the connections of those who were there before: what has not been taken by then never is.
"""

import re
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol

from worker import logs
from worker.broker.connection import PREFIX
from worker.progress import Proof, undisputed
from worker.server.endpoint import Endpoint
from worker.server.replies import BROKEN
from worker.server.wire import Wire

_UNFIT = re.compile(rb"[^!-~]")
"""Bytes that the name of a connection cannot have."""
_CLIENT = re.compile(rb"(?m)^id=(\d+) .*? name=(\S*) ")


class Held(Protocol):
    """The lock on a target, as its holder sees it: a Lease, or what needs none."""

    def prove(self) -> None:
        """Return while nobody else can have it. Raises LostError."""

    def check(self) -> None:
        """Return unless it is known to be lost. Raises LostError."""

    @property
    def number(self) -> int | None:
        """Larger than those of all earlier holders; None where there is none."""
        ...


class Ours:
    """In place of a lock: a server of our own, which nobody else reaches and which ends with us."""

    number = None

    def prove(self) -> None:
        """Nobody else can have it."""

    def check(self) -> None:
        """Nor can it be lost."""


class Fence:
    """One run's way of writing to one target, of which it holds the lock."""

    def __init__(self, endpoint: Endpoint, lease: Held) -> None:
        self.prove, self.check = lease.prove, lease.check
        self.outlives_us = not isinstance(lease, Ours)
        """Whether the target is there without us: then nothing may be left there that only we can end."""
        self.endpoint, self._number = endpoint, lease.number
        self._all = _UNFIT.sub(b"_", f"{PREFIX}{endpoint.address}:".encode())
        self._name = self._all + str(lease.number or logs.current_run()).encode()
        self._may_be_named = True

    def clear(self) -> None:
        """End the connections of all who wrote here before; where that is not allowed to us, go on without.

        Whoever has no lock cannot know that they are none any more. Raises the endpoint's errors.
        """
        if self._number is None:
            return
        with self.endpoint.translated("looking for connections of earlier runs"), Wire(self.endpoint) as wire:
            listed = wire.try_(b"CLIENT", b"LIST")
            for identity, name in _CLIENT.findall(listed) if isinstance(listed, bytes) else ():
                if name.startswith(self._all) and name != self._name:
                    wire.try_(b"CLIENT", b"KILL", b"ID", identity)

    def wire(self, db: int = 0) -> Wire:
        """A connection on which nothing is sent without a proof. Raises LostError then, besides what a Wire raises."""
        return self._named(FencedWire(self, db, self.prove))

    def named(self) -> Wire:
        """A connection for what is always sent. Whoever sends more on it asks for the proof himself."""
        return self._named(FencedWire(self, 0, undisputed))

    def _named(self, wire: Wire) -> Wire:
        with ExitStack() as stack:
            stack.enter_context(wire)
            if self._may_be_named:
                self._may_be_named = not isinstance(wire.try_(b"CLIENT", b"SETNAME", self._name), Exception)
            stack.pop_all()
        return wire


class FencedWire(Wire):
    """A connection that asks before each piece whether it may still be sent."""

    def __init__(self, fence: Fence, db: int, prove: Proof) -> None:
        super().__init__(fence.endpoint, db)
        self._fence, self._prove = fence, prove

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if isinstance(error, BROKEN):
            # The run that took our place has ended our connections.
            self._fence.check()

    def send(self, *packed: bytes) -> None:
        """The same, each piece with its proof."""
        for piece in packed:
            self._socket.sendall(piece, self._prove)
