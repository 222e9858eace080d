"""The names of the first keys of a window, for a sample: the Census, which looks at no name, is held up by nothing that way."""

from contextlib import suppress

from worker.formats.entries import Entry
from worker.formats.rdb.reader.reader import Reader


class _EnoughError(Exception):
    """So many as were wanted."""


class _First(list[Entry]):
    """A batch that takes no more than are wanted."""

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self._wanted = wanted

    def append(self, entry: Entry) -> None:
        super().append(entry)
        self._wanted -= 1
        if not self._wanted:
            raise _EnoughError


class Names(Reader):
    """A Reader that is shown windows of a file which another one walks, and that one has found good."""

    def __init__(self) -> None:
        super().__init__(iter(()), values=False)

    def first(self, wanted: int, data: bytes, pos: int, rdb_version: int | None) -> list[bytes]:
        """Of the records from `pos` on so many, or all that end in this window."""
        if not wanted:
            return []
        self._window.data, self.rdb_version = data, rdb_version
        self._open, self._ended, self.unreadable = None, False, None
        batch = _First(wanted)
        with suppress(_EnoughError):
            self._read_records(batch, pos)
        return [entry.key for entry in batch]
