"""Which keys are written by how their names begin: the commands of a span are read for it, up to so many bytes of them."""

from collections.abc import Iterator
from typing import Any

from worker.formats.commands.touching import DELETING, SILENT, keys_of
from worker.formats.prefixes import PrefixSample
from worker.segments.commands import commands_in
from worker.segments.frame import Frame
from worker.segments.telling.walking import Raw

MOST_BYTES = 256 << 20
"""Of commands that are read."""


class ByPrefix:
    """Counts what is written and what is deleted."""

    def __init__(self) -> None:
        self._written, self._deleted = PrefixSample(), PrefixSample()
        self._bytes = 0
        self._until: int | None = None

    def add(self, frame: Frame, raw: Raw) -> None:
        """Take a frame in, as long as there is room."""
        if self._until is not None:
            return
        if self._bytes + frame.size > MOST_BYTES:
            self._until = frame.since
            return
        self._bytes += frame.size
        written, deleted = list[bytes](), list[bytes]()
        for word, keys in _keys(frame, raw()):
            (deleted if word in DELETING else written).extend(keys)
        for sample, keys in ((self._written, written), (self._deleted, deleted)):
            number = sample.wanted(len(keys))
            # From all over the frame: what is written in a row is of one kind.
            sample.add([keys[place * len(keys) // number] for place in range(number)], len(keys))

    def told(self, iso: Any) -> dict[str, Any]:
        """`{written, deleted, exact, read_until}`: numbers by prefix, and where the room ended, None where it did not."""
        written, deleted = self._written.largest(), self._deleted.largest()
        return {
            "written": written.counts,
            "deleted": deleted.counts,
            "exact": written.exact and deleted.exact,
            "read_until": None if self._until is None else iso(self._until),
        }


def _keys(frame: Frame, raw: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    for command in commands_in(frame, raw):
        if command.word not in SILENT:
            yield command.word, [*keys_of(command.word, command.arguments)]
