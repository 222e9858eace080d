"""A listener: the stream is followed all the time, by tasks of a minute of which each begins before the last one ends.

For a source whose backlog is too small for visits, or of which no more than a second may be lost. It acknowledges nothing: WAIT would
count us, and a server that shuts down would wait for us. So it must leave before `repl-timeout`, which is 60 seconds by default.
"""

import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import BackupSystemError, BusyError, FormatError, SourceError, StreamBrokenError
from worker.segments.frame import Frame
from worker.segments.visits import standing as standings
from worker.segments.visits.continuing import backlog_of
from worker.segments.visits.folder import folder_of
from worker.segments.visits.following import Followed, followed
from worker.segments.visits.framing import Clock, Framing
from worker.segments.visits.growing import Growing, Position, alone
from worker.segments.visits.pace import SECONDS
from worker.segments.visits.source import clock_of, visited_source
from worker.segments.visits.standing import Standing
from worker.segments.visits.visit import BATCH_BYTES, HELD_SECONDS, Appended, Visit
from worker.server.endpoint import Endpoint
from worker.server.info import info
from worker.server.wire import Wire

HANDOVER_SECONDS = 20
"""How long the next one waits for the last one's end."""
FLUSH_SECONDS, TICK_SECONDS = 0.35, 0.1
"""How much may be lost, and how often somebody looks at the clock."""


@dataclass(frozen=True)
class Asked:
    """Where the source stood, and when, by its clock and by ours."""

    offset: int
    ms: int
    here_ms: int


@dataclass(frozen=True)
class Ahead:
    """A stream that is followed already, from an offset that the one before us had reached by then."""

    stream: Followed
    history: str
    offset: int

    def fits(self, position: Position | None) -> bool:
        """Whether it goes on there."""
        return position is not None and self.history == position.history and self.offset <= position.offset


def listen(settings: Settings, seconds: float = SECONDS) -> dict[str, Any]:
    """Follow the stream for so long, and bring home what comes, each second: what a visit says.

    It takes over from the listener before, which it waits for. Raises what a visit does.
    """
    endpoint = visited_source(settings)
    with ExitStack() as stack:
        growing, ahead = _taken_over(stack, endpoint, folder_of(settings))
        lease = stack.enter_context(lock.held(settings, f"stream {endpoint.address}", HELD_SECONDS))
        growing.recover()
        stack.enter_context(endpoint.translated("sending its replication stream"))
        wire = stack.enter_context(Wire(endpoint))
        listening = Listening(settings, growing, wire, endpoint, lease.check)
        if ahead is not None and not ahead.fits(growing.position):
            ahead = None
        outcome = listening.run(is_followed=ahead is not None)
        return outcome | listening.follow(ahead, seconds, wire)


def _taken_over(stack: ExitStack, endpoint: Endpoint, folder: Path) -> tuple[Growing, Ahead | None]:
    """The folder, once the one before us has left it, and the stream, followed since before that where it could be.

    BusyError where the other stays.
    """
    deadline = time.monotonic() + HANDOVER_SECONDS
    ahead, tried = None, -1
    while True:
        known = standings.of_folder(folder)
        if ahead is None and known is not None and known.history and known.offset != tried:
            # What was noted just now is what even a small backlog still holds.
            tried = known.offset
            ahead = _ahead(stack, endpoint, known)
        try:
            return stack.enter_context(alone(folder)), ahead
        except BusyError:
            if time.monotonic() > deadline:
                raise
        time.sleep(TICK_SECONDS / 10)


def _ahead(stack: ExitStack, endpoint: Endpoint, known: Standing) -> Ahead | None:
    """Follow from where the one before us is, before it ends; None where that cannot be: then it is done afterwards.

    Nothing is left of a connection that was refused: the source would make a snapshot for it.
    """
    with suppress(RedisError, OSError, BackupSystemError), ExitStack() as own:
        wire = own.enter_context(Wire(endpoint))
        if backlog_of(info(wire)).refusal(known.history, known.offset) is None:
            stream = own.enter_context(followed(wire, known.history, known.offset))
            stack.enter_context(own.pop_all())
            return Ahead(stream, known.history, known.offset)
    return None


class Listening(Visit):
    """A visit that stays."""

    _asking: Wire
    _asked: Asked | None

    def follow(self, ahead: Ahead | None, seconds: float, asking: Wire) -> dict[str, Any]:
        """Bring home what comes for so long: the fields of the outcome that have changed; `asking` is asked meanwhile where the source
        stands. Raises redis errors.
        """
        self._asking, self._asked = asking, None
        position = self._growing.position
        if position is None:
            return {}
        total = Appended()
        try:
            if ahead is not None:
                # What the one before us has brought home since is passed over.
                for _ in ahead.stream.chunks(position.offset - ahead.offset):
                    pass
                self._listen(ahead.stream, position, seconds, total)
            else:
                with Wire(self._endpoint) as wire, followed(wire, position.history, position.offset) as stream:
                    self._listen(stream, position, seconds, total)
        except StreamBrokenError as error:
            return {"gap": self._break(str(error))}
        except FormatError as error:
            raise SourceError(f"{error} Nothing of it was kept, and the next one asks again.") from None
        return {"to": self.standing.offset, "commands": total.commands, "whole": self._has_whole()}

    def _ask(self, wire: Wire) -> Asked:
        here_ms, fields = int(time.time() * 1000), info(wire)
        return Asked(backlog_of(fields).offset, clock_of(fields), here_ms)

    def _listen(self, stream: Followed, position: Position, seconds: float, total: Appended) -> None:
        now = time.monotonic()
        end, due, began_ms = now + seconds, now + FLUSH_SECONDS, self.source.ms - int(now * 1000)
        clock = Clock(self.standing.ms, self.standing.ms, [])
        framing = Framing(position.offset, position.db, position.after, stream.history, clock)
        batch: list[tuple[Frame, bytes]] = []
        try:
            while now < end:
                chunk = stream.within(TICK_SECONDS)
                now = time.monotonic()
                # By the clock of the source, as far as ours goes as fast.
                clock.until = began_ms + int(now * 1000)
                if chunk:
                    batch += framing.feed(chunk)
                if now >= due or sum(len(content) for _, content in batch) > BATCH_BYTES:
                    batch += framing.rest()
                    self._flush(batch, framing, clock, total)
                    batch, due = [], now + FLUSH_SECONDS
                    if self._asked is None:
                        self._asked = self._ask(self._asking)
        finally:
            self._flush([*batch, *framing.rest()], framing, clock, total)

    def _flush(self, batch: list[tuple[Frame, bytes]], framing: Framing, clock: Clock, total: Appended) -> None:
        """Write what has come, and note until when all is at home: what the source has not sent yet, it alone can tell."""
        before = self.standing
        self._write(batch, total)
        changes: dict[str, Any] = {"asked_ms": clock.until, "offset": framing.start}
        if self._asked is not None and framing.start >= self._asked.offset:
            clock.since = max(clock.since, self._asked.ms)
            changes |= {"ms": clock.since, "here_ms": self._asked.here_ms}
            self._asked = None
        self.standing = before.model_copy(update=changes | {"history": framing.history, "follows": True}).measured(
            (clock.until - before.asked_ms) / 1000, framing.start - before.offset, total.largest
        )
        if self._growing.position is not None and self._is_full(self._growing.position):
            self._growing.go_on()
        self._look_for_a_base()
        standings.note(self._settings, self._growing.folder, self.standing)
