"""The portable JSON document: for people, `jq`, and servers of another make or an older version.

One valid JSON document with one entry per line, so that it streams in both directions at flat memory:

    {"format":"redis-backup","version":1, ...header..., "keys":[
    {"db":0,"key":"user:1","type":"hash","expires_at":1701787822123,"value":[["name","Ann"]]},
    {"db":0,"key":"greeting","type":"string","value":"hello"}
    ],
    "functions":["#!lua name=lib ..."],"count":2}

The values' shapes are in shapes.py. A value that nobody could decode has "dump" (what DUMP answers) for "value".
`count` comes last: a document that was cut off lacks it, compressed or not.
"""

from collections.abc import Callable, Generator, Iterator
from io import BytesIO
from typing import Any

import orjson

from worker.errors import FormatError
from worker.formats.entries import EntriesAlone, Entry, EntryStream, Opaque, Value
from worker.formats.portable import long_lines, parts, shapes
from worker.formats.portable.long_lines import LONG
from worker.formats.rdb.codes import BUILT_IN
from worker.formats.rdb.values import STRING, decode, kind_of, told, view
from worker.formats.types import NAMES, UNKNOWN

FORMAT = "redis-backup"
VERSION = 1
MAX_LINE = 1 << 30
"""Bytes of one entry: a longer line is neither written nor read."""
_TOO_LONG = "It is too long for the portable format: back it up as rdb."
MAX_HEADER = 1 << 20
OPENING = b'{"format":"redis-backup","version":1,"keys":[\n'
"""The least that can stand before entries."""

_CHUNK = 1 << 20
"""Bytes: handing a chunk to a compressor on another thread costs the same however small it is."""
_BATCH_ENTRIES = 500
_BATCH_BYTES = 1 << 20
_OWN_WORDS = {"format", "version", "keys", "functions", "count"}
_KEYS_OPEN = (b'"keys":[', b'"keys": [')
_KEYS_CLOSE = b"],"


def write(stream: EntryStream, header: dict[str, object]) -> Generator[bytes]:
    """Yield the document in chunks of about 1 MiB, or of one entry where that is longer.

    `header` is JSON-able and stands before the keys; the document's own words cannot be in it. Raises FormatError for
    an entry that cannot be written: a type that nobody can decode, or more than MAX_LINE bytes.
    """
    facts = {name: fact for name, fact in header.items() if name not in _OWN_WORDS}
    opening = orjson.dumps({"format": FORMAT, "version": VERSION, **facts})
    yield opening[:-1] + b"," + _KEYS_OPEN[0] + b"\n"
    count = yield from _keys(stream)
    yield (b"\n" if count else b"") + _KEYS_CLOSE + b"\n"
    functions = [parts.text(library) for library in stream.libraries]
    yield orjson.dumps({"functions": functions, "count": count})[1:] + b"\n"


def _keys(stream: EntryStream) -> Generator[bytes, None, int]:
    """The lines of all entries; gives back how many there are."""
    count, size, opened = 0, 0, False
    lines: list[bytes] = []
    for batch in stream.batches():
        # Asked once: through the streams that pass it on, that costs as much as a short line.
        rdb_version = stream.rdb_version
        for entry in batch:
            line = _line(entry, rdb_version)
            if isinstance(line, bytes):
                lines.append(line)
                size += len(line)
                if size < _CHUNK:
                    continue
                yield from _joined(lines, opened)
            else:
                yield from _joined([*lines, b""], opened) if lines else [b",\n"] * opened
                yield from line
            lines, size, opened = [], 0, True
        count += len(batch)
    if lines:
        yield from _joined(lines, opened)
    return count


def _joined(lines: list[bytes], behind_others: bool) -> Iterator[bytes]:
    # The comma between two chunks is one of its own: put before a huge value, it would make a copy of that.
    if behind_others:
        yield b",\n"
    yield b",\n".join(lines)


