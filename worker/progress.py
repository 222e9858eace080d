"""What a run calls as it goes: how far it has come, shown by whoever called it, and whether it may still go on."""

from collections.abc import Callable, Iterator
from typing import Protocol

Proof = Callable[[], None]
"""Asked right before something that cannot be taken back: raises where it may not be done. It holds for the moment."""


def undisputed() -> None:
    """Nobody else can have a say in it."""


class Progress(Protocol):
    """Takes what was done so far; called often, so it must be quick and never fail."""

    def __call__(self, phase: str, current: int, total: int | None, unit: str) -> None:
        """`current` of `total` (None: not known) in `unit`, within `phase`."""
        ...


def silent(phase: str, current: int, total: int | None, unit: str) -> None:
    """Shows nothing."""


def both(one: Progress, other: Progress) -> Progress:
    """Tells two."""

    def tell(phase: str, current: int, total: int | None, unit: str) -> None:
        one(phase, current, total, unit)
        other(phase, current, total, unit)

    return tell


def reported(chunks: Iterator[bytes], progress: Progress, phase: str, total: int | None) -> Iterator[bytes]:
    """The same chunks; the bytes that passed are reported."""
    passed = 0
    for chunk in chunks:
        yield chunk
        passed += len(chunk)
        progress(phase, passed, total, "bytes")


def followed(chunks: Iterator[bytes], tell: Callable[[], None]) -> Iterator[bytes]:
    """The same chunks; `tell` is called behind each, as it is read: a compressor may hold back megabytes of them."""
    for chunk in chunks:
        yield chunk
        tell()
