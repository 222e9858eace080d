"""The engine for servers without DUMP: every value, read with the ordinary commands of its type."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from redis.exceptions import ResponseError

from worker.engines.database import Database
from worker.engines.key_by_key import KeyByKey
from worker.engines.sample import Sample, can_dump
from worker.formats.entries import Entry
from worker.server.info import info, keyspace
from worker.server.pipeline import abilities, no_touch
from worker.server.reading.damage import NONSENSE, libraries_damaged
from worker.server.reading.scanning import scan_keys
from worker.server.throttle import Pace
from worker.server.wire import Wire

KEYS = 500
"""Keys of one round of SCAN, and of one batch."""


class Typed(KeyByKey):
    """Reads all keys of some databases, with their values."""

    engine = "typed"
    rdb_version = None

    def batches(self) -> Iterator[list[Entry]]:
        """Yield every key that is there all the time, once, with its value; at least one batch per round of SCAN.

        Raises SourceError, or SourceUnavailableError where the connection breaks: a SCAN cannot go on over another one.
        """
        with self._endpoint.translated("reading keys"):
            pace, sample = Pace(self._endpoint), self._sample()
            for db in self._databases:
                with Wire(self._endpoint, db) as wire:
                    self.libraries = self._read_libraries(wire)
                    able = abilities(wire, fields=True)
                    no_touch(wire, able)
                    database = Database(self._endpoint, wire, db, able)
                    for keys in scan_keys(wire, KEYS):
                        self.named += len(keys)
                        for some in pace.cut(keys, KEYS) if keys else [keys]:
                            for batch in database.read(some):
                                yield sample.checked(wire, able, batch, database.read) if sample else batch
                            pace.rest()
            self._tell_of(sample)

    def _sample(self) -> Sample | None:
        """A sample to compare with DUMP; None where the server has no DUMP."""
        with Wire(self._endpoint) as wire:
            there = keyspace(info(wire, b"keyspace"))
            keys = sum(there.get(db, {}).get("keys", 0) for db in self._databases)
            return Sample(self._endpoint, keys) if can_dump(wire) else None

    def _tell_of(self, sample: Sample | None) -> None:
        """Warn that these values have no checksum. Over TLS the connection has one."""
        if self._endpoint.encrypted:
            return
        compared = sample.compared if sample else 0
        but = f", but that {compared:,} of them, chosen by chance, are what DUMP gives" if compared else ""
        self.warnings.append(
            "The ordinary commands give values without a checksum: nothing tells whether bytes of this backup were changed on "
            f"their way from the source{but}."
        )

    def _read_libraries(self, wire: Wire) -> list[bytes]:
        """The source texts of the server's functions; none where it has none, or does not show them to us."""
        for _ in range(2):
            reply = wire.try_(b"FUNCTION", b"LIST", b"WITHCODE")
            if isinstance(reply, ResponseError):
                if str(reply).startswith("NOPERM"):
                    self.warnings = [
                        "The function libraries are not in this backup: FUNCTION LIST is not allowed to this user."
                    ]
                return []
            with suppress(*NONSENSE):
                return _libraries(reply)
        raise libraries_damaged(self._endpoint.role)


def _libraries(reply: Any) -> list[bytes]:
    return [dict(zip(library[::2], library[1::2], strict=True))[b"library_code"] for library in reply]
