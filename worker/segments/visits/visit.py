"""A visit: what has come in the source's replication stream since the last one is brought home, and on disk when it ends.

It asks INFO first, and then for exactly what that has named: the place is then the end of a command, and outside a transaction.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import FormatError, SourceError, StorageError, StreamBrokenError
from worker.progress import Proof
from worker.repository.manifest import Manifest
from worker.segments.bases import bases_of
from worker.segments.frame import Frame, Opening
from worker.segments.marks import milliseconds
from worker.segments.visits import standing as standings
from worker.segments.visits.clock import marks, with_mark
from worker.segments.visits.folder import folder_of
from worker.segments.visits.following import followed
from worker.segments.visits.framing import Clock, Framing
from worker.segments.visits.growing import WHOLE, Growing, Position, alone
from worker.segments.visits.source import read_source, visited_source
from worker.segments.visits.standing import Standing
from worker.server.endpoint import Endpoint
from worker.server.wire import Wire

HELD_SECONDS = 12
"""How long a visitor that was killed is in the way of the next: a backlog may hold no more than that."""
BATCH_BYTES = 8 << 20
"""Of frames, that are written together."""
MOST_BYTES = 256 << 20
"""Of a file, before the next one is begun."""
LOST = "the files of this machine are gone that it was brought home to, or another machine visits now"
HOUR_MS, LOOK_MS, ASK_MS, ASK_BASE_MS, ASK_AGAIN_MS = 3_600_000, 15_000, 60_000, 600_000, 60_000
"""A file is of one hour; how often a base is looked for while there is none; how often the stream is asked for, though it has not
gone on; how often somebody is asked to make a base, and how soon again after a gap.
"""


def visit(settings: Settings, seconds: float = 0) -> dict[str, Any]:
    """Bring home what has come: `{address, from, to, bytes, commands, gap, follows, base, wants_base, whole}`.

    `gap` says why what came in between is lost, `follows` whether the source can be followed now, `base` is the newest backup that
    moments can be made from, `wants_base` whether somebody is to make one, and `whole` whether a file waits to go into storage. With `seconds` it stays for so long, to
    see when the stream stands where, as BACKUP_STREAM_CLOCK says. Raises SourceError, StorageError, and BusyError while another visit is
    at work.
    """
    endpoint = visited_source(settings)
    with (
        alone(folder_of(settings)) as growing,
        lock.held(settings, f"stream {endpoint.address}", HELD_SECONDS) as lease,
    ):
        growing.recover()
        with endpoint.translated("sending what has come since the last visit"), Wire(endpoint) as wire:
            one = Visit(settings, growing, wire, endpoint, lease.check)
            outcome = one.run()
            if settings.backup_stream_clock != "visit":
                one.watch_the_clock(wire, seconds)
            return outcome


_NO_BASE: dict[str, Any] = {"base": "", "base_ms": 0, "base_offset": 0, "looked_ms": 0}


class Visit:
    """One of them, on an open connection."""

    def __init__(self, settings: Settings, growing: Growing, wire: Wire, endpoint: Endpoint, prove: Proof) -> None:
        self._settings, self._growing, self._endpoint, self._prove = settings, growing, endpoint, prove
        self.source = read_source(wire, endpoint.address)
        self._before = standings.last(settings) or Standing(address=endpoint.address, ms=0)
        changes: dict[str, Any] = {"ms": max(self.source.ms, self._before.ms), "backlog": self.source.backlog.size}
        changes["here_ms"] = int(time.time() * 1000)
        self.standing = self._before.model_copy(update=changes)
        self._believe_the_file()

    def _believe_the_file(self) -> None:
        """A visit that was killed has written there, and noted nothing of it."""
        opening, position = self._growing.opening, self._growing.position
        if opening is None or position is None:
            return
        changes: dict[str, Any] = {"offset": position.offset, "history": position.history, "follows": True}
        if (opening.first, opening.first_ms) != (self.standing.began_offset, self.standing.began):
            changes |= _NO_BASE | {"began": opening.first_ms, "began_offset": opening.first}
            changes |= {"gap": opening.gap, "gap_since": opening.gap_since} if opening.gap else {}
        self.standing = self.standing.model_copy(update=changes)

    def run(self, *, is_followed: bool = False) -> dict[str, Any]:
        """Go on where the last visit ended; begin a new stretch where that cannot be.

        Of a stream that `is_followed` already from there nothing is asked for: what has come by now comes that way.
        """
        gap, began, appended = "", self._growing.position, Appended()
        if is_followed:
            changes = {"ms": self._before.ms, "here_ms": self._before.here_ms}
            self.standing = self.standing.model_copy(update=changes)
        else:
            gap = self._go_on()
            began = self._growing.position
            gap, appended = self._brought(began, gap)
        if self._growing.position is not None and self._is_full(self._growing.position):
            self._growing.go_on()
        self._look_for_a_base()
        wants_base = self._ask_for_a_base()
        standings.note(self._settings, self._growing.folder, self.standing)
        return self._outcome(began, gap, appended) | {"wants_base": wants_base}

    def _brought(self, position: Position | None, gap: str) -> tuple[str, "Appended"]:
        """What has come, and the gap where there is one after all."""
        try:
            if position is not None and self._is_due(position):
                return gap, self._bring(position)
        except StreamBrokenError as error:
            gap = self._break(str(error))
        return gap, Appended()

    def watch_the_clock(self, wire: Wire, seconds: float) -> None:
        """Note when the stream stands where, for so long. Raises redis errors."""
        for mark in marks(wire, self._settings.backup_stream_clock, seconds):
            if mark is not None:
                changes = {"marks": with_mark(self.standing.marks, mark)}
                self.standing = self.standing.model_copy(update=changes)
                standings.note(self._settings, self._growing.folder, self.standing)

    def _go_on(self) -> str:
        """Why the stretch had to end, where it had to. There is a place to go on from afterwards, unless nobody can follow now."""
        position = self._growing.position
        if position is None and self._before.follows:
            return self._break(LOST)
        if position is None:
            self._begin(self._before.gap)
            return ""
        refusal = self.source.backlog.refusal(position.history, position.offset)
        return self._break(refusal) if refusal else ""

    def _break(self, why: str) -> str:
        position, backlog = self._growing.position, self.source.backlog
        since = self._quiet_until(position) if position else self._before.ms
        if position and backlog.history == position.history and backlog.offset > position.offset:
            # How much that was tells which backlog would have held it.
            self.standing = self.standing.measured(
                (self.standing.ms - since) / 1000, backlog.offset - position.offset, 0
            )
        changes = _NO_BASE | {"gap": why, "gap_since": since, "marks": (), "follows": False}
        self.standing = self.standing.model_copy(update=changes)
        self._growing.end()
        self._begin(why)
        return why

    def _begin(self, gap: str) -> None:
        """Begin a stretch as early as the source still allows, at a place that is the end of a command."""
        if not self.source.backlog.active:
            self.standing = self.standing.model_copy(update={"follows": False})
            return
        offset, since = self._earliest()
        self._growing.begin(
            Opening(
                address=self._endpoint.address,
                server=self.source.facts.server,
                version=self.source.facts.version,
                relative=self.source.relative,
                history=self.source.backlog.history,
                start=offset,
                db=None,
                since=since,
                gap=gap,
                gap_since=self.standing.gap_since if gap else 0,
                first=offset,
                first_ms=since,
            )
        )
        self._believe_the_file()

    def _earliest(self) -> tuple[int, int]:
        """The offset, and its time."""
        backlog = self.source.backlog
        with suppress(StorageError):
            for base in bases_of(self._settings):
                offset = base.source.replication_offset or 0
                if base.source.replication_id == backlog.history and backlog.refusal(backlog.history, offset) is None:
                    return offset, milliseconds(base.created_at)
        if self._before.ms and not self._before.follows and backlog.held < backlog.size:
            # There was no backlog at the last visit: what it ever held is still there, and began between two commands.
            return backlog.first - 1, self._before.ms
        return backlog.offset, self.source.ms

    def _is_due(self, position: Position) -> bool:
        """Whether something has come; or nobody has asked for so long that the source might forget its stream."""
        return self.source.backlog.offset > position.offset or self.standing.ms - self._before.asked_ms > ASK_MS

    def _is_full(self, position: Position) -> bool:
        opening = self._growing.opening
        hours = position.until // HOUR_MS - (opening.since if opening else 0) // HOUR_MS
        return hours > 0 or self._growing.size > MOST_BYTES

    def _quiet_until(self, position: Position) -> int:
        """When the stream was last known to stand there."""
        seen = [mark.ms for mark in self._before.marks if mark.offset == position.offset]
        if self._before.offset == position.offset:
            seen.append(self._before.ms)
        return max(position.until, *seen) if seen else position.until

    def _bring(self, position: Position) -> "Appended":
        """Bring home what INFO has named."""
        size, since = self.source.backlog.offset - position.offset, self._quiet_until(position)
        clock = Clock(since, self.standing.ms, list(self._before.marks))
        with Wire(self._endpoint) as wire, followed(wire, position.history, position.offset) as stream:
            framing = Framing(position.offset, position.db, position.after, stream.history, clock)
            appended = self._append(framing, stream.chunks(size))
        seconds = (self.standing.ms - since) / 1000
        standing = self.standing.measured(seconds, size, appended.largest)
        changes = {"asked_ms": standing.ms, "marks": (), "offset": framing.start, "history": framing.history}
        self.standing = standing.model_copy(update=changes)
        return appended

    def _append(self, framing: Framing, chunks: Iterator[bytes]) -> "Appended":
        """Write what comes, some frames at a time; what was whole before it broke off is kept."""
        appended = Appended()
        batch: list[tuple[Frame, bytes]] = []
        try:
            for chunk in chunks:
                batch += framing.feed(chunk)
                if sum(len(content) for _, content in batch) > BATCH_BYTES:
                    self._write(batch, appended)
                    batch = []
            batch += framing.rest()
            if batch and framing.start == self.source.backlog.offset:
                frame, content = batch[-1]
                batch[-1] = frame.model_copy(update={"counts": self.source.counts}), content
        except FormatError as error:
            raise SourceError(f"{error} Nothing of it was kept, and the next visit asks again.") from None
        finally:
            self._write(batch, appended)
        return appended

    def _write(self, batch: list[tuple[Frame, bytes]], appended: "Appended") -> None:
        if not batch:
            return
        self._prove()
        self._growing.append(batch)
        for frame, _ in batch:
            appended.commands += sum(frame.commands.values())
            appended.largest = max(appended.largest, frame.largest)

    def _look_for_a_base(self) -> None:
        """The backups that lie in this stretch; not looked for often, for its storage may be far away."""
        standing = self.standing
        every = LOOK_MS if not standing.base else LOOK_MS * 40
        if standing.ms - standing.looked_ms < every or self._growing.position is None:
            return
        standing = standing.model_copy(update={"looked_ms": standing.ms})
        with suppress(StorageError):
            bases = [base for base in bases_of(self._settings) if self._is_within(base)]
            changes = {"base": "", "base_ms": 0, "base_offset": 0}
            if bases:
                changes = {
                    "base": bases[0].name,
                    "base_ms": milliseconds(bases[-1].created_at),
                    "base_offset": bases[0].source.replication_offset or 0,
                }
            standing = standing.model_copy(update=changes)
        self.standing = standing

    def _is_within(self, base: Manifest) -> bool:
        """Whether that backup is one of this history, from the start of the stretch on."""
        offset, backlog = base.source.replication_offset or 0, self.source.backlog
        known = base.source.replication_id == backlog.history or (
            base.source.replication_id == backlog.before and offset < backlog.before_until
        )
        return known and self.standing.began_offset <= offset <= self.standing.offset

    def _ask_for_a_base(self) -> bool:
        """Whether somebody is to make one now; not asked for again while it may be on its way, unless a gap has come since."""
        standing = self.standing
        patience = ASK_AGAIN_MS if standing.began > standing.base_asked_ms else ASK_BASE_MS
        if standing.base or standing.ms - standing.base_asked_ms < patience:
            return False
        self.standing = standing.model_copy(update={"base_asked_ms": standing.ms})
        return True

    def _outcome(self, began: Position | None, gap: str, appended: "Appended") -> dict[str, Any]:
        standing = self.standing
        offset = began.offset if began is not None else standing.offset
        return {
            "address": standing.address,
            "from": offset,
            "to": standing.offset,
            "bytes": max(0, standing.offset - offset),
            "commands": appended.commands,
            "gap": gap or None,
            "follows": standing.follows,
            "base": standing.base or None,
            "whole": self._has_whole(),
        }

    def _has_whole(self) -> bool:
        return any(self._growing.folder.glob(f"*{WHOLE}"))


@dataclass
class Appended:
    """What a visit has brought."""

    commands: int = 0
    largest: int = 0
