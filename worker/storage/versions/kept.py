"""A version stays readable, whoever writes over its file or deletes it."""

from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

from worker.storage.interface import Storage, Stream
from worker.storage.local import folder
from worker.storage.remote import Remote


class Kept(NamedTuple):
    """A version of a file: what the bucket calls it, the tag that listings tell it by, and its size in bytes."""

    id: str | None
    """None where the bucket does not keep it."""
    tag: str
    size: int


class Lock(NamedTuple):
    """That nobody can destroy a version."""

    until: datetime | None
    """None: until somebody lifts it."""

    @property
    def words(self) -> str:
        """What it does to a backup that is to go."""
        return (
            f"kept until {self.until:%Y-%m-%d} by the bucket's lock"
            if self.until
            else "kept by a legal hold of the bucket"
        )


class Versions(Protocol):
    """Those of one bucket. Every method raises StorageError."""

    where: str
    """Which bucket that is, wherever its address leads."""

    def of(self, name: str) -> Kept | None:
        """The version that a file is now; None where there is no such file."""
        ...

    def open(self, name: str, kept: Kept) -> Stream:
        """That version, to be read once. NotFoundError where the bucket has it no more."""
        ...

    def lock(self, name: str) -> Lock | None:
        """What keeps the version that a file is now from being destroyed; None where nothing does, or there is no such file."""
        ...


@runtime_checkable
class Keeping(Protocol):
    """A bucket of a kind that may keep versions."""

    @property
    def versions(self) -> Versions | None:
        """What does; None where we cannot ask for them."""
        ...


def versions_of(storage: Storage) -> Versions | None:
    """What keeps the versions of that storage; None where it is of no such kind."""
    if isinstance(storage, Remote) and isinstance(storage.bucket, Keeping):
        return storage.bucket.versions
    return None


def remembered_of(storage: Storage) -> Storage | None:
    """The folder of this machine for what is remembered of the versions, where nobody who writes to the bucket comes."""
    versions = versions_of(storage)
    if versions is None or not isinstance(storage, Remote):
        return None
    return folder(str(storage.cache.beside("versions", versions.where)))
