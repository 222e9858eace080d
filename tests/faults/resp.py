"""Where in a stream of RESP each value begins, told as it passes by."""

from collections.abc import Iterator
from dataclasses import dataclass

WORD_BYTES = 512
"""Of a longer word only so much is kept."""
# How many elements follow each kind of header, for each that it counts.
_WITHIN = {b"*": 1, b"~": 1, b">": 1, b"%": 2, b"|": 2}
_BULK = (b"$", b"=", b"!")


@dataclass(frozen=True)
class Seen:
    """A value: its place in the stream (in bytes), the place and size of its body, and the two words it begins with."""

    start: int
    body: int
    size: int
    words: list[bytes]
    push: bool = False
    """It came unasked."""


class Values:
    """Takes a stream in any pieces. With `words`, a value is seen when those are whole, otherwise when its size is known."""

    def __init__(self, *, words: bool) -> None:
        self._words = words
        self._place = 0
        self._left = 0
        """Elements that are still to come until the value is whole."""
        self._skip = 0
        self._line = b""
        self._start = 0
        self._kept: list[bytes] = []
        self._told = True

    def feed(self, chunk: bytes) -> Iterator[Seen]:
        """The values that are seen with this piece, each before what follows it is read. Raises ValueError."""
        found: list[Seen] = []
        pos = 0
        while pos < len(chunk):
            yield from found
            found.clear()
            if self._skip:
                pos = self._body(chunk, pos)
                self._tell_words(found)
                continue
            end = chunk.find(b"\n", pos) + 1
            if not end:
                self._line += chunk[pos:]
                break
            line, pos = self._line + chunk[pos:end], end
            self._line = b""
            self._header(line, self._place + pos, found)
        self._place += len(chunk)
        yield from found

    def _body(self, chunk: bytes, pos: int) -> int:
        taken = min(self._skip, len(chunk) - pos)
        if not self._told and self._kept and len(self._kept[-1]) < WORD_BYTES:
            self._kept[-1] += chunk[pos : pos + taken]
        self._skip -= taken
        return pos + taken

    def _header(self, line: bytes, after: int, found: list[Seen]) -> None:
        kind, text = line[:1], line[1:].strip()
        first = self._left == 0
        if first:
            if not line.strip():
                return
            self._left, self._start, self._kept, self._told = 1, after - len(line), [], not self._words
        self._left -= 1
        size = 0
        if kind in _BULK and text != b"-1":
            size = int(text)
            self._skip = size + 2
            if not self._told:
                self._kept.append(b"")
        elif kind in _WITHIN:
            self._left += max(0, int(text)) * _WITHIN[kind] + (kind == b"|")
        elif first and self._words:
            # An inline command, as a person types it.
            found.append(Seen(self._start, after, 0, line.split()[:2]))
            self._told = True
        if first and not self._words:
            is_bulk = kind in _BULK and size > 0
            body, length = (after, size) if is_bulk else (self._start, len(line))
            found.append(Seen(self._start, body, length, [], push=kind == b">"))
        self._tell_words(found)

    def _tell_words(self, found: list[Seen]) -> None:
        """The command, once its first two words are whole, or all of it is."""
        whole = self._skip == 0 and (len(self._kept) == 2 or self._left == 0)
        if not self._told and whole and self._kept:
            words = [word.removesuffix(b"\r\n") for word in self._kept]
            found.append(Seen(self._start, self._start, 0, words))
            self._told = True
