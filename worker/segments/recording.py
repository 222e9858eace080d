"""What a moment is made of: a backup, and the commands that the source ran since."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from worker.repository.manifest import Manifest
from worker.storage import Storage


@dataclass(frozen=True)
class Recording:
    """A moment of a chain."""

    base: Manifest
    storage: Storage
    """Where the base lies."""
    database: int
    """Selected when the commands begin."""
    offset: int
    """The source's replication offset at the moment."""
    history: str
    """The replication id that it had there."""
    at: datetime
    """The moment, in UTC."""
    accuracy_seconds: float
    """Plus or minus."""
    commands: Callable[[], Iterator[bytes]]
    """Whole commands, outside a transaction at the end; verified by their sha256 as they come. ArtifactError."""
    expiry_error_seconds: float = 0
    """By how much expiries may be wrong that the source set meanwhile: those of 6.2 count from when it ran a command."""
    selects: bool = True
    """Whether the stream itself says which database is selected at its end."""
