"""What the engines `scan` and `typed` share: they ask for every key, each at its own moment."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from worker.engines.completeness import Watch
from worker.formats.entries import EntriesAlone
from worker.server.endpoint import Endpoint
from worker.server.info import Facts, read_facts


class KeyByKey(EntriesAlone):
    """A Source that is an EntryStream as well. `engine`, `rdb_version` and `batches` are the child's, which yields every
    key that is there all the time, once.
    """

    consistency = "per-key"
    rdb_version: int | None
    _watch: Watch
    """Begun when the entries are asked for."""

    def __init__(self, endpoint: Endpoint, databases: list[int]) -> None:
        self.libraries: list[bytes] = []
        self.warnings: list[str] = []
        self.position: dict[str, Any] = {}
        self.named = 0
        """Keys that SCAN has named, whether or not they were still there when they were asked for."""
        self._endpoint, self._databases = endpoint, databases

    def chunks(self) -> None:
        """None: the server sends no file."""

    @contextmanager
    def entries(self) -> Iterator[Self]:
        """Itself. The server's counters are watched from now on, because SCAN does not show what went missing meanwhile."""
        self._watch = Watch(self._endpoint, self._databases)
        yield self

    def check_sender(self, facts: Facts) -> None:
        """Nothing: the watch notices when another server answers than before."""

    def missing(self, read: Mapping[int, int]) -> str | None:
        """By the server's own counters, before and now."""
        return self._watch.missing(read, self.named)

    def stale(self, facts: Facts) -> str | None:
        """Whether a replica has lost its primary meanwhile."""
        if facts.role == "master":
            return None
        now = read_facts(self._endpoint)
        if now.role == "master" or now.primary_link_up:
            return None
        return (
            f"The source at {self._endpoint.address} is a replica that lost the link to its primary while it was read: what "
            "was written there since is not in this backup."
        )
