"""How fast a run may go: as fast as it can on a server that nobody else asks, gently beside live traffic.

A server answers one command after the other, so everybody else waits behind our batches, and where two of them are always
on their way, we take half of its time and a processor besides.
"""

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

import structlog

from worker.server.endpoint import Endpoint
from worker.server.info import info, number
from worker.server.replies import BROKEN
from worker.server.wire import ASKED, Wire

GENTLE_KEYS = 16
"""Keys in a batch beside live traffic, at least: a server answers them in a quarter of a millisecond."""
KEYS_PER_SECOND = 5000
"""Where others hold the server up for long, so many for each second that a batch took: it is felt by nobody there."""
REST_SECONDS = 0.003
"""Pause between two batches beside live traffic."""
TRAFFIC = 1000
"""Commands of others per second that count as live traffic."""
FIRST_LOOK_SECONDS, LOOK_SECONDS, JUDGED_SECONDS = 0.05, 0.2, 1.0
"""Until the second look nothing is known, and the run goes gently. A judgement holds for a second."""
SURELY = 10_000
"""Commands of others that are live traffic however soon they came: more than those of our own that are on their way."""

_T = TypeVar("_T")
log = structlog.get_logger()


class Pace:
    """The pace of one run at one server: how much to ask for at a time, and when to rest.

    INFO says how many commands the server has done; those that we have not sent were others'. Where INFO is not allowed the
    pace stays as it is.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.gentle = True
        self._gentle_keys = GENTLE_KEYS
        self.endpoint = endpoint
        self._rested = time.monotonic()
        self._next_look = self._counted_at = self._judged_until = 0.0
        self._others: int | None = None
        """Others' commands since the server's start, as they were counted for the last judgement."""
        self._logged = False
        if endpoint.hurried:
            self.hurry()

    def keys(self, most: int) -> int:
        """How many keys a batch may have; `most` on a server that nobody else asks."""
        return min(most, self._gentle_keys) if self.gentle else most

    def cut(self, many: list[_T], most: int) -> Iterator[list[_T]]:
        """Cut what is to be sent into parts, each as large as allowed at that moment."""
        start = 0
        while start < len(many):
            some = many[start : start + self.keys(most)]
            start += len(some)
            yield some

    def ahead(self, most: int, least: int) -> int:
        """How many batches may be on their way: `most`, or `least` beside live traffic."""
        return least if self.gentle else most

    @property
    def is_due(self) -> bool:
        """Whether it is time for another look."""
        return time.monotonic() >= self._next_look

    def hurry(self) -> None:
        """Go as fast as possible from now on, also beside live traffic."""
        self.gentle, self._next_look = False, math.inf

    def rest(self, *, looks: bool | None = None) -> None:
        """To be called after each batch: looks now and then, and rests where it should.

        Who has thousands of commands on their way says when it `looks`, and has none then: they would count as others'.
        """
        now = time.monotonic()
        if now >= self._next_look if looks is None else looks:
            self._next_look = now + (FIRST_LOOK_SECONDS if self._others is None else LOOK_SECONDS)
            with suppress(*BROKEN):
                self._look(now)
        if self.gentle:
            self._gentle_keys = max(GENTLE_KEYS, int(KEYS_PER_SECOND * (now - self._rested)))
            time.sleep(REST_SECONDS)
        self._rested = time.monotonic()

    def _look(self, now: float) -> None:
        # A connection for this moment: a server may close one that is silent for long.
        with Wire(self.endpoint) as wire:
            done = number(info(wire, b"stats"), "total_commands_processed")
        # Commands that are on their way make this slightly inexact.
        others = done - ASKED[self.endpoint.address]
        if self._others is None:
            self._others, self._counted_at = others, now
            return
        more, passed = others - self._others, now - self._counted_at
        if now >= self._judged_until or more >= SURELY:
            self._judge(more / max(passed, 1e-6))
            self._others, self._counted_at, self._judged_until = others, now, now + JUDGED_SECONDS

    def _judge(self, rate: float) -> None:
        self.gentle = rate >= TRAFFIC
        if self.gentle and not self._logged:
            self._logged = True
            log.info("slowed_down", address=self.endpoint.address, others_per_second=round(rate))
