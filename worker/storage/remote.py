"""A storage made of a bucket: what is written lies here first, and is shown there when it is whole.

A name that is being written, and a deletion that has begun, are marked by a small hidden object beside it: what a killed run
left is known by that, once it is a day old. Where a bucket takes `create` at its word, nobody can write over anybody; where
it does not (Remote finds out with the first mark), names are looked up beforehand, and a mark is read again before it counts.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import BinaryIO

from worker.errors import NotFoundError, StorageError
from worker.progress import Progress, Proof, silent, undisputed
from worker.storage.bucket import Bucket, Thing
from worker.storage.cache import Cache
from worker.storage.interface import READ_BYTES, Begun, Distant, Storage, StoredFile, Stream
from worker.storage.listing import NAME
from worker.storage.passing import Passing
from worker.storage.upload import Spooled, mark_of, put_new, put_over

LEFT_AFTER = timedelta(hours=24)
"""How old a mark must be for its run to be taken for dead."""

_MARK = re.compile(r"\.(?P<name>.+)\.(?P<what>partial|deleting)")

_seen: ContextVar[dict[str, str | None] | None] = ContextVar("seen", default=None)
"""While a record is locked: the versions of what was read, which are to be the ones that are replaced."""


@dataclass(frozen=True)
class Remote:
    """What lies in a bucket, under one address."""

    bucket: Bucket = field(compare=False)
    cache: Cache = field(compare=False)
    place: str
    """Its address: the same for whoever means the same place."""

    def __str__(self) -> str:
        return self.place

    @property
    def readers(self) -> int:
        """So many answers are on their way at once."""
        return self.bucket.readers

    @property
    def exclusive(self) -> bool | None:
        """As the first mark has shown."""
        return self.bucket.exclusive

    def exists(self) -> bool:
        """A bucket is never made by us: whether it is there is told by whatever is done with it."""
        return True

    @contextmanager
    def draft(self, names: Iterable[str], claim: str = "") -> Iterator[Spooled]:
        """Begin a file under the first of `names` that is free. It is gone afterwards unless it was published and kept."""
        for name in names:
            if (draft := Spooled.begun(self.bucket, self.cache, name, claim)) is not None:
                break
        else:
            raise StorageError("No free name was found for a new file.")
        try:
            yield draft
        except BaseException:
            draft.withdraw()
            raise
        finally:
            draft.close()
            self._wrote()

    def put(self, name: str, content: bytes, *, replace: bool = False, prove: Proof = undisputed) -> None:
        """Write a small file at once. StorageError where it exists and is not to be replaced."""
        _check(name)
        try:
            if replace:
                seen = _seen.get() or {}
                put_over(self.bucket, name, content, seen.get(name))
            else:
                put_new(self.bucket, name, content, prove)
        finally:
            self._wrote()

    def open(self, name: str) -> Stream:
        """The file, to be read once. NotFoundError where there is none."""
        _check(name)
        thing, pieces = self.bucket.download(name)
        return self._stream(thing, pieces, thing.size)

    def fetch(self, name: str, progress: Progress = silent, *, anew: bool = False) -> BinaryIO:
        """A copy of it on this machine, kept for a while; with `anew` it is fetched again all the same."""
        thing = self._thing_of(name)

        def tell(there: int) -> None:
            progress("fetching", there, thing.size, "bytes")

        return self.cache.fetch(self._what(thing), thing.size, partial(self._fill, thing, tell), tell, anew=anew)

    def part(self, name: str, start: int, size: int) -> bytes:
        """That many bytes of the file from there on: of the copy of it on this machine, if there is one."""
        thing = self._thing_of(name)
        kept = self.cache.kept(self._what(thing))
        if kept is None:
            return self.bucket.part(thing, start, size)
        with kept, self.cache.usable():
            kept.seek(start)
            return kept.read(size)

    def hand_out(self, name: str) -> BinaryIO | Distant:
        """A copy of it where there is one on this machine; else what gives its bytes as they come."""
        thing = self._thing_of(name)
        return self.cache.kept(self._what(thing)) or Distant(partial(self._stream_of, thing), thing.size)

    def _what(self, thing: Thing) -> str:
        """What tells this content from all others."""
        return f"{self.place}/{thing.name} {thing.version or thing.modified} {thing.size}"

    def _fill(self, thing: Thing, tell: Callable[[int], None], file: BinaryIO) -> None:
        there = 0
        with self._stream_of(thing) as stream:
            while chunk := stream.read(READ_BYTES):
                there += file.write(chunk)
                tell(there)

    def read(self, name: str, limit: int = 64 << 20) -> bytes:
        """A small file whole. NotFoundError where there is none, StorageError where it is larger than `limit` bytes."""
        _check(name)
        thing, content = self.bucket.read(name, limit)
        if thing.size > limit:
            raise StorageError(f"The file {name} in {self.place} is larger than any of its kind can be.")
        if (seen := _seen.get()) is not None:
            seen[name] = thing.version
        return content

    def _stream_of(self, thing: Thing, start: int = 0) -> Stream:
        """Of that very version."""
        _, pieces = self.bucket.download(thing.name, start, thing.version)
        return self._stream(thing, pieces, thing.size - start)

    def _stream(self, thing: Thing, pieces: Iterator[bytes], size: int) -> Stream:
        return Stream(Passing(pieces, size, f"{self.place}/{thing.name}"))

    def _thing_of(self, name: str) -> Thing:
        _check(name)
        if (thing := self.bucket.look(name)) is None:
            raise NotFoundError(f"There is no file {name} in {self.place}.", of=name)
        return thing

    def files(self) -> list[StoredFile]:
        """Every finished file, by name."""
        files = [
            StoredFile(thing.name, thing.size, thing.version)
            for thing in self.bucket.things()
            if NAME.fullmatch(thing.name)
        ]
        return sorted(files, key=lambda file: file.name)

    @contextmanager
    def locked(self, record: str) -> Iterator[None]:
        """Nobody else of this machine writes beside `record` meanwhile; what another one wrote since it was read is not
        replaced, where the bucket can tell.
        """
        with self.cache.locked(f"{self.place}/{record}"):
            self._thing_of(record)
            token = _seen.set({})
            try:
                yield
            finally:
                _seen.reset(token)

    def delete(self, record: str, files: list[str]) -> None:
        """Delete `record` and then the `files` it stands for. Killed in between, `sweep` ends it. NotFoundError."""
        for name in files:
            _check(name)
        self._thing_of(record)
        marks = [f".{files[0]}.deleting"] if files else []
        try:
            for mark in marks:
                self.bucket.replace(mark, b"", None)
            self.bucket.delete([record])
            if files:
                self.bucket.delete(files)
                self.bucket.delete(marks)
        finally:
            self._wrote()

    def begun(self, name: str) -> Begun | None:
        """What was begun with that file and is not ended."""
        _check(name)
        if self.bucket.look(f".{name}.deleting"):
            return "deleting"
        return "writing" if self.bucket.look(mark_of(name)) else None

    def sweep(self, owned: set[str], *, dry_run: bool = False) -> list[str]:
        """Remove what killed runs left, but none of the `owned` files, for which a manifest stands. Gives the marks' names."""
        now, things = datetime.now(UTC), {thing.name: thing for thing in self.bucket.things()}
        old = {name for name, thing in things.items() if now - thing.modified > LEFT_AFTER}
        swept = []
        for mark, name, what in _marks(things):
            # A deletion that has begun is ended at once: nobody writes that name again.
            ended = what == "deleting" and name not in owned
            if not ended and mark not in old:
                continue
            doomed = [name] if name not in owned and name in things and (ended or name in old) else []
            if not dry_run:
                self.bucket.delete(doomed)
                self.bucket.delete([mark])
            swept.append(mark)
        if swept and not dry_run:
            self._wrote()
        return swept

    def free_bytes(self) -> None:
        """Nobody can tell."""

    def _wrote(self) -> None:
        """Whoever on this machine relies on what they saw a moment ago looks again."""
        with suppress(StorageError):
            self.cache.change(self.place)


def written_last(storage: Storage) -> int | None:
    """What changes whenever somebody on this machine writes there; None where a look costs so little that nobody asks."""
    return storage.cache.changed(storage.place) if isinstance(storage, Remote) else None


def _marks(things: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Of all names those of marks, each with the name that it stands beside and what was being done there."""
    for name in sorted(things):
        if mark := _MARK.fullmatch(name):
            yield name, mark["name"], mark["what"]


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise NotFoundError(f"There is no file of the name {name[:130]!r}.")
