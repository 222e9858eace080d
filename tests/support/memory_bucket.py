"""A bucket in memory, with troubles at chosen calls: what a cloud does once in a thousand times is tried in milliseconds."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import BinaryIO

from worker.errors import NotFoundError
from worker.progress import Proof
from worker.storage.bucket import Thing

PIECE_BYTES = 4
"""As much is brought at once by a download."""


class MemoryBucket:
    """Objects of this process. What happens beside a call is told by `beside`: it gets the call's number and its words
    when it is done and not yet answered, and may raise or change what lies here.
    """

    follow = None
    readers = 16

    def __init__(self, *, vouches: bool = True, tells: bool = True, exclusive: bool | None = None) -> None:
        self.place = "memory://bucket"
        self.exclusive = exclusive
        self.objects: dict[str, tuple[bytes, Thing]] = {}
        self.calls: list[str] = []
        self.beside: Callable[[int, str], object] | None = None
        self._vouches, self._tells, self._versions = vouches, tells, count()

    def hold(self, name: str, content: bytes, modified: datetime | None = None) -> None:
        """Have that object, whatever was there."""
        version = f"v{next(self._versions)}"
        self.objects[name] = (content, Thing(name, len(content), version, modified or datetime.now(UTC)))

    def content(self, name: str) -> bytes:
        return self.objects[name][0]

    def fails(self, call: str, error: Exception, times: int = 1, *, arrives: bool = True) -> None:
        """The next so many calls of those words end with an error, whether or not what they wrote has arrived."""
        left = times

        def beside(_: int, asked: str) -> None:
            nonlocal left
            if left and f"{asked} ".startswith(f"{call} "):
                left -= 1
                if not arrives:
                    self.objects.pop(asked.split()[1], None)
                raise error

        self.beside = beside

    def meanwhile(self, call: str, work: Callable[[], object]) -> None:
        """Somebody does that beside the next call of those words."""

        def beside(_: int, asked: str) -> None:
            if f"{asked} ".startswith(f"{call} "):
                self.beside = None
                work()

        self.beside = beside

    def _asked(self, call: str) -> None:
        self.calls.append(call)
        if self.beside:
            self.beside(len(self.calls) - 1, call)

    def things(self) -> list[Thing]:
        self._asked("things")
        return [thing for _, thing in self.objects.values()]

    def look(self, name: str) -> Thing | None:
        self._asked(f"look {name}")
        return self.objects[name][1] if name in self.objects else None

    def upload(self, name: str, file: BinaryIO, size: int, prove: Proof) -> bool:
        prove()
        content = file.read()
        assert len(content) == size
        self.hold(name, content)
        self._asked(f"upload {name}")
        return self._vouches

    def create(self, name: str, content: bytes) -> bool:
        if self._tells and name in self.objects:
            self._asked(f"create {name}")
            return False
        self.hold(name, content)
        self._asked(f"create {name}")
        return True

    def replace(self, name: str, content: bytes, version: str | None) -> bool:
        if version is not None and self.objects[name][1].version != version:
            self._asked(f"replace {name}")
            return False
        self.hold(name, content)
        self._asked(f"replace {name}")
        return True

    def read(self, name: str, most: int) -> tuple[Thing, bytes]:
        content, thing = self._held(name)
        self._asked(f"read {name}")
        return thing, content if thing.size <= most else b""

    def download(self, name: str, start: int = 0, version: str | None = None) -> tuple[Thing, Iterator[bytes]]:
        self._asked(f"download {name}")
        content, thing = self._held(name)
        if version not in (None, thing.version):
            raise NotFoundError(f"The file {name} in {self.place} has been replaced meanwhile.")
        return thing, (content[at : at + PIECE_BYTES] for at in range(start, len(content), PIECE_BYTES))

    def part(self, thing: Thing, start: int, size: int) -> bytes:
        self._asked(f"part {thing.name} {start} {size}")
        return self._held(thing.name)[0][start : start + size]

    def delete(self, names: list[str], *, soon: bool = False) -> None:  # noqa: ARG002 - it is always soon
        for name in names:
            self._asked(f"delete {name}")
            self.objects.pop(name, None)

    def _held(self, name: str) -> tuple[bytes, Thing]:
        if name not in self.objects:
            raise NotFoundError(f"There is no file {name} in {self.place}.")
        return self.objects[name]
