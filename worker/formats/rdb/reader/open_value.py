"""A value that does not end in the window that it begins in."""

from dataclasses import dataclass, field
from io import BytesIO

from worker.formats.rdb.skipping import Skipper


@dataclass(slots=True)
class OpenValue:
    """A value that began in this window and goes on in the next."""

    code: int
    kind: str
    key: bytes
    start: int
    reached: int
    skipper: Skipper | None
    held: BytesIO = field(default_factory=BytesIO)
    """The payload so far, where it was asked for. A BytesIO gives its bytes away at the end without another copy."""
