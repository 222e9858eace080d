"""A line to a server on which bytes go wrong: a port that leads there, and what a test has set to happen on the way."""

import contextlib
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Self

from tests.faults.moments import NOW, After, Asked, Moment, Reply
from tests.faults.resp import Seen, Values

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
    act: Callable[["_Way"], None]
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

    def comes_about(self, way: "_Way") -> None:
        """Once, or each time where the moment says so."""
        if self.happened and not (isinstance(self.moment, Reply) and self.moment.always):
            return
        # Known before anybody can see what it does.
        self.happened = True
        self.act(way)
        self._over.set()


class Line:
    """A port of this machine that leads to another one. What is set to go wrong holds for all its connections.

    Each way to set something returns its Fault. `heal` takes back all that lasts.
    """

    def __init__(self, port: int, url: str = "") -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD_BYTES)
        self.port: int = self._listener.getsockname()[1]
        self.url = url.replace(f":{port}", f":{self.port}")
        """The server's URL by way of this line."""
        self.passed: dict[Way, int] = {"answers": 0, "questions": 0}
        """Bytes that went each way, on all connections."""
        self.lock = threading.Lock()
        self.faults: list[Fault] = []
        self.rates: dict[Way, float] = {}
        self.swallowed: set[Way] = set()
        self.flows = threading.Event()
        self.flows.set()
        self.reworded: list[tuple[bytes, bytes]] = []
        self.idle: float | None = None
        """Seconds of silence, both ways, after which a connection is closed; None: never."""
        self.idled = 0
        """How many were."""
        self._refuses = self._closing = False
        self._connections: list[_Connection] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self.heal()
        # Closing alone does not wake whoever is waiting in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_all(reset=False)

    @property
    def connections(self) -> int:
        """How many are open."""
        with self.lock:
            return len(self._connections)

    def flip(self, moment: Moment, bit: int = 0) -> Fault:
        """Turn one bit of the answer's next byte around."""
        return self._set(moment, lambda way: way.edit(1, lambda one: bytes([one[0] ^ 1 << bit])))

    def drop(self, moment: Moment, count: int = 1) -> Fault:
        """Lose the next `count` bytes of the answers."""
        return self._set(moment, lambda way: way.edit(count, lambda _: b""))

    def double(self, moment: Moment, count: int = 1) -> Fault:
        """Pass the next `count` bytes of the answers twice."""
        return self._set(moment, lambda way: way.edit(count, lambda some: some + some))

    def cut(self, moment: Moment = NOW, *, reset: bool = False, for_good: bool = False) -> Fault:
        """End the connection where it comes about, or all of them at once; `for_good`: and each new one as it comes."""

        def act(way: "_Way") -> None:
            self._refuses = self._refuses or for_good
            way.connection.end(reset=reset)

        if moment == NOW:
            self._refuses = self._refuses or for_good
            self._end_all(reset=reset)
        return self._set(moment, act)

    def trickle(self, rate: float, moment: Moment = NOW, way: Way = "answers") -> Fault:
        """From then on this way passes `rate` bytes a second only."""
        return self._lasting(moment, lambda: self.rates.update({way: rate}))

    def half_open(self, moment: Moment = NOW, *ways: Way) -> Fault:
        """From then on all bytes are taken, and none arrives: as behind a firewall that has forgotten us."""
        return self._lasting(moment, lambda: self.swallowed.update(ways or ("answers", "questions")))

    def pause(self, moment: Moment = NOW) -> Fault:
        """From then on nothing is taken, until `resume`."""
        return self._lasting(moment, self.flows.clear)

    def resume(self) -> None:
        """Let what was held up go on."""
        self.flows.set()

    def call(self, moment: Moment, then: Callable[[], object]) -> Fault:
        """Have something else go wrong just then; the bytes wait for it."""
        return self._lasting(moment, then)

    def close_idle(self, seconds: float) -> None:
        """From now on do as proxies do that keep no connection on which nothing passes."""
        self.idle = seconds

    def reword(self, words: bytes, other: bytes) -> None:
        """From now on the server says the other words in place of these; as long ones, unless they are a line."""
        self.reworded.append((words, other))

    def heal(self) -> None:
        """All is well again; what was swallowed is lost."""
        with self.lock:
            self.reworded.clear()
            self.faults.clear()
            self.rates.clear()
            self.swallowed.clear()
            self._refuses = False
            self.idle = None
        self.flows.set()

    def _lasting(self, moment: Moment, begin: Callable[[], object]) -> Fault:
        if moment == NOW:
            begin()

        def act(_: "_Way") -> None:
            begin()

        return self._set(moment, act)

    def _set(self, moment: Moment, act: Callable[["_Way"], None]) -> Fault:
        fault = Fault(moment, act)
        if moment == NOW:
            fault.act = lambda _: None
            fault.comes_about(None)  # type: ignore[arg-type]
        else:
            with self.lock:
                self.faults.append(fault)
        return fault

    def meant(self, kind: type[Asked] | type[Reply], words: list[bytes]) -> list[Fault]:
        """Those that this command, or this reply, brings about."""
        if not words:
            return []
        with self.lock:
            return [one for one in self.faults if isinstance(one.moment, kind) and one.counts(words)]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._refuses:
                    near.close()
                    continue
                with contextlib.suppress(OSError):
                    far = socket.create_connection(("127.0.0.1", self._to))
                    connection = _Connection(self, near, far)
                    with self.lock:
                        self._connections.append(connection)
                    connection.start()
                    continue
                near.close()

    def _end_all(self, *, reset: bool) -> None:
        with self.lock:
            open_now = list(self._connections)
        for connection in open_now:
            connection.end(reset=reset)

    def over(self, connection: "_Connection") -> None:
        with self.lock:
            self._connections.remove(connection)


class _Connection:
    """One connection and its two ways, a thread each; whoever ends last closes it."""

    def __init__(self, line: Line, near: socket.socket, far: socket.socket) -> None:
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

    def _run(self, way: "_Way") -> None:
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


class _Way:
    """The bytes of one connection in one direction."""

    name: Way

    def __init__(self, connection: _Connection, origin: socket.socket, to: socket.socket) -> None:
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

    def marks(self, chunk: bytes) -> list[tuple[int, Fault]]:
        """The faults that this piece brings about, each with its place in the stream."""
        raise NotImplementedError

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


class _Questions(_Way):
    """From us to the server."""

    name: Way = "questions"

    def __init__(self, *given: "_Connection | socket.socket") -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._values = Values(words=True)

    def marks(self, chunk: bytes) -> list[tuple[int, Fault]]:
        found = []
        for seen in _legible(self._values, chunk):
            self.connection.awaited.append(seen.words)
            found += [(seen.start, fault) for fault in self.line.meant(Asked, seen.words)]
        return found


class _Answers(_Way):
    """From the server to us."""

    name: Way = "answers"

    def __init__(self, *given: "_Connection | socket.socket") -> None:
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
