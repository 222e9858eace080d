"""What every way to read a Redis offers: who backs one up asks the same of all engines, and never which one it has."""

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from worker.formats.entries import EntryStream
from worker.server.info import Facts


class Source(Protocol):
    """A server that is to be read, once. Methods that ask it raise the endpoint's errors."""

    @property
    def engine(self) -> str:
        """Its name in the setting BACKUP_ENGINE."""
        ...

    @property
    def consistency(self) -> str:
        """As a manifest says it: `point-in-time`, or `per-key` where each key is read at its own moment."""
        ...

    @property
    def warnings(self) -> list[str]:
        """Warnings about what was read, in sentences; complete once all was read."""
        ...

    @property
    def position(self) -> dict[str, Any]:
        """`replication_id` and `replication_offset` of what was read; empty where it stands at no single offset."""
        ...

    def chunks(self) -> Generator[bytes] | None:
        """Yield the RDB file that the server itself sends; None where it sends none, and `entries` is all there is."""
        ...

    def entries(self) -> AbstractContextManager[EntryStream]:
        """Its keys with payloads or values; the connection ends with the block, whatever still refers to the stream."""
        ...

    def check_sender(self, facts: Facts) -> None:
        """SourceUnavailableError where another server was read than the one whose facts these are."""
        ...

    def missing(self, read: Mapping[int, int]) -> str | None:
        """How many keys were read of how many, and why those are not all, as a clause; None where nothing speaks against it.

        `read` are the numbers of keys by database. SourceUnavailableError where what was read is not worth keeping.
        """
        ...

    def stale(self, facts: Facts) -> str | None:
        """A sentence where a replica lost its primary while it was read, else None. `facts` are those before."""
        ...
