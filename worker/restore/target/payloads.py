"""RESTORE for entries that have a payload: nearly all that most restores send."""

from functools import cache, lru_cache
from struct import Struct

from worker.formats.entries import Entry, Used
from worker.formats.rdb.payload import crc64, footer
from worker.restore.target.flow import BATCH_BYTES, Flow, Sent
from worker.server.wire import LARGE, pack

_u64 = Struct("<Q").pack

# Lengths whose headers are made once, for all that most keys need.
_COMMON_LENGTHS = 1024
_LENGTHS = [b"$%d\r\n" % length for length in range(_COMMON_LENGTHS)]
_NEVER = b"\r\n$1\r\n0\r\n"
_AROUND = 80
"""Bytes of a RESTORE besides key and payload, roughly."""


class Payloads:
    """Packs payloads into a flow; `replace` says whether they take the place of what is there."""

    def __init__(self, flow: Flow, *, replace: bool) -> None:
        self._flow = flow
        # The arguments that differ come in between, and behind all others how much a key is used.
        options = (b"ABSTTL", b"REPLACE") if replace else (b"ABSTTL",)
        self._arguments = 4 + len(options)
        self._head = self._begun(self._arguments)
        self._tail = b"\r\n" + _following(*options)
        self._heads = [b"%b$%d\r\n" % (self._head, length) for length in range(_COMMON_LENGTHS)]
        """The beginning of a RESTORE, up to a key of that many bytes."""

    def add(self, entries: list[Entry], rdb_version: int) -> list[Entry]:
        """Pack a RESTORE for each that has a payload, and give back the others.

        Spelt out in one loop on local names, with all lengths out of tables, for it is done for every key: `pack` takes
        five times as long.
        """
        flow, heads, tail, checksum = self._flow, self._heads, self._tail, _u64
        parts, sent, size = flow.packed, flow.sent.append, flow.size
        version, others = rdb_version.to_bytes(2, "little"), []
        for entry in entries:
            db, key, expires_at, _, payload, _, used = entry
            if payload is None:
                others.append(entry)
                continue
            if db != flow.db or len(payload) > LARGE:
                flow.size = size
                flow.select(db)
                if len(payload) > LARGE:
                    self._add_large(entry, payload, rdb_version)
                    size = flow.size
                    continue
                size = flow.size
            body = payload + version
            named, length = len(key), len(body) + 8
            parts += (
                heads[named] if named < _COMMON_LENGTHS and used is None else self._head_of(named, used),
                key,
                _NEVER if expires_at is None else _until(expires_at),
                _LENGTHS[length] if length < _COMMON_LENGTHS else b"$%d\r\n" % length,
                body,
                checksum(crc64(body)),
                tail if used is None else tail + _following(*_usage(used)),
            )
            sent(entry)
            size += named + length + _AROUND
            if size >= BATCH_BYTES:
                flow.send()
                size = 0
        flow.size = size
        return others

    def _add_large(self, entry: Entry, payload: bytes, rdb_version: int) -> None:
        """A RESTORE without a copy of the payload, which is not kept until the reply comes either."""
        until, end = _NEVER if entry.expires_at is None else _until(entry.expires_at), footer(payload, rdb_version)
        head = b"%b%b%b" % (self._head_of(len(entry.key), entry.used), entry.key, until)
        tail = self._tail if entry.used is None else self._tail + _following(*_usage(entry.used))
        sent = Sent(entry=entry._replace(payload=None))
        self._flow.add(sent, b"%b$%d\r\n" % (head, len(payload) + len(end)), payload, end + tail)

    def _head_of(self, named: int, used: Used | None) -> bytes:
        """The beginning up to a key of so many bytes, of a RESTORE that also tells how much the key is used."""
        head = self._head if used is None else self._begun(self._arguments + len(_usage(used)))
        return b"%b$%d\r\n" % (head, named)

    @staticmethod
    @cache
    def _begun(arguments: int) -> bytes:
        return b"*%d\r\n" % arguments + _following(b"RESTORE")


@lru_cache(maxsize=4096)
def _following(*arguments: bytes) -> bytes:
    """Arguments as they stand behind others."""
    return pack(*arguments).partition(b"\r\n")[2]


def _usage(used: Used) -> tuple[bytes, bytes]:
    return used.word.encode(), b"%d" % used.number


def _until(expires_at: int) -> bytes:
    """The expiry of a RESTORE, from the line end before it up to the length of the payload."""
    text = b"%d" % expires_at
    return b"\r\n$%d\r\n%b\r\n" % (len(text), text)
