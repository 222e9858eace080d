"""What came of a drill: the last one is noted beside the backup that it brought back."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from worker.repository.drills.quantities import Count, Moment, Seconds

Way = Literal["mirror", "keys", "read"]
"""The server loaded the backup as one file; it was written key by key; no server was there, and it was only decoded."""
GIGABYTE = 10**9


class Rehearsal(BaseModel):
    """One drill. It names no keys: notes are read by whoever reads the storage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Moment
    """When it ended."""
    way: Way
    reason: str = ""
    """Why no server was given it, as a clause."""
    server: str | None = None
    """What it was brought back into, such as `valkey 9.1.0`; None where none was."""
    storage: str
    """The place that it was read from."""
    seconds: Seconds
    """The recovery time: from asking for the file to the last key that was there."""
    keys: Count
    """That were there then, or could be decoded."""
    bytes: Count
    """Of the dump itself, unpacked."""
    compared: Literal["sample", "all", "none"]
    """Of how many keys the values were compared with the backup's."""
    sampled: Count = 0
    """How many these were."""
    seed: Count | None = None
    """What the sample was drawn with."""
    differs: list[str] = []
    """What was not as it should be, in sentences."""

    @property
    def is_good(self) -> bool:
        """Whether the data came back in a server, as they are in the backup."""
        return self.way != "read" and not self.differs

    @property
    def has_failed(self) -> bool:
        """Whether something was not as it should be."""
        return bool(self.differs)

    @property
    def seconds_per_gb(self) -> float | None:
        """Seconds for 10^9 bytes of the dump; None where it has none."""
        return self.seconds * GIGABYTE / self.bytes if self.bytes else None


def latest(*drills: Rehearsal | None) -> Rehearsal | None:
    """The last of them."""
    return max((drill for drill in drills if drill), key=lambda drill: drill.at, default=None)
