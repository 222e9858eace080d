"""One pass of entries into a server: RESTORE for payloads, the ordinary commands for values."""

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from operator import itemgetter
from typing import Any

from worker.arguments.restore import Mode
from worker.errors import BackupSystemError, LostError
from worker.formats.entries import Entry, EntryStream, Opaque, VectorSet
from worker.formats.rdb.payload import seal
from worker.formats.rdb.values import decode
from worker.restore.target import commands
from worker.restore.target.flow import Batch, Flow, Sent
from worker.restore.target.headroom import Guard
from worker.restore.target.payloads import Payloads
from worker.restore.target.report import Report
from worker.server.pipeline import abilities
from worker.server.throttle import Pace
from worker.server.wire import BROKEN, LARGE, Wire, pack, pieces, raised

BATCH_KEYS = 250
IDLE_SECONDS = 10
"""As long as that nothing may go over the connection, or a proxy, or the server's own `timeout`, might end it."""
AHEAD = 4
"""Batches that are on their way at most: as many as keep the server busy while the backup is being read on."""
_PAYLOAD = itemgetter(Entry._fields.index("payload"))
_TEMPORARY = b"3600"  # seconds
_BUILT_VECTORS = (
    "Vector sets were built by VADD, which links their elements anew and rounds vectors: a preview may show their last digits "
    "as different, and a search among near ones may find others."
)
# What no further key can escape: going on would fail millions of times over.
_FATAL = (
    "OOM",
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "NOREPLICAS",
    "MISCONF",
    "MOVED",
    "CLUSTERDOWN",
    "NOAUTH",
    "NOPERM",
)
_FIRST_VERSION_WITH_PXAT = (6, 2)

# A server takes 512 MB in one argument (proto-max-bulk-len): a larger value is built in pieces.
LARGEST_PAYLOAD = 256 << 20


def temporary_key() -> bytes:
    """A key that nobody else has: a value is built under it before it takes its own name.

    Random each time and no counter: forked workers would count alike, and add to each other's leftovers.
    """
    return b"redis_backup:" + secrets.token_hex(16).encode()


