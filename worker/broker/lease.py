"""The lock on one thing, as its holder sees it: a key in the broker that runs out, a number that only grows, and a proof
on our own clock.

`lock:<what>` holds `<number> <owner>` for as long as it is renewed. `fence:<what>` holds the same of whoever took it last,
and stays: as long as that is we, it never changed hands. Between two renewals a look at the clock is proof enough, for
nobody else can have it before its time is over; and a suspended machine's clock goes on.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from worker.broker import connection
from worker.broker.lease_scripts import GIVE_BACK, RENEW, TAKE
from worker.config.settings import Settings, load_timing
from worker.errors import BrokerUnavailableError, LostError

LEASE_SECONDS = load_timing().lease_seconds
RENEWALS = 4
"""How often a lease is renewed within its time."""
MARGIN = 1 / 6
"""What is sent with the proof of a lease must have arrived so long before its end."""
AGAIN_SECONDS, JOIN_SECONDS, ANSWER_SECONDS = 1, 10, 3
PATIENCE_SECONDS = 600
"""How long a broker that went away is waited for; without a broker nobody else can begin either."""

LOCKS, FENCES = f"{connection.PREFIX}lock:", f"{connection.PREFIX}fence:"

now: Callable[[], float] = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Seconds on a clock that goes on while the machine is suspended, where there is one."""


