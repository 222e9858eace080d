"""A storage in the memory of this process: a member of the family that knows no path, as a bucket knows none."""

import io
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import BinaryIO

from worker.errors import NotFoundError, StorageError
from worker.progress import Progress, Proof, silent, undisputed
from worker.storage import StoredFile, Stream
from worker.storage.tempfiles import temporary

SCHEME = "memory"


@dataclass
class Unseen:
    """A draft: nobody sees it before it is published."""

    name: str
    storage: "Memory"
    chunks: list[bytes] = field(default_factory=list)
    published: bool = False

    def write(self, chunk: bytes) -> None:
        self.chunks.append(bytes(chunk))

    def publish(self, prove: Proof = undisputed, progress: Progress = silent) -> None:  # noqa: ARG002 - it is here already
        prove()
        self.storage.keep(self.name, b"".join(self.chunks))
        self.published = True

    def check(self) -> None:
        """Nobody takes it over."""


class Memory:
    """One place, which nobody else can be at."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._files: dict[str, tuple[int, bytes]] = {}
        self._numbers, self._locks = count(), dict[str, threading.Lock]()

    def __str__(self) -> str:
        return self._url

    @property
    def place(self) -> str:
        return self._url

    @property
    def readers(self) -> int:
        return 2

    @property
    def exclusive(self) -> bool:
        return True

    def exists(self) -> bool:
        return True

    @contextmanager
    def draft(self, names: Iterable[str], claim: str = "") -> Iterator[Unseen]:  # noqa: ARG002 - nobody is killed here
        name = next((name for name in names if name not in self._files), None)
        if name is None:
            raise StorageError("No free name was found for a new file.")
        draft = Unseen(name, self)
        try:
            yield draft
        except BaseException:
            if draft.published:
                del self._files[name]
            raise

    def put(self, name: str, content: bytes, *, replace: bool = False, prove: Proof = undisputed) -> None:
        if (name in self._files) != replace:
            raise (
                NotFoundError(f"The file {name} was deleted meanwhile.") if replace else StorageError(f"{name} exists.")
            )
        prove()
        self.keep(name, content)

    def keep(self, name: str, content: bytes) -> None:
        self._files[name] = next(self._numbers), content

    def open(self, name: str) -> Stream:
        return Stream(io.BytesIO(self._content(name)))

    def fetch(self, name: str, progress: Progress = silent, *, anew: bool = False) -> BinaryIO:  # noqa: ARG002 - it is here already
        content = self._content(name)
        file = temporary()
        file.write(content)
        file.flush()
        file.seek(0)
        return file

    def part(self, name: str, start: int, size: int) -> bytes:
        return self._content(name)[start : start + size]

    def hand_out(self, name: str) -> BinaryIO:
        return self.fetch(name)

    def read(self, name: str, limit: int = 64 << 20) -> bytes:
        content = self._content(name)
        if len(content) > limit:
            raise StorageError(f"The file {name} is larger than any of its kind can be.")
        return content

    def files(self) -> list[StoredFile]:
        return [StoredFile(name, len(content), number) for name, (number, content) in sorted(self._files.items())]

    @contextmanager
    def locked(self, record: str) -> Iterator[None]:
        self._content(record)
        with self._locks.setdefault(record, threading.Lock()):
            yield

    def delete(self, record: str, files: list[str]) -> None:
        self._content(record)
        for name in (record, *files):
            self._files.pop(name, None)

    def begun(self, name: str) -> None:
        """Nobody is killed alone."""

    def sweep(self, owned: set[str], *, dry_run: bool = False) -> list[str]:  # noqa: ARG002 - nobody is killed alone
        return []

    def free_bytes(self) -> None:
        return None

    def _content(self, name: str) -> bytes:
        if name not in self._files:
            raise NotFoundError(f"There is no file {name} in {self}.")
        return self._files[name][1]
