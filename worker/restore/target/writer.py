"""One pass of entries into a server: RESTORE for payloads, the ordinary commands for values."""

import time
from collections.abc import Iterator
from contextlib import suppress

from worker.arguments.restore import Mode
from worker.errors import BackupSystemError, LostError
from worker.formats.entries import Entry, EntryStream
from worker.restore.target.flow import Batch, Flow
from worker.restore.target.headroom import Guard
from worker.restore.target.payloads import Payloads
from worker.restore.target.report import Report
from worker.restore.target.settlement import Settlement
from worker.restore.target.values import Values, any_oversized, buildable
from worker.server.replies import BROKEN, raised
from worker.server.throttle import Pace
from worker.server.wire import Wire, pack

BATCH_KEYS = 250
IDLE_SECONDS = 10
"""After so long without traffic a proxy or the server's `timeout` might end the connection."""
AHEAD = 4
"""The most batches on their way: enough to keep the server busy while the backup is read on."""


class Writing:
    """Writes a stream of entries: while the server works on some batches, the next are being packed."""

    def __init__(self, wire: Wire, mode: Mode, report: Report, version: tuple[int, ...], pace: Pace) -> None:
        self._pace = pace
        self.guard: Guard | None = None
        """Lets pass what may be sent, where the server would throw keys out when it is full."""
        self._wire, self._mode, self._report = wire, mode, report
        self._flow = Flow(wire, self._settle)
        self._values = Values(wire, self._flow, mode, report, version)
        self._settlement = Settlement(wire, self._values, report)
        self._payloads = Payloads(self._flow, replace=mode != "skip")
        seconds, microseconds = wire.ask(b"TIME")
        # The target's clock decides whether a key has expired.
        self._clock_offset = int(seconds) + int(microseconds) / 1e6 - time.time()
        self._used = time.monotonic()
        self._ending = False

    def run(self, stream: EntryStream) -> Iterator[int]:
        """Write everything; yields how many entries were taken from the stream since the last yield.

        Raises the server's error when it is one that every further key would meet.
        """
        try:
            for batch in self._whole(stream):
                self._keep_open()
                for entries in self._admitted(self._pace.cut(batch, BATCH_KEYS), stream):
                    now = (time.time() + self._clock_offset) * 1000
                    self._report.taken += len(entries)
                    self._write(entries, now, stream.rdb_version)
                    # A value that is built takes many commands.
                    looks = self._pace.is_due
                    self._flush(0 if looks else self._pace.ahead(AHEAD, 0))
                    self._used = time.monotonic()
                    self._pace.rest(looks=looks)
                    yield len(entries)
            self._finish()
        except GeneratorExit:
            # Whoever asked for this has enough: several batches are on their way, and values are built and have no name yet.
            with suppress(*BROKEN, BackupSystemError):
                self._finish()
            raise
        except OSError:
            # The server hangs up: what it has answered is there to be read.
            self._settlement.abandon(self._flow.settle())
            raise
        except LostError:
            self._settlement.abandon(self._flow.give_up())
            raise
        finally:
            self._settlement.leave(self._flow.unanswered)

    def _keep_open(self) -> None:
        """Send something where nothing was written for long, because all that was read is there already or is not meant."""
        if time.monotonic() - self._used >= IDLE_SECONDS:
            self._finish()
            self._wire.ask(b"TIME")
            self._used = time.monotonic()

    def _admitted(self, parts: Iterator[list[Entry]], stream: EntryStream) -> Iterator[list[Entry]]:
        """The same entries, in smaller parts where the server has little room left. Raises what a Guard raises."""
        guard = self.guard
        if guard is None:
            yield from parts
            return
        for part in parts:
            rest = part
            while rest:
                number = guard.admitted(rest, stream.rdb_version)
                if not number:
                    self._finish()
                    number = guard.look(rest, stream.rdb_version)
                yield rest[:number]
                rest = rest[number:]

    def _whole(self, stream: EntryStream) -> Iterator[list[Entry]]:
        """The stream's batches. Should it break off, what was sent is counted before that is told."""
        try:
            for batch in stream.batches():
                if any_oversized(batch):
                    # Whoever holds the list must not hold payloads beside values.
                    batch[:] = [buildable(entry, stream.rdb_version) for entry in batch]
                yield batch
        except BackupSystemError:
            self._finish()
            raise

    def _write(self, entries: list[Entry], now: float, rdb_version: int | None) -> None:
        # Never sent: RESTORE with a time that has passed deletes the live key and answers OK.
        live = [entry for entry in entries if entry.expires_at is None or entry.expires_at > now]
        self._report.expired += len(entries) - len(live)
        if rdb_version is not None:
            live = self._payloads.add(live, rdb_version)
        existing = self._existing(live)
        for entry in live:
            if (entry.db, entry.key) in existing:
                self._report.skip(entry)
            else:
                self._values.add(entry, now)

    def _existing(self, entries: list[Entry]) -> set[tuple[int, bytes]]:
        """Of the keys that would have to be built from values, those that are there and are to be left alone."""
        built = [entry for entry in entries if entry.payload is None and not self._values.fits_set(entry)]
        if self._mode != "skip" or not built:
            return set()
        self._finish()
        asked = [pack(b"SELECT", b"%d" % entry.db) + pack(b"EXISTS", entry.key) for entry in built]
        self._wire.send(b"".join(asked))
        replies = [raised(reply) for reply in self._wire.replies(2 * len(built))]
        self._flow.db = built[-1].db
        return {(entry.db, entry.key) for entry, exists in zip(built, replies[1::2], strict=True) if exists == 1}

    def _flush(self, ahead: int) -> None:
        """Send the batch at hand, and settle what was sent before until `ahead` batches are on their way."""
        self._flow.flush(ahead)
        if self._settlement.fatal and not self._ending:
            # What is still on its way is counted, and what is half built is removed, before the error goes on.
            self._ending = True
            self._finish()
            raise self._settlement.fatal

    def _finish(self) -> None:
        while self._flow.under_way:
            self._flush(ahead=0)

    def _settle(self, batch: Batch) -> None:
        """The settlement packs what follows from replies into the flow, so the flow is made first."""
        self._settlement.settle(batch)
