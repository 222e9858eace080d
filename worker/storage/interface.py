"""What a storage is: files by name, each of them whole or not there. A folder is one member (local.py).

Bytes come back in three ways. `open` gives them once, from the start to the end, as they come over a network; `fetch` gives
a file of this machine, for whoever must read twice, seek, or map it into memory. `part` is for whoever needs a few of them.
"""

import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import BinaryIO, Literal, NamedTuple, Protocol, Self

from worker.errors import StorageError, StorageUnavailableError
from worker.progress import Progress, Proof, silent, undisputed

READ_BYTES = 256 * 1024
Begun = Literal["writing", "deleting"]


class StoredFile(NamedTuple):
    """A file in storage; its size in bytes."""

    name: str
    size: int
    version: Hashable | None
    """The same as long as its content is; None while the next change could not be told from the last."""


class Readable(Protocol):
    """What bytes can be read from, and no more."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most that many; none at the end."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Stream:
    """A stored file on its way: read once, from its start to its end."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most that many; none at the end. Raises OSError."""
        return self._source.read(size)

    def close(self) -> None:
        """Let go of it."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Distant:
    """A file that is elsewhere, to be handed out as it comes: asked for when the first byte is wanted, from where that is."""

    def __init__(self, begin: Callable[[int], Stream], size: int) -> None:
        self._begin, self._size, self._at = begin, size, 0
        self._stream: Stream | None = None

    def seekable(self) -> bool:
        """It can be begun anywhere."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Begin there; not in the midst of it."""
        self._at = offset + (self._size if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """Where the next byte is from."""
        return self._at

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._stream is None:
            self._stream = self._begin(self._at)
        piece = self._stream.read(READ_BYTES)
        if not piece:
            raise StopIteration
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Let go of it."""
        if self._stream is not None:
            self._stream.close()


class Draft(Protocol):
    """A file that is being written, and that nobody sees yet."""

    name: str

    def write(self, chunk: bytes) -> None:
        """Append to the draft."""
        ...

    def publish(self, prove: Proof = undisputed, progress: Progress = silent) -> None:
        """Show the file under its name, whole and for good; `prove` is asked right before, and may raise.

        `progress` hears of its bytes, where they have to go elsewhere for that, and may raise as well.
        """
        ...

    def check(self) -> None:
        """StorageUnavailableError where somebody else with the same claim has taken the name over, and shows the file in our place."""
        ...


class Storage(Protocol):
    """Where backups lie. Every method raises StorageError; as text it is what people call it.

    Two that are the same place are equal, so that what was read of one is known of the other.
    """

    def __hash__(self) -> int:
        """The same for those that are equal."""
        ...

    @property
    def place(self) -> str:
        """What locks and runs know it by: the same for whoever means the same place."""
        ...

    @property
    def readers(self) -> int:
        """How many small files are best read at once: one where a disk answers, many where each answer is on its way for long."""
        ...

    @property
    def exclusive(self) -> bool | None:
        """Whether nobody can write over anybody's file, even in the same instant; None where nobody has written yet."""
        ...

    def exists(self) -> bool:
        """Whether there is such a place yet; the first draft makes it."""
        ...

    def draft(self, names: Iterable[str], claim: str = "") -> AbstractContextManager[Draft]:
        """Begin a file under the first of `names` that is free. It is gone afterwards unless it was published and kept.

        What a killed run left unfinished under such a name is in the way for a day at most; for whoever has the same
        `claim` as that run, because they write the same bytes, it is not.
        """
        ...

    def put(self, name: str, content: bytes, *, replace: bool = False, prove: Proof = undisputed) -> None:
        """Write a small file at once. StorageError where it exists and is not to be replaced."""
        ...

    def open(self, name: str) -> Stream:
        """The file, to be read once. NotFoundError where there is none."""
        ...

    def fetch(self, name: str, progress: Progress = silent, *, anew: bool = False) -> BinaryIO:
        """The file on this machine: it can be read again, sought in and mapped, and is to be closed.

        It stays readable even when it is deleted meanwhile. With `anew` it comes from the storage, whatever is at hand: for
        whoever wants to know what lies there. `progress` hears of its bytes as they come from elsewhere, and may raise.
        NotFoundError where there is none.
        """
        ...

    def part(self, name: str, start: int, size: int) -> bytes:
        """That many bytes of the file from there on, fewer at its end, from where they are soonest had; nothing more is fetched.

        NotFoundError where there is no such file, StorageError also where the place gives files only whole.
        """
        ...

    def hand_out(self, name: str) -> BinaryIO | Distant:
        """The file for somebody else, as it is at hand or as it comes. NotFoundError where there is none."""
        ...

    def read(self, name: str, limit: int = 64 << 20) -> bytes:
        """A small file whole. NotFoundError where there is none, StorageError where it is larger than `limit` bytes."""
        ...

    def files(self) -> list[StoredFile]:
        """Every finished file, by name."""
        ...

    def locked(self, record: str) -> AbstractContextManager[None]:
        """Nobody else writes beside `record`, nor deletes it, meanwhile. NotFoundError where there is no such file."""
        ...

    def delete(self, record: str, files: list[str]) -> None:
        """Delete `record` and then the `files` it stands for. Killed in between, `sweep` ends it. NotFoundError."""
        ...

    def begun(self, name: str) -> Begun | None:
        """What was begun with that file and is not ended: somebody is at it, or was killed; None where nobody has."""
        ...

    def sweep(self, owned: set[str], *, dry_run: bool = False) -> list[str]:
        """Remove what killed runs left, but none of the `owned` files, for which a manifest stands. Gives the names."""
        ...

    def free_bytes(self) -> int | None:
        """How much more it takes; None where nobody can tell."""
        ...


def require(storage: Storage) -> None:
    """StorageUnavailableError where its folder is not there: it may be a disk that is not mounted, and what was written in its
    place would lie on the wrong one.
    """
    if not storage.exists():
        raise StorageUnavailableError(
            f"The folder {storage} is not there, where backups are to be copied to: mount what belongs there, or make it."
        )


def chunks_of(file: Readable) -> Iterator[bytes]:
    """The rest of a file in pieces of READ_BYTES."""
    try:
        while chunk := file.read(READ_BYTES):
            yield chunk
    except OSError as error:
        raise StorageError(f"The storage cannot be read: {error.strerror}.") from None
