"""One pass of entries into a server: RESTORE for payloads, the ordinary commands for values."""

import secrets
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from struct import Struct
from typing import Any, Literal

from worker import commands
from worker.entries import Entry, EntryStream
from worker.errors import BackupSystemError
from worker.formats.values import crc64, decode, footer
from worker.pace import Pace
from worker.report import Report
from worker.sources.asking import abilities
from worker.wire import BROKEN, LARGE, Wire, pack, pieces, raised

Mode = Literal["skip", "overwrite", "mirror"]

BATCH_KEYS = 250
BATCH_BYTES = 1 << 20
AHEAD = 4
"""Batches that are on their way at most: as many as keep the server busy while the backup is being read on."""
_u64 = Struct("<Q").pack
_PAYLOAD = itemgetter(Entry._fields.index("payload"))
_TEMPORARY = b"3600"  # seconds
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

# Lengths whose headers are made once, for all that most keys need.
_COMMON_LENGTHS = 1024
_LENGTHS = [b"$%d\r\n" % length for length in range(_COMMON_LENGTHS)]
_NEVER = b"\r\n$1\r\n0\r\n"
_AROUND = 80
"""Bytes of a RESTORE besides key and payload, about."""

# A server takes 512 MB in one argument (proto-max-bulk-len): a larger value is built in pieces.
LARGEST_PAYLOAD = 256 << 20


def temporary_key() -> bytes:
    """A key that nobody else has: a value is built under it before it takes its own name.

    Random each time and no counter: forked workers would count alike, and add to each other's leftovers.
    """
    return b"redis_backup:" + secrets.token_hex(16).encode()


@dataclass(slots=True)
class _Commands:
    """Commands on their way: how many replies they will have, the entry they write, and the key it is built under."""

    replies: int = 0
    entry: Entry | None = None
    temporary: bytes = b""
    naming: bool = False
    """Whether these give the finished value its name."""


