"""The portable document becomes entries: read line by line, and refused with the number of the line that is wrong."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import orjson

from worker.errors import FormatError
from worker.formats.entries import EntriesAlone, Entry, Opaque, Value
from worker.formats.portable import long_lines, parts, shapes
from worker.formats.portable.document import FORMAT, KEYS_CLOSE, KEYS_OPEN, MAX_HEADER, MAX_LINE, OWN_WORDS, VERSION
from worker.formats.rdb.codes import BUILT_IN
from worker.formats.rdb.values import key_in_words, kind_of
from worker.formats.types import NAMES, UNKNOWN

_BATCH_ENTRIES = 500
_BATCH_BYTES = 1 << 20


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
        self.passed = 0
        """Keys that were left out: none."""
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
        # A line that goes on over chunks. It grows at its end, and its bytes are given away without another copy.
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
        # Taken out of the list, so that a huge line is not held beside its entry.
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
        if not line.endswith(KEYS_OPEN):
            raise FormatError('must open the document and end in "keys":[ (or another tool has re-formatted it)')
        header = orjson.loads(line + b"]}")
        if header.get("format") != FORMAT:
            raise FormatError(f'must say "format":"{FORMAT}"')
        version = header.get("version")
        if type(version) is not int or version != VERSION:
            raise FormatError(f"is of version {parts.brief(version)} of the format, and this program reads {VERSION}")
        for name, fact in header.items():
            if name not in OWN_WORDS and fact is not None:
                self.facts[name] = fact if type(fact) is str else orjson.dumps(fact).decode()
        self._limit = MAX_LINE
        self._next = self._entry

    def _entry(self, line: bytes) -> Entry | None:
        stop = len(line)
        if line[-1:] != b",":
            comma = False
        elif line == KEYS_CLOSE:
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
        return _entry(long_lines.read(line, stop) if stop >= long_lines.LONG else orjson.loads(line[:stop]))

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
        raise FormatError(f"{error}, in {key_in_words(parts.brief(kind), key, db)}") from None


def _entry(row: Any) -> Entry:
    if type(row) is not dict:
        raise FormatError("must be an object")
    try:
        db, key, kind = row["db"], row["key"], row["type"]
        shown_value = row["value"] if "value" in row else row["dump"]
    except KeyError:
        raise FormatError("must have db, key, type, and value or dump") from None
    expires_at = row.get("expires_at")
    # An unknown word may be a misspelt "expires_at", and a key whose expiry is overlooked never dies.
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
