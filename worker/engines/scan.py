"""Any server that has DUMP: SCAN its keys and ask for each one's own serialization and expiry."""

from collections import deque
from collections.abc import Iterator

from redis.exceptions import ResponseError

from worker.engines.key_by_key import KeyByKey
from worker.formats.entries import Entry
from worker.formats.rdb.payload import FOOTER_BYTES, version_of
from worker.formats.rdb.strings import read_string
from worker.server.endpoint import Endpoint
from worker.server.info import info, keyspace
from worker.server.pipeline import abilities, no_touch
from worker.server.reading.damage import function_dump
from worker.server.reading.dumps import FIRST_KEYS, Dumps
from worker.server.reading.keys import AHEAD
from worker.server.reading.scanning import Repeats, named
from worker.server.throttle import Pace
from worker.server.wire import Wire, pack

# Every server since 5.0 loads it: the version of a file without a payload that would show the server's own.
OLDEST_VERSION = 9


class Scan(KeyByKey):
    """Reads all keys of some databases, with their payloads."""

    engine = "scan"

    def __init__(self, endpoint: Endpoint, databases: list[int]) -> None:
        super().__init__(endpoint, databases)
        self.rdb_version = OLDEST_VERSION

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
                pace = Pace(self._endpoint)
                with Wire(self._endpoint, db) as wire:
                    able = abilities(wire, fields=False)
                    no_touch(wire, able)
                    dumps = Dumps(wire, db, able, pace, self._learn_version)
                    there = keyspace(info(wire, b"keyspace")).get(db, {}).get("keys", 0)
                    database = _Database(wire, dumps, pace, there)
                    yield from database.batches()
                    self.named += database.read

    def _read_libraries(self, wire: Wire) -> None:
        """FUNCTION DUMP (7.0 and newer) gives the functions as they stand in an RDB file, and the file's version."""
        dump = function_dump(wire, self._endpoint.role)
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
    """The keys of one database, in batches: while one is being read, the server is already busy with the next."""

    def __init__(self, wire: Wire, dumps: Dumps, pace: Pace, unread: int) -> None:
        self._wire, self._dumps, self._pace = wire, dumps, pace
        self._unread = unread
        """How many keys of those at the start are still unread; negative where others have added some."""
        self.read = 0
        """How many keys were answered."""
        self._repeats = Repeats()
        self._waiting: list[bytes] = []
        self._cursor = b""
        # The keys that were asked for, oldest first, and whether a SCAN was sent behind them.
        self._asked: deque[tuple[list[bytes], bool]] = deque()

    def batches(self) -> Iterator[list[Entry]]:
        self._wire.send(self._scan(b"0"))
        self._read_scan()
        self._ask()
        while self._asked:
            keys, scanned = self._asked.popleft()
            last: list[Entry] = []
            for batch in self._dumps.answers(keys):
                if last:
                    yield last
                last = [entry for entry in batch if entry is not None]
            self._count(len(keys))
            if scanned:
                self._read_scan()
            if not self._asked:
                # The wire is free now: what was answered too vaguely can be asked for again.
                last += self._dumps.asked_again()
            self._ask()
            yield last

    def _count(self, read: int) -> None:
        """Hurry once more keys were read than there were at the start: others add them faster than we read gently."""
        self.read += read
        self._unread -= read
        if self._unread < 0:
            self._pace.hurry()

    def _scan(self, cursor: bytes) -> bytes:
        return pack(b"SCAN", cursor, b"COUNT", b"%d" % (self._dumps.count * AHEAD))

    def _read_scan(self) -> None:
        """Read what SCAN was answered; where nothing else is on its way, until there are keys or no more to come."""
        while True:
            self._cursor, keys = named(self._wire.reply())
            self._waiting += self._repeats.fresh(keys)
            if self._waiting or self._asked or self._cursor == b"0":
                return
            self._wire.send(self._scan(self._cursor))

    def _ask(self) -> None:
        """Ask for as many batches as may be on their way."""
        count = self._dumps.count
        # Of large values one is enough: each waits in the server's memory until we have read those before it.
        ahead = self._pace.ahead(AHEAD, 1) if self._dumps.exact and count >= FIRST_KEYS else 1
        while self._waiting and len(self._asked) < ahead:
            keys, self._waiting = self._waiting[:count], self._waiting[count:]
            self._wire.send(self._dumps.commands(keys))
            self._asked.append((keys, False))
            self._find_more()
        self._find_more()
        if self._waiting and not self._asked:
            self._ask()

    def _find_more(self) -> None:
        """Ask SCAN, once at a time, while fewer keys are known than will soon be asked for."""
        scanning = any(scanned for _, scanned in self._asked)
        if scanning or self._cursor == b"0" or len(self._waiting) >= AHEAD * self._dumps.count:
            return
        self._wire.send(self._scan(self._cursor))
        if self._asked:
            self._asked[-1] = (self._asked[-1][0], True)
        else:
            self._read_scan()