def _line(entry: Entry, rdb_version: int | None) -> bytes | Iterator[bytes]:
    """The line of an entry; that of a long string in pieces."""
    db, key, expires_at, kind, payload, value, _ = entry
    row: dict[str, Any] = {"db": db, "key": parts.text(key), "type": kind}
    if expires_at is not None:
        row["expires_at"] = expires_at
    try:
        if value is None:
            if payload is None or rdb_version is None:
                raise FormatError("It came without its value.")
            if len(payload) >= LONG and payload[0] == STRING:
                return _long_line(entry, row, view(payload))
            value = decode(payload, rdb_version)
        if isinstance(value, Opaque):
            row["dump"] = parts.text(value.dump)
        elif isinstance(value, bytes) and len(value) >= LONG:
            return _long_line(entry, row, value)
        else:
            row["value"] = shapes.show(kind, value)
        line = orjson.dumps(row)
        if len(line) > MAX_LINE:
            raise FormatError(_TOO_LONG)
    except FormatError as error:
        raise _unwritable(entry, str(error)) from error
    return line


def _long_line(entry: Entry, row: dict[str, Any], value: bytes | memoryview) -> Iterator[bytes]:
    size = 0
    for piece in long_lines.write(row, value):
        size += len(piece)
        if size > MAX_LINE:
            raise _unwritable(entry, _TOO_LONG)
        yield piece


def _unwritable(entry: Entry, why: str) -> FormatError:
    return FormatError(f"The {entry.type} {_named(entry.key)} in database {entry.db} cannot be written as JSON: {why}")


def _named(key: bytes) -> str:
    return repr(key[:80])[1:] + ("..." if len(key) > 80 else "")