class Writing:
    """Writes a stream of entries: while the server works on some batches, the next are being packed."""

    def __init__(self, wire: Wire, mode: Mode, report: Report, version: tuple[int, ...], pace: Pace) -> None:
        self._pace = pace
        self.guard: Guard | None = None
        """Lets pass what may be sent, where the server would throw keys out when it is full."""
        self._wire, self._mode, self._report, self._version = wire, mode, report, version
        self._field_expiry = abilities(wire, fields=True).fields
        seconds, microseconds = wire.ask(b"TIME")
        # Whether a key has expired is for the target's clock to say.
        self._clock_offset = int(seconds) + int(microseconds) / 1e6 - time.time()
        self._flow = Flow(wire, self._settle)
        self._payloads = Payloads(self._flow, replace=mode != "skip")
        self._now = 0.0
        """By the target's clock, in milliseconds since the epoch, when the batch at hand was begun."""
        self._used = time.monotonic()
        self._fatal: Exception | None = None
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
                    self._flush(self._pace.ahead(AHEAD, 0))
                    self._used = time.monotonic()
                    self._pace.rest()
                    yield len(entries)
            self._finish()
        except GeneratorExit:
            # Whoever asked for this has enough: several batches are on their way, and values are built and have no name yet.
            with suppress(*BROKEN, BackupSystemError):
                self._finish()
            raise
        except OSError:
            # The server hangs up: what it has answered is there to be read.
            self._abandon(self._flow.settle())
            raise
        except LostError:
            self._abandon(self._flow.give_up())
            raise
        finally:
            self._leave(self._flow.unanswered)

    def _keep_open(self) -> None:
        """What is read meanwhile may give nothing to write for a long time: mostly what is there already, or not meant."""
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
                if _any_large(batch):
                    # Those who hold the list shall not hold the payloads beside the values.
                    batch[:] = [_buildable(entry, stream.rdb_version) for entry in batch]
                yield batch
        except BackupSystemError:
            self._finish()
            raise

    def _write(self, entries: list[Entry], now: float, rdb_version: int | None) -> None:
        self._now = now
        # Never sent: RESTORE with a time that has passed deletes the live key and answers OK.
        live = [entry for entry in entries if entry.expires_at is None or entry.expires_at > now]
        self._report.expired += len(entries) - len(live)
        if rdb_version is not None:
            live = self._payloads.add(live, rdb_version)
        existing = self._existing(live)
        for entry in live:
            if (entry.db, entry.key) in existing:
                self._report.skip(entry)
                continue
            self._flow.select(entry.db)
            if self._fits_set(entry):
                self._set(entry)
            else:
                self._build(entry)

    def _fits_set(self, entry: Entry) -> bool:
        """Whether one SET writes the key with its expiry and heeds the mode: most keys of most servers."""
        short = isinstance(entry.value, bytes) and len(entry.value) <= commands.LONGEST_SET
        return short and (entry.expires_at is None or self._version >= _FIRST_VERSION_WITH_PXAT)

    def _existing(self, entries: list[Entry]) -> set[tuple[int, bytes]]:
        """Of the keys that would have to be built from values, those that are there and are to be left alone."""
        built = [entry for entry in entries if entry.payload is None and not self._fits_set(entry)]
        if self._mode != "skip" or not built:
            return set()
        self._finish()
        asked = [pack(b"SELECT", b"%d" % entry.db) + pack(b"EXISTS", entry.key) for entry in built]
        self._wire.send(b"".join(asked))
        replies = [raised(reply) for reply in self._wire.replies(2 * len(built))]
        self._flow.db = built[-1].db
        return {(entry.db, entry.key) for entry, found in zip(built, replies[1::2], strict=True) if found == 1}

    def _flush(self, ahead: int) -> None:
        """Let the batch at hand go, and be settled what was sent before, until `ahead` batches are on their way."""
        self._flow.flush(ahead)
        if self._fatal and not self._ending:
            # What is still on its way is counted, and what was half built is taken away, before the end is told.
            self._ending = True
            self._finish()
            raise self._fatal

    def _finish(self) -> None:
        while self._flow.under_way:
            self._flush(ahead=0)

    def _settle(self, awaited: Batch) -> None:
        found: list[Any] = []
        only_restores = set(map(type, awaited)) == {Entry}
        expected = len(awaited)
        if not only_restores:
            expected = sum(1 if isinstance(sent, Entry) else sent.replies for sent in awaited)
        try:
            self._wire.gather(expected, found)
        finally:
            # Nearly always all went well, and no Python code need run for a single key.
            if only_restores and found.count(b"OK") == expected:
                self._report.restored += expected
            else:
                self._settle_each(awaited, found)

    def _settle_each(self, awaited: Batch, found: list[Any]) -> None:
        """Count by the replies that came; the last ones may be missing."""
        replies = iter(found)
        for place, sent in enumerate(awaited):
            expected = 1 if isinstance(sent, Entry) else sent.replies
            own = list(islice(replies, expected))
            if len(own) < expected:
                self._leave(awaited[place:])
                break
            if not isinstance(sent, Entry):
                self._count(sent, own)
            elif own[0] == b"OK":
                self._report.restored += 1
            else:
                self._refused(sent, own[0])

    def _leave(self, unanswered: Batch) -> None:
        """Count what was sent and never answered: keys that may be there, and values that may have been built for one."""
        for sent in unanswered:
            entry = sent if isinstance(sent, Entry) else sent.entry
            if entry and (isinstance(sent, Entry) or sent.naming or not sent.temporary):
                self._report.await_in_vain(entry)
            if isinstance(sent, Sent) and sent.temporary:
                self._report.unfinished += 1

    def _abandon(self, never_sent: Batch) -> None:
        """Count values that were built whole, and are not given their names any more."""
        self._report.unfinished += sum(isinstance(sent, Sent) and bool(sent.temporary) for sent in never_sent)

    def _count(self, sent: Sent, replies: list[Any]) -> None:
        """The outcome of a SELECT or DEL, of a value that was built, or of the name it was then given."""
        if sent.naming and isinstance(replies[-1], list):
            replies = replies[-1][:2]
        elif sent.temporary:
            # What EXEC answers is a list of replies, and any of them may be an error.
            replies = [one for reply in replies for one in (reply if isinstance(reply, list) else [reply])]
        error = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if sent.entry is None:
            self._fatal = self._fatal or error
        elif error is None and sent.temporary and not sent.naming:
            self._name(sent.entry, sent.temporary)
        elif error is None and replies[-1]:
            self._report.restored += 1
            self._report.built += sent.naming
        elif sent.naming and "no such key" in str(error):
            # Its own expiry came between the last look at the clock and its name.
            self._report.expired += 1
        else:
            self._refused(sent.entry, error)
            if sent.temporary:
                self._flow.select(sent.entry.db)
                self._flow.add(Sent(temporary=sent.temporary), pack(b"DEL", sent.temporary))

    def _refused(self, entry: Entry, error: Exception | None) -> None:
        """A key that was not written: it exists (SET NX and RENAMENX say so without an error), or the server says why not."""
        words = str(error)
        if words.startswith(_FATAL):
            self._fatal = error
        elif error is None or words.startswith("BUSYKEY"):
            self._report.skip(entry)
        else:
            self._report.fail(entry, words)

    def _set(self, entry: Entry) -> None:
        until = (b"PXAT", b"%d" % entry.expires_at) if entry.expires_at is not None else ()
        how = (b"NX",) if self._mode == "skip" else ()
        command: tuple[Any, ...] = (b"SET", entry.key, entry.value, *until, *how)
        self._flow.add(Sent(entry=_name_of(entry)), *_encoded(command))

    def _build(self, entry: Entry) -> None:
        """Build the value under a key of its own, and only when it is whole let it take its name."""
        key = temporary_key()
        sent = Sent(entry=_name_of(entry), temporary=key)
        if not self._field_expiry and commands.expires_by_field(entry):
            self._report.lose(entry)
            entry = commands.without_field_expiry(entry, self._now)
        if isinstance(entry.value, VectorSet):
            self._report.warn(_BUILT_VECTORS)
        self._flow.sent.append(sent)
        for command in commands.build(entry._replace(key=key), self._version, field_expiry=self._field_expiry):
            if sent.replies:
                self._flow.push(sent, *_encoded(command))
                continue
            # In one step with its expiry: should this run be killed, what it was building goes away by itself.
            for first in (("MULTI",), command, ("EXPIRE", key, _TEMPORARY), ("EXEC",)):
                self._flow.push(sent, *_encoded(first))
        if not sent.replies:
            # A collection whose members have all expired since: no server holds an empty one.
            self._flow.sent.pop()
            self._report.expired += 1

    def _name(self, entry: Entry, temporary: bytes) -> None:
        """Give a value that was built whole its expiry and its name, in one step: no kill can come in between.

        Should RENAMENX find the name taken, what was built goes back to being temporary.
        """
        self._flow.select(entry.db)
        until = (b"PERSIST", temporary)
        if entry.expires_at is not None:
            until = (b"PEXPIREAT", temporary, b"%d" % entry.expires_at)  # type: ignore[assignment]
        rename = b"RENAMENX" if self._mode == "skip" else b"RENAME"
        named = Sent(entry=entry, temporary=temporary, naming=True)
        self._flow.sent.append(named)
        for command in (
            (b"MULTI",),
            until,
            (rename, temporary, entry.key),
            (b"EXPIRE", temporary, _TEMPORARY),
            (b"EXEC",),
        ):
            self._flow.push(named, pack(*command))


def _any_large(batch: list[Entry]) -> bool:
    # No Python code runs for a single key here.
    return max(map(len, filter(None, map(_PAYLOAD, batch))), default=0) > LARGEST_PAYLOAD


def _buildable(entry: Entry, rdb_version: int | None) -> Entry:
    """An entry whose payload is too large for one RESTORE, with its value instead."""
    if entry.payload is None or rdb_version is None or len(entry.payload) <= LARGEST_PAYLOAD:
        return entry
    value = decode(entry.payload, rdb_version)
    if isinstance(value, VectorSet) and value.projection is not None:
        value = Opaque(seal(entry.payload, rdb_version))
    return entry._replace(payload=None, value=value)


def _name_of(entry: Entry) -> Entry:
    """What is remembered of an entry on its way: all but what is in it."""
    return entry._replace(payload=None, value=None)


def _encoded(command: commands.Command) -> list[bytes]:
    arguments = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return pieces(*arguments) if max(map(len, arguments)) > LARGE else [pack(*arguments)]
