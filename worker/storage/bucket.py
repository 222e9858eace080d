"""What a place behind a network must be able to do for a storage to be made of it (remote.py does that)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from worker.progress import Proof
from worker.storage.interface import Readable


@dataclass(frozen=True)
class Thing:
    """An object of a bucket, under its name in there."""

    name: str
    size: int
    version: str | None
    """What tells its content from any other of that name; None where the place has nothing of the kind."""
    modified: datetime


class Bucket(Protocol):
    """Objects by name: each is there whole or not at all. Every method raises StorageError, within minutes at the most."""

    place: str
    """Its address, without a secret."""
    exclusive: bool | None
    """Whether `create` writes over nothing, where that has been tried."""
    readers: int
    """How many small objects are best read at once."""

    def things(self) -> list[Thing]:
        """All that lies in it, hidden things too, and nothing of what lies deeper."""
        ...

    def look(self, name: str) -> Thing | None:
        """What is known of that object; None where there is none."""
        ...

    def upload(self, name: str, file: BinaryIO, size: int, prove: Proof) -> bool:
        """Write an object out of a file, in the place of any other; `prove` is asked as it goes.

        Whether the place has told the checksum of what it holds, and that it is the right one.
        """
        ...

    @property
    def follow(self) -> Callable[[str, Readable], bool] | None:
        """Write an object out of what can be read until there is no more, which may take hours; None where an upload that breaks
        off could be seen. Gives what `upload` does.
        """
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write a small object where there is none; False where there is one. Not all places can tell."""
        ...

    def replace(self, name: str, content: bytes, version: str | None) -> bool:
        """Write a small object in the place of that version; False where it is another by now. Not all places can tell."""
        ...

    def read(self, name: str, most: int) -> tuple[Thing, bytes]:
        """A small object, and its content; of one that has more bytes than that only what is known of it."""
        ...

    def download(self, name: str, start: int = 0, version: str | None = None) -> tuple[Thing, Iterator[bytes]]:
        """An object, and its bytes from there on, in pieces. NotFoundError where it, or that version of it, is gone."""
        ...

    def part(self, thing: Thing, start: int, size: int) -> bytes:
        """That many bytes of that very object from there on, within seconds, and no others."""
        ...

    def delete(self, names: list[str], *, soon: bool = False) -> None:
        """Delete these, whether or not they are there; `soon` within seconds or not at all."""
        ...
