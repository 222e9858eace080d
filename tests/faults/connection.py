"""One connection of a line: its two ways, and what goes wrong on them when its moment has come."""

import contextlib
import select
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.faults.moments import After, Asked, Moment, Reply
from tests.faults.resp import Seen, Values

if TYPE_CHECKING:
    from tests.faults.line import Line

READ_BYTES = 64 * 1024
# What the kernel takes on its own on our side: little, so that who sends into a stalled line notices it.
HELD_BYTES = 64 * 1024
LOOK_SECONDS = 0.1
"""How often it is seen whether a connection is idle."""
_RESET = struct.pack("ii", 1, 0)

Way = Literal["answers", "questions"]


class _Ended(Exception):  # noqa: N818
    """This connection is over."""


@dataclass(eq=False)
class Fault:
    """Something that goes wrong at a moment; `happened` says whether it has."""

    moment: Moment
    act: Callable[["OneWay"], None]
    seen: int = 0
    happened: bool = False
    _over: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float = 30) -> None:
        """Until it has happened, and is over where it takes some time."""
        assert self._over.wait(seconds), f"nothing went wrong: {self.moment}"

    def counts(self, words: list[bytes]) -> bool:
        """Whether this command, or this reply to it, is the one that is meant."""
        moment = self.moment
        assert not isinstance(moment, After)
        if words[0].upper() != moment.command or (moment.of and words[1:] != [moment.of]):
            return False
        self.seen += 1
        return self.seen == moment.nth or (isinstance(moment, Reply) and moment.always and self.seen > moment.nth)

    def comes_about(self, way: "OneWay") -> None:
        """Once, or each time where the moment says so."""
        if self.happened and not (isinstance(self.moment, Reply) and self.moment.always):
            return
        # Known before anybody can see what it does.
        self.happened = True
        self.act(way)
        self._over.set()


