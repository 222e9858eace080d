"""Entries become the portable document: a line each, in chunks."""

from collections.abc import Generator, Iterator
from typing import Any

import orjson

from worker.errors import FormatError
from worker.formats.entries import Entry, EntryStream, Opaque
from worker.formats.portable import long_lines, parts, shapes
from worker.formats.portable.document import FORMAT, KEYS_CLOSE, KEYS_OPEN, MAX_LINE, OWN_WORDS, VERSION
from worker.formats.rdb.values import STRING, decode, view

_TOO_LONG = "It is too long for the portable format: back it up as rdb."
_CHUNK = 1 << 20
"""Bytes: handing a chunk to a compressor on another thread costs the same however small it is."""


def write(stream: EntryStream, header: dict[str, object]) -> Generator[bytes]:
    """Yield the document in chunks of about 1 MiB, or of one entry where that is longer.

    `header` is JSON-able and stands before the keys; the document's own words cannot be in it. Raises FormatError for
    an entry that cannot be written: a type that nobody can decode, or more than MAX_LINE bytes.
    """
    facts = {name: fact for name, fact in header.items() if name not in OWN_WORDS}
    opening = orjson.dumps({"format": FORMAT, "version": VERSION, **facts})
    yield opening[:-1] + b"," + KEYS_OPEN[0] + b"\n"
    count = yield from _keys(stream)
    yield (b"\n" if count else b"") + KEYS_CLOSE + b"\n"
    functions = [parts.text(library) for library in stream.libraries]
    yield orjson.dumps({"functions": functions, "count": count})[1:] + b"\n"


def _keys(stream: EntryStream) -> Generator[bytes, None, int]:
    """The lines of all entries; gives back how many there are."""
    count, size, opened = 0, 0, False
    lines: list[bytes] = []
    for batch in stream.batches():
        # Asked once a batch: the streams around it hand the question on, which costs as much as a short line.
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
    # The comma between two chunks is a chunk of its own: joining it to a huge value would copy the value.
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
            if len(payload) >= long_lines.LONG and payload[0] == STRING:
                return _long_line(entry, row, view(payload))
            value = decode(payload, rdb_version)
        if isinstance(value, Opaque):
            row["dump"] = parts.text(value.dump)
        elif isinstance(value, bytes) and len(value) >= long_lines.LONG:
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