class Writing:
    """Writes a stream of entries: while the server works on some batches, the next are being packed."""

    def __init__(self, wire: Wire, mode: Mode, report: Report, version: tuple[int, ...], pace: Pace) -> None:
        self._pace = pace
        self._wire, self._mode, self._report, self._version = wire, mode, report, version
        self._field_expiry = abilities(wire).fields
        seconds, microseconds = wire.ask(b"TIME")
        # Whether a key has expired is for the target's clock to say.
        self._clock_offset = int(seconds) + int(microseconds) / 1e6 - time.time()
        self._db = -1
        self._packed: list[bytes] = []
        self._size = 0
        # What was packed since the last flush, and the batches that were sent before it; an Entry stands for its one RESTORE.
        self._sent: list[_Commands | Entry] = []
        self._awaited: deque[list[_Commands | Entry]] = deque()
        replace = (b"REPLACE",) if mode != "skip" else ()
        # The arguments that differ come in between; only the tail is whole.
        self._head = b"*%d\r\n" % (5 + len(replace)) + pack(b"RESTORE").partition(b"\r\n")[2]
        self._tail = b"\r\n" + pack(b"ABSTTL", *replace).partition(b"\r\n")[2]
        self._heads = [b"%b$%d\r\n" % (self._head, length) for length in range(_COMMON_LENGTHS)]
        """The beginning of a RESTORE, up to a key of that many bytes."""
        self._fatal: Exception | None = None
        self._ending = False

    def run(self, stream: EntryStream) -> Iterator[int]:
        """Write everything; yields how many entries were taken from the stream since the last yield.

        Raises the server's error when it is one that every further key would meet.
        """
        try:
            for batch in self._whole(stream):
                for entries in self._pace.cut(batch, BATCH_KEYS):
                    now = (time.time() + self._clock_offset) * 1000
                    self._report.taken += len(entries)
                    self._write(entries, now, stream.rdb_version)
                    self._flush(self._pace.ahead(AHEAD, 0))
                    self._pace.rest()
                    yield len(entries)
            self._finish()
        except (OSError, GeneratorExit):
            # The server hangs up, or whoever asked for this has enough: several batches are on their way then.
            self._count_answered()
            raise

    def _count_answered(self) -> None:
        """Count what the server has answered to, or still answers, without sending any more."""
        self._awaited.append(self._sent)
        self._sent = []
        with suppress(*BROKEN):
            while self._awaited:
                self._settle(self._awaited.popleft())

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
        # Never sent: RESTORE with a time that has passed deletes the live key and answers OK.
        live = [entry for entry in entries if entry.expires_at is None or entry.expires_at > now]
        self._report.expired += len(entries) - len(live)
        if rdb_version is not None:
            live = self._restore(live, rdb_version)
        existing = self._existing(live)
        for entry in live:
            if (entry.db, entry.key) in existing:
                self._report.skipped += 1
                continue
            self._select(entry.db)
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
        self._db = built[-1].db
        return {(entry.db, entry.key) for entry, found in zip(built, replies[1::2], strict=True) if found == 1}

    def _select(self, db: int) -> None:
        if db != self._db:
            self._db = db
            self._add(_Commands(), pack(b"SELECT", b"%d" % db))

    def _add(self, sent: _Commands, *packed: bytes) -> None:
        self._sent.append(sent)
        self._push(sent, *packed)

    def _push(self, sent: _Commands, *packed: bytes) -> None:
        """Pack one command, whole or in pieces; a large piece is sent as it is."""
        for piece in packed:
            if len(piece) > LARGE:
                self._send()
                self._wire.send(piece)
            else:
                self._packed.append(piece)
                self._size += len(piece)
        sent.replies += 1
        if self._size >= BATCH_BYTES:
            self._send()

    def _send(self) -> None:
        self._wire.send(b"".join(self._packed))
        self._packed.clear()
        self._size = 0

    def _flush(self, ahead: int) -> None:
        """Send what is packed, and only then read what those before it were answered, until `ahead` are on their way."""
        self._send()
        if self._sent:
            self._awaited.append(self._sent)
            self._sent = []
        while len(self._awaited) > ahead:
            self._settle(self._awaited.popleft())
        if self._fatal and not self._ending:
            # What is still on its way is counted, and what was half built is taken away, before the end is told.
            self._ending = True
            self._finish()
            raise self._fatal

    def _finish(self) -> None:
        while self._sent or self._awaited:
            self._flush(ahead=0)

    def _settle(self, awaited: list[_Commands | Entry]) -> None:
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

    def _settle_each(self, awaited: list[_Commands | Entry], found: list[Any]) -> None:
        """Count by the replies that came; the last ones may be missing."""
        replies = iter(found)
        for sent in awaited:
            expected = 1 if isinstance(sent, Entry) else sent.replies
            own = list(islice(replies, expected))
            if len(own) < expected:
                break
            if not isinstance(sent, Entry):
                self._count(sent, own)
            elif own[0] == b"OK":
                self._report.restored += 1
            else:
                self._refused(sent, own[0])

    def _count(self, sent: _Commands, replies: list[Any]) -> None:
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
        elif sent.naming and "no such key" in str(error):
            # Its own expiry came between the last look at the clock and its name.
            self._report.expired += 1
        else:
            self._refused(sent.entry, error)
            if sent.temporary:
                self._select(sent.entry.db)
                self._add(_Commands(), pack(b"DEL", sent.temporary))

    def _refused(self, entry: Entry, error: Exception | None) -> None:
        """A key that was not written: it exists (SET NX and RENAMENX say so without an error), or the server says why not."""
        words = str(error)
        if words.startswith(_FATAL):
            self._fatal = error
        elif error is None or words.startswith("BUSYKEY"):
            self._report.skipped += 1
        else:
            self._report.fail(entry, words)

    def _restore(self, entries: list[Entry], rdb_version: int) -> list[Entry]:
        """Pack a RESTORE for each that has a payload, and give back the others.

        Spelt out in one loop on local names, with all lengths out of tables, for it is done for every key: `pack` takes
        five times as long.
        """
        parts, sent, heads, tail, checksum = self._packed, self._sent.append, self._heads, self._tail, _u64
        version, size, others = rdb_version.to_bytes(2, "little"), self._size, []
        for entry in entries:
            db, key, expires_at, _, payload, _ = entry
            if payload is None:
                others.append(entry)
                continue
            if db != self._db or len(payload) > LARGE:
                self._size = size
                self._select(db)
                if len(payload) > LARGE:
                    self._restore_large(entry, payload, rdb_version)
                    size = self._size
                    continue
                size = self._size
            body = payload + version
            named, length = len(key), len(body) + 8
            parts += (
                heads[named] if named < _COMMON_LENGTHS else b"%b$%d\r\n" % (self._head, named),
                key,
                _NEVER if expires_at is None else _until(expires_at),
                _LENGTHS[length] if length < _COMMON_LENGTHS else b"$%d\r\n" % length,
                body,
                checksum(crc64(body)),
                tail,
            )
            sent(entry)
            size += named + length + _AROUND
            if size >= BATCH_BYTES:
                self._send()
                size = 0
        self._size = size
        return others

    def _restore_large(self, entry: Entry, payload: bytes, rdb_version: int) -> None:
        """A RESTORE that no copy of the payload is made for; nor is it kept until the reply comes."""
        until, end = _NEVER if entry.expires_at is None else _until(entry.expires_at), footer(payload, rdb_version)
        head = b"%b$%d\r\n%b%b" % (self._head, len(entry.key), entry.key, until)
        self._add(
            _Commands(entry=_name_of(entry)), b"%b$%d\r\n" % (head, len(payload) + len(end)), payload, end + self._tail
        )

    def _set(self, entry: Entry) -> None:
        until = (b"PXAT", b"%d" % entry.expires_at) if entry.expires_at is not None else ()
        how = (b"NX",) if self._mode == "skip" else ()
        command: tuple[Any, ...] = (b"SET", entry.key, entry.value, *until, *how)
        self._add(_Commands(entry=_name_of(entry)), *_encoded(command))

    def _build(self, entry: Entry) -> None:
        """Build the value under a key of its own, and only when it is whole let it take its name."""
        key = temporary_key()
        sent = _Commands(entry=_name_of(entry), temporary=key)
        if lost := commands.losses(entry, self._version, field_expiry=self._field_expiry):
            self._report.warn(f"This target cannot be told {lost}.")
        for command in commands.build(entry._replace(key=key), self._version, field_expiry=self._field_expiry):
            if sent.replies:
                self._push(sent, *_encoded(command))
                continue
            # In one step with its expiry: should this run be killed, what it was building goes away by itself.
            for first in (("MULTI",), command, ("EXPIRE", key, _TEMPORARY), ("EXEC",)):
                self._push(sent, *_encoded(first))
        if not sent.replies:
            # A collection whose members have all expired since: no server holds an empty one.
            self._report.expired += 1
            return
        self._sent.append(sent)

    def _name(self, entry: Entry, temporary: bytes) -> None:
        """Give a value that was built whole its expiry and its name, in one step: no kill can come in between.

        Should RENAMENX find the name taken, what was built goes back to being temporary.
        """
        self._select(entry.db)
        until = (b"PERSIST", temporary)
        if entry.expires_at is not None:
            until = (b"PEXPIREAT", temporary, b"%d" % entry.expires_at)  # type: ignore[assignment]
        rename = b"RENAMENX" if self._mode == "skip" else b"RENAME"
        named = _Commands(entry=entry, temporary=temporary, naming=True)
        self._sent.append(named)
        for command in (
            (b"MULTI",),
            until,
            (rename, temporary, entry.key),
            (b"EXPIRE", temporary, _TEMPORARY),
            (b"EXEC",),
        ):
            self._push(named, pack(*command))


def _until(expires_at: int) -> bytes:
    """The expiry of a RESTORE, from the line end before it up to the length of the payload."""
    text = b"%d" % expires_at
    return b"\r\n$%d\r\n%b\r\n" % (len(text), text)


def _any_large(batch: list[Entry]) -> bool:
    # No Python code runs for a single key here.
    return max(map(len, filter(None, map(_PAYLOAD, batch))), default=0) > LARGEST_PAYLOAD


def _buildable(entry: Entry, rdb_version: int | None) -> Entry:
    """An entry whose payload is too large for one RESTORE, with its value instead."""
    if entry.payload is None or rdb_version is None or len(entry.payload) <= LARGEST_PAYLOAD:
        return entry
    return entry._replace(payload=None, value=decode(entry.payload, rdb_version))


def _name_of(entry: Entry) -> Entry:
    """What is remembered of an entry on its way: all but what is in it."""
    return entry._replace(payload=None, value=None)


def _encoded(command: commands.Command) -> list[bytes]:
    arguments = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return pieces(*arguments) if max(map(len, arguments)) > LARGE else [pack(*arguments)]