class Connection:
    """One connection and its two ways, a thread each; whoever ends last closes it."""

    def __init__(self, line: "Line", near: socket.socket, far: socket.socket) -> None:
        self.line, self._ends = line, (near, far)
        self.awaited: deque[list[bytes]] = deque()
        """The commands whose replies are still to come."""
        self._wake = socket.socketpair()
        self.ended = threading.Event()
        self._reset = False
        self._running = 2
        self.used = time.monotonic()
        """When something last passed."""
        for end in self._ends:
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HELD_BYTES)
        self._ways = (_Questions(self, near, far), _Answers(self, far, near))

    def start(self) -> None:
        for way in self._ways:
            threading.Thread(target=self._run, args=(way,), daemon=True).start()

    def end(self, *, reset: bool) -> None:
        self._reset = self._reset or reset
        self.ended.set()
        # It may be over, and closed, just now.
        with contextlib.suppress(OSError):
            self._wake[1].send(b"x")

    def ready(self, end: socket.socket, *, write: bool = False) -> None:
        """Wait until there is something to read, or room to write."""
        readers = [self._wake[0], *([] if write else [end])]
        while not any(select.select(readers, [end] if write else [], [], LOOK_SECONDS)[:2]):
            self._close_if_idle()
        if self.ended.is_set():
            raise _Ended

    def _close_if_idle(self) -> None:
        idle = self.line.idle
        if idle is None or time.monotonic() - self.used < idle:
            return
        with self.line.lock:
            self.line.idled += not self.ended.is_set()
            self.ended.set()
        raise _Ended

    def _run(self, way: "OneWay") -> None:
        with contextlib.suppress(_Ended, OSError):
            way.run()
        self.end(reset=False)
        with self.line.lock:
            self._running -= 1
            last = self._running == 0
        if last:
            self._close()

    def _close(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                if self._reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.close()
        for end in self._wake:
            end.close()
        self.line.over(self)


class OneWay(ABC):
    """The bytes of one connection in one direction."""

    name: Way

    def __init__(self, connection: Connection, origin: socket.socket, to: socket.socket) -> None:
        self.connection, self.line, self._from, self._to = connection, connection.line, origin, to
        self.place = 0
        self._edited = 0
        self._change: Callable[[bytes], bytes] = bytes
        self._held = b""

    def run(self) -> None:
        while chunk := self._read():
            for piece, faults in self._pieces(chunk):
                self._pass(piece)
                for fault in faults:
                    fault.comes_about(self)

    def edit(self, count: int, change: Callable[[bytes], bytes]) -> None:
        """Change the next `count` bytes."""
        self._edited, self._change = count, change

    @abstractmethod
    def marks(self, chunk: bytes) -> list[tuple[int, Fault]]:
        """The faults that this piece brings about, each with its place in the stream."""

    def _pieces(self, chunk: bytes) -> Iterator[tuple[bytes, list[Fault]]]:
        """The chunk, cut where something goes wrong behind a piece."""
        done = 0
        for place, fault in sorted(self.marks(chunk), key=lambda mark: mark[0]):
            here = max(done, place - self.place)
            yield chunk[done:here], [fault]
            done = here
        yield chunk[done:], []
        self.place += len(chunk)

    def _read(self) -> bytes:
        while True:
            self._flowing()
            self.connection.ready(self._from)
            # Held up while it waited: not a byte more is taken.
            if self.line.flows.is_set():
                return self._from.recv(READ_BYTES)

    def _flowing(self) -> None:
        while not self.line.flows.wait(0.05):
            if self.connection.ended.is_set():
                raise _Ended

    def _pass(self, piece: bytes) -> None:
        while piece and self._edited:
            self._held += piece[: self._edited]
            self._edited, piece = self._edited - len(piece[: self._edited]), piece[self._edited :]
            if not self._edited:
                self._send(self._change(self._held))
                self._held = b""
        self._send(piece)

    def _send(self, piece: bytes) -> None:
        while piece and self.name not in self.line.swallowed:
            self._flowing()
            if rate := self.line.rates.get(self.name):
                sent = self._write(piece[: max(1, int(rate / 20))])
                piece = piece[sent:]
                if self.connection.ended.wait(sent / rate):
                    raise _Ended
            else:
                piece = piece[self._write(piece) :]

    def _write(self, piece: bytes) -> int:
        self.connection.ready(self._to, write=True)
        sent = self._to.send(piece)
        self.connection.used = time.monotonic()
        self.line.passed[self.name] += sent
        return sent


class _Questions(OneWay):
    """From us to the server."""

    name: Way = "questions"

    def __init__(self, *given: Connection | socket.socket) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._values = Values(words=True)

    def marks(self, chunk: bytes) -> list[tuple[int, Fault]]:
        found = []
        for seen in _legible(self._values, chunk):
            self.connection.awaited.append(seen.words)
            found += [(seen.start, fault) for fault in self.line.meant(Asked, seen.words)]
        return found


class _Answers(OneWay):
    """From the server to us."""

    name: Way = "answers"

    def __init__(self, *given: Connection | socket.socket) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._values = Values(words=False)
        self._raw = False
        self._later: list[tuple[int, Fault]] = []
        self._begun = b""
        """What may be the first of words that are to be other ones."""

    def _send(self, piece: bytes) -> None:
        piece, self._begun = self._begun + piece, b""
        for words, other in self.line.reworded:
            piece = piece.replace(words, other)
            begun = next((size for size in range(len(words) - 1, 0, -1) if piece.endswith(words[:size])), 0)
            piece, self._begun = piece[: len(piece) - begun], piece[len(piece) - begun :] or self._begun
        super()._send(piece)

    def marks(self, chunk: bytes) -> list[tuple[int, Fault]]:
        end = self.place + len(chunk)
        for seen in () if self._raw else _legible(self._values, chunk):
            self._reply(seen)
            if self._raw:
                break
        self._later += self._counting()
        due = [mark for mark in self._later if mark[0] <= end]
        self._later = [mark for mark in self._later if mark[0] > end]
        return due

    def _counting(self) -> list[tuple[int, Fault]]:
        """The faults that wait for so many bytes and are not among ours yet."""
        known = {id(fault) for _, fault in self._later}
        with self.line.lock:
            waiting = [one for one in self.line.faults if not one.happened and id(one) not in known]
        return [(one.moment.count, one) for one in waiting if isinstance(one.moment, After)]

    def _reply(self, seen: Seen) -> None:
        if seen.push or not self.connection.awaited:
            return
        words = self.connection.awaited.popleft()
        # What follows is a snapshot, and then what the server does: no replies any more.
        self._raw = words[:1] in ([b"PSYNC"], [b"SYNC"])
        body, size = (seen.start, 0) if self._raw else (seen.body, seen.size)
        for fault in self.line.meant(Reply, words):
            assert isinstance(fault.moment, Reply)
            at = fault.moment.at
            self._later.append((body + at + (size if at < 0 else 0), fault))


def _legible(values: Values, chunk: bytes) -> Iterator[Seen]:
    """What is seen in it, as far as it is the protocol of Redis, which TLS is not."""
    with contextlib.suppress(ValueError):
        yield from values.feed(chunk)
