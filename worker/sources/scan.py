"""Any server that has DUMP: SCAN its keys and ask for each one's own serialization and expiry."""

from collections.abc import Iterator

from redis.exceptions import ResponseError

from worker.connection import Endpoint
from worker.entries import Entry
from worker.formats.strings import read_string
from worker.sources.asking import abilities
from worker.sources.keys import FOOTER_BYTES, Dumps, version_of
from worker.sources.scanning import Repeats
from worker.wire import Wire, pack, raised

# Every server of 5.0 and newer loads it: for a database without a single payload to tell the server's own version.
OLDEST_VERSION = 9


class Scan:
    """Reads all keys of some databases, each at its own moment. It is an EntryStream."""

    engine = "scan"
    consistency = "per-key"

    def __init__(self, endpoint: Endpoint, databases: list[int]) -> None:
        self.rdb_version: int | None = OLDEST_VERSION
        self.libraries: list[bytes] = []
        self.warnings: list[str] = []
        self._endpoint, self._databases = endpoint, databases

    def refusal(self) -> str | None:
        """Why the server would not answer SCAN, DUMP or PTTL, in its own words; None when it would."""
        probes = pack(b"SCAN", b"0", b"COUNT", b"1") + pack(b"DUMP", b"redis_backup") + pack(b"PTTL", b"redis_backup")
        with self._endpoint.translated("trying SCAN and DUMP"), Wire(self._endpoint) as wire:
            wire.send(probes)
            refused = [str(answer) for answer in wire.replies(3) if isinstance(answer, Exception)]
        return refused[0] if refused else None

    def batches(self) -> Iterator[list[Entry]]:
        """Yield every key that is there all the time, once, with its payload.

        Raises SourceError where a key cannot be read, and SourceUnavailableError where the connection breaks.
        """
        with self._endpoint.translated("reading keys"):
            with Wire(self._endpoint) as wire:
                self._read_libraries(wire)
            for db in self._databases:
                with Wire(self._endpoint, db) as wire:
                    dumps = Dumps(wire, db, self._endpoint.role, abilities(wire), self._learn_version)
                    yield from _Database(wire, dumps).batches()

    def _read_libraries(self, wire: Wire) -> None:
        """FUNCTION DUMP (7.0 and newer) gives the functions as they stand in an RDB file, and the file's version."""
        wire.send(pack(b"FUNCTION", b"DUMP"))
        dump = wire.reply()
        if isinstance(dump, ResponseError):
            if str(dump).startswith("NOPERM"):
                self.warnings.append(
                    "The function libraries are not in this backup: FUNCTION DUMP is not allowed to this user."
                )
            return
        self._learn_version(version_of(dump))
        pos, end = 0, len(dump) - FOOTER_BYTES
        while pos < end:
            library, pos = read_string(dump, pos + 1)
            self.libraries.append(library)

    def _learn_version(self, version: int) -> None:
        self.rdb_version = version


class _Database:
    """The keys of one database, in batches: while one is being worked on, the server is already busy with the next."""

    def __init__(self, wire: Wire, dumps: Dumps) -> None:
        self._wire, self._dumps = wire, dumps
        self._repeats = Repeats()
        self._waiting: list[bytes] = []
        self._cursor = b""

    def batches(self) -> Iterator[list[Entry]]:
        self._wire.send(self._scan(b"0"))
        self._find_more()
        keys = self._ask_for_next()
        while keys:
            last: list[Entry] = []
            for batch in self._dumps.answers(keys):
                if last:
                    yield last
                last = [entry for entry in batch if entry is not None]
            self._find_more()
            # The wire is free now: what was told too vaguely can be asked for again.
            last += self._dumps.asked_again()
            keys = self._ask_for_next()
            yield last

    def _scan(self, cursor: bytes) -> bytes:
        return pack(b"SCAN", cursor, b"COUNT", b"%d" % self._dumps.count)

    def _find_more(self) -> None:
        """Read what SCAN was answered, until there are keys or no more to come; no reply is on its way then."""
        while not self._waiting and self._cursor != b"0":
            self._cursor, found = raised(self._wire.reply())
            self._waiting = self._repeats.fresh(found)
            if not self._waiting and self._cursor != b"0":
                self._wire.send(self._scan(self._cursor))

    def _ask_for_next(self) -> list[bytes]:
        """The keys of the next batch, whose commands are then on their way; none at the end."""
        count = self._dumps.count
        keys, self._waiting = self._waiting[:count], self._waiting[count:]
        commands = self._dumps.commands(keys)
        if keys and not self._waiting and self._cursor != b"0":
            commands += self._scan(self._cursor)
        self._wire.send(commands)
        return keys
