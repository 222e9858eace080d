"""A huge string in the portable document: its line is written and read in pieces, so that nothing holds it twice over.

What stands in the document is what orjson would write of the whole: characters are escaped one by one, and base64
knows only groups of three bytes. What is read is what orjson would read, or it is left to orjson.
"""

import re
from binascii import a2b_base64, b2a_base64
from codecs import getincrementaldecoder
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import orjson

LONG = 4 << 20
"""A string of so many bytes goes in pieces; for a shorter one that is not worth the effort."""

_PIECE = 3 << 18
"""Bytes of a string that are written at once; a multiple of three, for base64."""
_PIECE_READ = 1 << 20
"""Bytes of a line that are read at once; a multiple of four, for base64."""
_LONGEST_CHARACTER = 12
"""Bytes of a pair of surrogates, such as \\ud83d\\ude00, the longest character in JSON."""
_MOST_BEFORE, _MOST_BEHIND = 1 << 20, 16
_STRING = re.compile(rb'"value": ?(?:\{"base64": ?())?"')
_PLACE = "\0taken out"


def write(row: dict[str, Any], value: bytes | memoryview) -> Iterator[bytes]:
    """Yield the line of an entry whose `row` lacks its value."""
    opening = orjson.dumps(row)[:-1] + b',"value":'
    if _is_text(value):
        yield opening + b'"'
        for text in _texts(value):
            yield orjson.dumps(text)[1:-1]
        yield b'"}'
    else:
        yield opening + b'{"base64":"'
        for start in range(0, len(value), _PIECE):
            yield b2a_base64(value[start : start + _PIECE], newline=False)
        yield b'"}}'


def _is_text(value: bytes | memoryview) -> bool:
    try:
        for _ in _texts(value):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _texts(value: bytes | memoryview) -> Iterator[str]:
    decoder = getincrementaldecoder("utf-8")()
    for start in range(0, len(value), _PIECE):
        yield decoder.decode(bytes(value[start : start + _PIECE]))
    yield decoder.decode(b"", final=True)


def read(line: bytes, stop: int) -> Any:
    """The row that ends at `stop`, in which a value that is a string is bytes already.

    Raises orjson.JSONDecodeError. This program writes the value at the end of a line. One that has it elsewhere is read
    as well, but held twice.
    """
    match = _STRING.search(line, 0, _MOST_BEFORE)
    end = line.rfind(b'"', max(0, stop - _MOST_BEHIND), stop)
    if match is None or end < match.end():
        return orjson.loads(line[:stop])
    row = _parsed(line[: match.end()] + orjson.dumps(_PLACE)[1:-1] + line[end:stop])
    encoded = match[1] is not None
    # The string was not the value, or a second value follows it: orjson reads such a line as a whole.
    if type(row) is not dict or row.get("value") != ({"base64": _PLACE} if encoded else _PLACE):
        return orjson.loads(line[:stop])
    try:
        row["value"] = _read(line, match.end(), end, encoded=encoded)
    except ValueError:
        return orjson.loads(line[:stop])
    return row


def _parsed(row: bytes) -> Any:
    try:
        return orjson.loads(row)
    except orjson.JSONDecodeError:
        return None


def _read(line: bytes, start: int, stop: int, *, encoded: bool) -> bytes:
    """The bytes that the JSON string from `start` to `stop` stands for. ValueError where it is none."""
    # A BytesIO gives its bytes away at the end without another copy.
    value = BytesIO()
    for piece in (_of_base64 if encoded else _of_text)(line, start, stop):
        value.write(piece)
    return value.getvalue()


def _of_base64(line: bytes, start: int, stop: int) -> Iterator[bytes]:
    for begin in range(start, stop, _PIECE_READ):
        end = min(begin + _PIECE_READ, stop)
        # Padding ends a piece, and only the last one may have it.
        if end < stop and line[end - 1 : end] == b"=":
            raise ValueError
        yield a2b_base64(line[begin:end], strict_mode=True)


def _of_text(line: bytes, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        text, start = _characters(line, start, min(start + _PIECE_READ, stop))
        yield text.encode()


def _characters(line: bytes, start: int, stop: int) -> tuple[str, int]:
    """As many whole characters as there are, and where they end: orjson can read a piece only if it ends between two."""
    for end in range(stop, max(start, stop - _LONGEST_CHARACTER), -1):
        text = _parsed(b'"%b"' % line[start:end])
        if text is not None:
            return text, end
    raise ValueError
