"""Commands on their way to a server, in batches: while it works on some, the next are being packed."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from worker.formats.entries import Entry
from worker.server.replies import BROKEN
from worker.server.wire import LARGE, Wire, pack

BATCH_BYTES = 1 << 20


@dataclass(slots=True)
class Sent:
    """Commands on their way: how many replies they will have, the entry they write, and the key it is built under."""

    replies: int = 0
    entry: Entry | None = None
    temporary: bytes = b""
    naming: bool = False
    """Whether these give the finished value its name."""


Batch = list[Sent | Entry]
"""What was sent; an Entry alone stands for one RESTORE."""


class Flow:
    """What is packed, what was sent, and what is still to be answered; `settle` reads the replies to a batch."""

    def __init__(self, wire: Wire, settle: Callable[[Batch], None]) -> None:
        self.db = -1
        """The database of the last command."""
        self.packed: list[bytes] = []
        self.size = 0
        self.sent: Batch = []
        """The batch that is being packed or sent."""
        self._wire, self._settle = wire, settle
        self._awaited: deque[Batch] = deque()
        self._over = False

    @property
    def under_way(self) -> bool:
        """Whether something is to be sent or answered."""
        return bool(self.sent or self._awaited)

    @property
    def unanswered(self) -> Batch:
        """What was sent or packed, and has no answer so far."""
        return [sent for batch in (*self._awaited, self.sent) for sent in batch]

    def select(self, db: int) -> None:
        """Let what follows go to this database."""
        if db != self.db:
            self.db = db
            self.add(Sent(), pack(b"SELECT", b"%d" % db))

    def add(self, sent: Sent, *packed: bytes) -> None:
        """Pack the first command of an item, whole or in pieces."""
        self.sent.append(sent)
        self.push(sent, *packed)

    def push(self, sent: Sent, *packed: bytes) -> None:
        """Pack one more command of that item; a large piece is sent at once."""
        # Its reply is awaited even if only a part of it was sent.
        sent.replies += 1
        for piece in packed:
            if len(piece) > LARGE:
                self.send()
                self._give(piece)
            else:
                self.packed.append(piece)
                self.size += len(piece)
        if self.size >= BATCH_BYTES:
            self.send()

    def send(self) -> None:
        """Send what is packed, and wait for nothing."""
        self._give(b"".join(self.packed))
        self.packed.clear()
        self.size = 0

    def _give(self, data: bytes) -> None:
        if not self._over:
            self._wire.send(data)

    def flush(self, ahead: int) -> None:
        """Send what is packed, and only then settle what was sent before, until `ahead` batches are on their way."""
        self.send()
        if self.sent:
            self._awaited.append(self.sent)
            self.sent = []
        while len(self._awaited) > ahead:
            self._settle(self._awaited.popleft())

    def give_up(self) -> Batch:
        """Settle what the server has got whole, and send nothing more on this connection; what is returned as by `settle`."""
        self.packed.clear()
        with suppress(OSError):
            self._wire.end_sending()
        return self.settle()

    def settle(self) -> Batch:
        """Settle what the server has answered, or still answers: what that would have led to, and is never sent any more."""
        self._over = True
        self._awaited.append(self.sent)
        self.sent = []
        with suppress(*BROKEN):
            while self._awaited:
                self._settle(self._awaited.popleft())
        never, self.sent = self.sent, []
        self.packed.clear()
        return never
