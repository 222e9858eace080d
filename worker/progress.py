"""What a run calls as it goes: it reports how far it has come, and asks whether it may still go on."""

from collections.abc import Callable, Iterator
from typing import Protocol

Proof = Callable[[], None]
"""Called right before something that cannot be taken back; raises where it may not be done. The answer holds for a moment."""


def undisputed() -> None:
    """For what needs no proof, because nobody else works there."""


class Progress(Protocol):
    """Takes how far a run has come. It is called often, so it must be quick and never fail."""

    def __call__(self, phase: str, current: int, total: int | None, unit: str) -> None:
        """`current` of `total` (None: not known) in `unit`, within `phase`."""
        ...


def silent(phase: str, current: int, total: int | None, unit: str) -> None:
    """Reports nothing."""


def both(first: Progress, second: Progress) -> Progress:
    """Reports to both."""

    def tell(phase: str, current: int, total: int | None, unit: str) -> None:
        first(phase, current, total, unit)
        second(phase, current, total, unit)

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