class Reader(EntriesAlone):
    """Reads the document line by line, never holding more than one line and one chunk.

    It is an EntryStream. `facts` is what the header says, as text, once the first line has passed. Of a `part`, which
    lacks some keys at the beginning, the number of entries is not checked.
    """

    def __init__(self, chunks: Iterator[bytes], *, part: bool = False) -> None:
        self.rdb_version: int | None = None
        self.libraries: list[bytes] = []
        self.facts: dict[str, str] = {}
        self.begins_at = 0
        """Behind which byte the entries of the last batch lie: `artifact.resumed` begins there."""
        self._chunks, self._part = chunks, part
        self._number = 0
        self._count = 0
        self._last_seen = False
        self._limit = MAX_HEADER
        # What the next line must be; none of it is there after the last one.
        self._next: Callable[[bytes], Entry | None] | None = self._header

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the entries, at most 500 or about 1 MB of lines at a time, and at least one batch for each chunk.

        Raises FormatError, with the number of the line, for whatever is not exactly this format.
        """
        # A line that goes on over chunks: added to at its end only, and no second copy is made of it when it ends.
        begun = BytesIO()
        passed = held = 0
        for chunk in self._chunks:
            passed += len(chunk)
            lines = chunk.split(b"\n")
            begun.write(lines[0])
            held += len(lines[0])
            if held > self._limit:
                self._number += 1
                raise self._wrong("is longer than this format allows; each entry must be on a line of its own")
            if len(lines) == 1:
                yield []
                continue
            lines[0], begun = begun.getvalue(), BytesIO()
            held = begun.write(lines.pop())
            yield from self._read(lines)
            self.begins_at = passed - held
        if self._next is not None:
            raise FormatError(f"The JSON document is cut off after line {self._number}.")
        if held:
            self._number += 1
            raise self._wrong("follows the end of the document")

    def _read(self, lines: list[bytes]) -> Iterator[list[Entry]]:
        batch: list[Entry] = []
        size = 0
        # Taken out of the list, so that nobody holds a huge line beside what it says.
        lines.reverse()
        while lines:
            line = lines.pop()
            size += len(line)
            self._number += 1
            if self._next is None:
                raise self._wrong("follows the end of the document")
            try:
                entry = self._next(line)
            except orjson.JSONDecodeError:
                raise self._wrong("is not JSON as this format has it, one entry on each line") from None
            except FormatError as error:
                raise self._wrong(str(error)) from None
            del line
            if entry is None:
                continue
            batch.append(entry)
            if len(batch) >= _BATCH_ENTRIES or size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
        yield batch

    def _header(self, line: bytes) -> None:
        if not line.endswith(_KEYS_OPEN):
            raise FormatError('must open the document and end in "keys":[ (or another tool has re-formatted it)')
        header = orjson.loads(line + b"]}")
        if header.get("format") != FORMAT:
            raise FormatError(f'must say "format":"{FORMAT}"')
        version = header.get("version")
        if type(version) is not int or version != VERSION:
            raise FormatError(f"is of version {parts.brief(version)} of the format, and this program reads {VERSION}")
        for name, fact in header.items():
            if name not in _OWN_WORDS and fact is not None:
                self.facts[name] = fact if type(fact) is str else orjson.dumps(fact).decode()
        self._limit = MAX_LINE
        self._next = self._entry

    def _entry(self, line: bytes) -> Entry | None:
        stop = len(line)
        if line[-1:] != b",":
            comma = False
        elif line == _KEYS_CLOSE:
            if self._count and not self._last_seen:
                raise FormatError("closes the keys although the line before ends in a comma")
            self._next = self._tail
            return None
        else:
            comma, stop = True, stop - 1
        if self._last_seen:
            raise FormatError("is an entry although the line before does not end in a comma")
        self._last_seen = not comma
        self._count += 1
        return _entry(long_lines.read(line, stop) if stop >= LONG else orjson.loads(line[:stop]))

    def _tail(self, line: bytes) -> None:
        tail = orjson.loads(b"{" + line)
        if tail.keys() != {"functions", "count"} or type(tail["functions"]) is not list:
            raise FormatError('must end the document with exactly "functions" and "count"')
        if type(tail["count"]) is not int or (tail["count"] != self._count and not self._part):
            raise FormatError(f"says that there are {parts.brief(tail['count'])} entries, and there are {self._count}")
        self.libraries.extend(map(parts.data, tail["functions"]))
        self._next = None

    def _wrong(self, what: str) -> FormatError:
        return FormatError(f"Line {self._number} of the JSON document {what}.")


def _value(kind: Any, shown_value: Any, key: bytes, db: int) -> Value:
    try:
        return shapes.read(kind, shown_value)
    except FormatError as error:
        raise FormatError(f"{error}, in {told(parts.brief(kind), key, db)}") from None


def _entry(row: Any) -> Entry:
    if type(row) is not dict:
        raise FormatError("must be an object")
    try:
        db, key, kind = row["db"], row["key"], row["type"]
        shown_value = row["value"] if "value" in row else row["dump"]
    except KeyError:
        raise FormatError("must have db, key, type, and value or dump") from None
    expires_at = row.get("expires_at")
    # An unknown word may be a misspelt one, and a time of expiry that is passed over is a key that never dies.
    if len(row) != (4 if expires_at is None else 5):
        raise FormatError("must have db, key, type, value or dump, perhaps expires_at, and nothing else")
    if type(db) is not int or not 0 <= db < 2**31:
        raise FormatError("must have a database number that is not negative")
    if expires_at is not None:
        expires_at = parts.integer(expires_at)
    key = key.encode() if type(key) is str else parts.data(key)
    if "dump" not in row:
        return Entry(db, key, expires_at, kind, None, _value(kind, shown_value, key, db))
    if kind not in NAMES and kind != UNKNOWN:
        raise FormatError(f'must have a "type" out of {", ".join(NAMES)}')
    dump = parts.data(shown_value)
    # Vector sets were once called modules, and kept whole.
    known = kind_of(dump)
    return Entry(db, key, expires_at, known if known in BUILT_IN else kind, None, Opaque(dump))
