"""Checks beyond the encoding: a server takes for granted what it wrote itself, and crashes where that is wrong.

Redis looks at a payload's bytes (rdb.c, with `sanitize-dump-payload no` at hardly more than its lengths), and asserts the
rest much later, when somebody uses the key: t_set.c, t_zset.c, t_hash.c, intset.c, t_stream.c.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import inf, isnan
from typing import Any

from worker.errors import FormatError
from worker.formats.entries import Entry, Opaque, Stream, Value
from worker.formats.rdb.codes import BUILT_IN, Code, known
from worker.formats.rdb.encodings import intset
from worker.formats.rdb.payload import FOOTER_BYTES, are_intact, version_of
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.reader.open_value import OpenValue
from worker.formats.rdb.reader.window import CHECKSUM_BYTES
from worker.formats.rdb.strings import LZF
from worker.formats.rdb.values import STRING, decode, kind_of, view
from worker.formats.types import HOLDS

_STRING = bytes([STRING])


def examine(entry: Entry, rdb_version: int | None) -> bool:
    """Whether the entry is a key at all: a server that loads an empty collection leaves it out.

    FormatError where no server is to be given it. A value that a portable document spells out is built by commands, and
    so can do no harm.
    """
    if entry.payload is not None:
        return check(entry.payload, rdb_version or 0)
    if isinstance(entry.value, Opaque):
        return _check_dump(entry.value.dump)
    return not _is_empty(entry.value)


def check(payload: bytes, rdb_version: int) -> bool:
    """Check a payload, an RDB type byte and value. FormatError where no server would have written it."""
    if payload[:1] == _STRING:
        # Perhaps hundreds of megabytes, of which no copy is to be made.
        view(payload)
        return True
    read = BUILT_IN.get(kind_of(payload))
    value = read(payload) if read else decode(payload, rdb_version)
    if (row := known(payload[0], rdb_version)) and not isinstance(value, Opaque):
        _check_value(row, value)
    return not _is_empty(value)


def _check_dump(dump: bytes) -> bool:
    if len(dump) <= FOOTER_BYTES or not are_intact(dump):
        raise FormatError(f"The payload is not what its checksum says, at byte {max(0, len(dump) - CHECKSUM_BYTES)}.")
    return check(dump[:-FOOTER_BYTES], version_of(dump))


def _is_empty(value: Value | None) -> bool:
    return isinstance(value, list) and not value


class Examiner(Reader):
    """A Reader with values, less strings that are too long for a window: as they are, nothing can be wrong with them.

    So a file that was made to fill the memory with one string does not.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__(chunks, values=True)
        self._unheld: OpenValue | None = None

    def _hold(self, value: OpenValue) -> None:
        if value is not self._open and value.code == STRING and self._window.data[value.start] != LZF:
            self._unheld = value
        super()._hold(value)

    def _keep(self, value: OpenValue, end: int) -> None:
        if value is not self._unheld:
            super()._keep(value, end)


def _check_value(row: Code, value: Any) -> None:
    holds = HOLDS[row.type]
    if isinstance(value, Stream):
        _check_stream(value)
    elif holds == "members":
        _check_unique(row.type, value)
        if row.unpack is intset and any(int(first) >= int(second) for first, second in pairwise(value)):
            raise _unsound("A set of integers is out of order")
    elif holds == "scores":
        _check_unique("sorted set", [member for member, _ in value])
        if any(isnan(score) for _, score in value):
            raise _unsound("A sorted set has a score that is no number")
    elif holds == "fields":
        _check_unique(row.type, [field for field, *_ in value])
        # Those that are packed are in the order of their expiry.
        if row.fields_expire and row.unpack:
            _check_expiry([inf if at is None else at for _, _, at in value])


def _unsound(what: str) -> FormatError:
    """An error about the whole value: the place that it names is where the value begins, behind its type byte."""
    return FormatError(f"{what}, in the value that begins at byte 1.")


def _check_unique(kind: str, names: list[bytes]) -> None:
    if len(set(names)) != len(names):
        raise _unsound(f"A {kind} holds something twice")


def _check_expiry(moments: list[float]) -> None:
    """Those that expire come first, the soonest before the others."""
    if any(first > second for first, second in pairwise(moments)):
        raise _unsound("The fields of a hash are not in the order of their expiry")


def _check_stream(stream: Stream) -> None:
    ids = [_id(entry_id) for entry_id, _ in stream.entries]
    if any(first >= second for first, second in pairwise(ids)):
        raise _unsound("The entries of a stream are out of order")
    if ids and ids[-1] > _id(stream.last_id):
        raise _unsound("A stream has an entry behind its last id")
    _check_unique("stream", [group.name for group in stream.groups])
    for group in stream.groups:
        _check_unique("consumer group", [consumer.name for consumer in group.consumers])


def _id(text: str) -> tuple[int, int]:
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence)
