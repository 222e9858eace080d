"""What a restore leaves alone because it is there already: how much of that is not what the backup holds."""

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from worker.engines.live import DIFFERING, Live
from worker.errors import StorageError
from worker.formats.entries import Entry, EntryStream, Passing
from worker.progress import Progress
from worker.restore.selection.keyset import KeySet
from worker.server.endpoint import Endpoint
from worker.server.reading.keys import Keys


class LeftAlone:
    """Which keys those are; use it in a `with`. It takes eight bytes a key, on disk where there are many."""

    def __init__(self) -> None:
        self.lost: str | None = None
        """Why it does not know all of them; None where it does."""
        self._stack = ExitStack()
        self._keys: KeySet | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, entry: Entry) -> None:
        """Note a key. A restore must not end because there is no room for that."""
        if self.lost is not None:
            return
        try:
            if self._keys is None:
                self._keys = self._stack.enter_context(KeySet())
            self._keys.add(entry.db, [entry.key])
        except StorageError as error:
            self.lost = str(error)

    def differing(self, stream: EntryStream, endpoint: Endpoint, progress: Progress) -> int:
        """How many are of another value or expiry than in this stream, which is that of the restore once more.

        Raises the endpoint's errors, and StorageError.
        """
        if self._keys is None:
            return 0
        number = done = 0
        with Keys(endpoint) as keys:
            for part in Live(keys).beside(_Among(stream, self._keys)):
                number += sum(pair.kind in DIFFERING for pair in part.pairs)
                done += len(part.alike) + len(part.pairs)
                progress("comparing what was left alone", done, None, "keys")
        return number


class _Among(Passing):
    """An EntryStream less the keys that are not in the set."""

    def __init__(self, stream: EntryStream, keys: KeySet) -> None:
        super().__init__(stream)
        self._keys = keys

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, narrowed."""
        has = self._keys.has
        for batch in self._stream.batches():
            yield [entry for entry in batch if has(entry.db, entry.key)]