class Lease:
    """The lock on `what`, for `owner`. It is renewed by one thread and asked for its proof by others."""

    def __init__(self, settings: Settings, what: str, owner: str, seconds: float) -> None:
        self.what, self.every_seconds = what, seconds / RENEWALS
        self._settings, self._owner, self._seconds = settings, owner, seconds
        self._token: bytes | None = None
        """`number owner`, once it was taken."""
        self._lost: str | None = None
        """Why it is lost for good, in a sentence."""
        # Moments on our clock: until when nobody else can have it, when it was last asked for, when it was last in doubt.
        self._until, self._tried, self._doubted = -math.inf, now(), -math.inf
        self._stood_still = 0.0
        """For how many seconds this process stood still and did not ask; 0 while we hold it."""
        self._asking = threading.Lock()

    @property
    def number(self) -> int | None:
        """This holder's number, larger than those of all earlier ones; None while there was no broker."""
        return int(self._token.split()[0]) if self._token else None

    def take(self) -> str | None:
        """Take it: None, or who holds it. Raises BrokerUnavailableError."""
        with self._asked() as began:
            return self._take(began)

    def renew(self) -> bool:
        """Whether it is still ours, or is now. Raises BrokerUnavailableError."""
        with self._asked() as began:
            if self._lost is None:
                self._lost = self._renew(began) if self._token else self._take_late(began)
            if self._lost is not None:
                self._until = -math.inf
            return self._lost is None

    def prove(self) -> None:
        """Return while nobody else can have it. To be called right before what cannot be taken back; mostly a look at the
        clock.

        A broker that does not answer is waited for, PATIENCE_SECONDS at most; one that never did is no obstacle. Raises
        LostError.
        """
        if now() >= self._until - MARGIN * self._seconds:
            self._prove()

    def check(self) -> None:
        """Return unless it is known to be lost. For what replaces nothing: it waits for no broker. Raises LostError.

        Only after this process stood still is the broker asked.
        """
        moment = now()
        if moment < self._until - MARGIN * self._seconds:
            return
        if self._lost is None and moment - self._doubted >= self.every_seconds:
            self._doubted = moment
            try:
                self.renew()
            except BrokerUnavailableError:
                if self._token and self._stood_still:
                    raise self._error(self._still()) from None
        if self._lost:
            raise self._error(self._lost)

    def give_back(self) -> None:
        """Let others have it."""
        if self._token:
            with suppress(BrokerUnavailableError):
                self._eval(GIVE_BACK, self._token)

    def _prove(self) -> None:
        deadline = now() + PATIENCE_SECONDS
        while True:
            try:
                if not self.renew():
                    raise self._error(self._lost or "")
            except BrokerUnavailableError:
                if self._token is None:
                    return
                if now() > deadline:
                    raise self._error(
                        f"The broker has not answered for {PATIENCE_SECONDS / 60:g} minutes, so nobody could tell whether "
                        "this run may still write: it has stopped."
                    ) from None
                time.sleep(min(AGAIN_SECONDS, self.every_seconds))
            else:
                return

    @contextmanager
    def _asked(self) -> Iterator[float]:
        """One question at a time. Notes first whether the last one was too long ago."""
        with self._asking:
            began = now()
            if began - self._tried > self._seconds:
                self._stood_still = began - self._tried
            self._tried = began
            try:
                yield began
            except BrokerUnavailableError:
                if self._token is None:
                    # Without a broker there is no lock, and nothing to stop for, for the time of a lease.
                    self._until = began + self._seconds
                raise

    def _take(self, began: float) -> str | None:
        reply = self._eval(TAKE, self._owner, self._milliseconds, str(round(time.time() * 1000)))
        number, _, holder = reply.decode().partition(" ")
        if holder != self._owner:
            return holder or number
        self._token, self._until, self._stood_still = reply, began + self._seconds, 0.0
        return None

    def _take_late(self, began: float) -> str | None:
        """Take it from a broker that was away until now; why that cannot be."""
        if self._stood_still:
            return f"{self._still()} It had no lock, for the broker was away."
        holder = self._take(began)
        return (
            f"Run {holder} is at work on the {self.what}, as the broker says now that it is back." if holder else None
        )

    def _renew(self, began: float) -> str | None:
        """Renew it; why that cannot be."""
        how = "stood still" if self._stood_still else "in time" if began < self._until else "ran out"
        reply = self._eval(RENEW, self._token, self._milliseconds, how)
        if (asking := now() - began) > self._seconds:
            self._stood_still = asking  # before it had sent the question, or before it read the answer
        elif reply == self._token:
            self._until, self._stood_still = began + self._seconds, 0.0
            return None
        holder = reply.decode().partition(" ")[2] if reply != self._token else ""
        taken = f"Run {holder} has taken the place of this one" if holder else ""
        if self._stood_still:
            return f"{self._still()}{f' {taken}.' if taken else ''}"
        if taken:
            return f"{taken}, which could not be heard of for a while."
        if reply:
            return f"This run was taken for dead, and had to give up the {self.what}."
        return (
            f"The broker was away for longer than {self._seconds:g} seconds and has lost its memory, so nobody can tell "
            f"whether others were at work on the {self.what}: this run has stopped."
        )

    def _still(self) -> str:
        return (
            f"This run stood still for {self._stood_still:,.0f} seconds, longer than it may hold the {self.what} unheard "
            "of, and has stopped."
        )

    def _error(self, why: str) -> LostError:
        self._lost, self._until = why, -math.inf
        return LostError(why)

    @property
    def _milliseconds(self) -> str:
        return str(round(self._seconds * 1000))

    def _eval(self, script: str, *words: Any) -> bytes:
        # A broker that does not answer must still be asked several times before the lease runs out.
        seconds = min(ANSWER_SECONDS, self.every_seconds)
        with connection.translated(), connection.client(self._settings, seconds) as client:
            reply: Any = client.eval(script, 2, LOCKS + self.what, FENCES + self.what, *words)
        return bytes(reply) if isinstance(reply, bytes) else b""


@contextmanager
def renewed(renew: Callable[[], bool], every_seconds: float) -> Iterator[None]:
    """Renew in a thread until that says False. With a broker that is away it is tried again soon: when that is back,
    whoever looks for the lease must find it.
    """
    end = threading.Event()

    def run() -> None:
        pause = every_seconds
        while not end.wait(pause):
            try:
                if not renew():
                    return
                pause = every_seconds
            except BrokerUnavailableError:
                pause = min(AGAIN_SECONDS, every_seconds)

    thread = threading.Thread(target=run, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(JOIN_SECONDS)
