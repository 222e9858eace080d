"""A line to a server on which bytes go wrong: a port that leads there, and what a test has set to happen on the way."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

from tests.faults.connection import HELD_BYTES, Connection, Fault, OneWay, Way
from tests.faults.moments import NOW, Asked, Moment, Reply


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
        self._connections: list[Connection] = []
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

        def act(way: OneWay) -> None:
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

        def act(_: OneWay) -> None:
            begin()

        return self._set(moment, act)

    def _set(self, moment: Moment, act: Callable[[OneWay], None]) -> Fault:
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
                    connection = Connection(self, near, far)
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

    def over(self, connection: Connection) -> None:
        with self.lock:
            self._connections.remove(connection)
