"""Any server that has DUMP: SCAN its keys and ask for each one's own serialization and expiry."""

import time
from collections.abc import Callable, Iterator

from redis.exceptions import ResponseError

from worker.connection import Endpoint
from worker.entries import Entry
from worker.errors import SourceError
from worker.formats.strings import read_string
from worker.formats.values import TYPE_OF
from worker.sources.asking import abilities
from worker.sources.expiry import Window, exact, expiry, expiry_commands
from worker.sources.scanning import Repeats
from worker.wire import Wire, pack, raised

# A batch is sized by what the last one took, so that live traffic between two of them does not feel it. 500 small keys
# are served faster than 4,000 (caches), and a batch of large ones must fit the server's output buffer and our memory.
FIRST_KEYS, MOST_KEYS = 8, 500
BATCH_SECONDS = 0.01
BATCH_BYTES = 2 << 20

FOOTER_BYTES = 10
# Every server of 5.0 and newer loads it: for a database without a single payload to tell the server's own version.
OLDEST_VERSION = 9
_NEVER, _GONE = -1, -2


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
                    yield from _Database(wire, db, self._learn_version).batches()

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
        self.rdb_version = _version(dump)
        pos, end = 0, len(dump) - FOOTER_BYTES
        while pos < end:
            library, pos = read_string(dump, pos + 1)
            self.libraries.append(library)

    def _learn_version(self, dump: bytes) -> None:
        self.rdb_version = _version(dump)


class _Database:
    """The keys of one database, in batches: while one is being worked on, the server is already busy with the next."""

    def __init__(self, wire: Wire, db: int, learn_version: Callable[[bytes], None]) -> None:
        self._wire, self._db, self._learn_version = wire, db, learn_version
        self._able = abilities(wire)
        self._repeats = Repeats()
        self._count = FIRST_KEYS
        self._waiting: list[bytes] = []
        self._cursor = b""
        self._unsure: list[tuple[Entry, Window]] = []

    def batches(self) -> Iterator[list[Entry]]:
        self._wire.send(self._scan(b"0"))
        self._find_more()
        keys = self._ask_for_next()
        while keys:
            last: list[Entry] = []
            for batch in self._read(keys):
                if last:
                    yield last
                last = batch
            self._find_more()
            last += self._asked_again()
            keys = self._ask_for_next()
            yield last

    def _scan(self, cursor: bytes) -> bytes:
        return pack(b"SCAN", cursor, b"COUNT", b"%d" % self._count)

    def _find_more(self) -> None:
        """Read what SCAN was answered, until there are keys or no more to come; no reply is on its way then."""
        while not self._waiting and self._cursor != b"0":
            self._cursor, found = raised(self._wire.reply())
            self._waiting = self._repeats.fresh(found)
            if not self._waiting and self._cursor != b"0":
                self._wire.send(self._scan(self._cursor))

    def _asked_again(self) -> list[Entry]:
        """The entries whose expiry was told too vaguely, now that the wire is free to ask for it again."""
        unsure, self._unsure = self._unsure, []
        moments = exact(self._wire, ((entry.key, window) for entry, window in unsure), self._able)
        return [entry._replace(expires_at=moments[entry.key]) for entry, _ in unsure]

    def _ask_for_next(self) -> list[bytes]:
        """The keys of the next batch, whose commands are then on their way; none at the end."""
        keys, self._waiting = self._waiting[: self._count], self._waiting[self._count :]
        commands = [self._commands(key) for key in keys]
        if keys and not self._waiting and self._cursor != b"0":
            commands.append(self._scan(self._cursor))
        self._wire.send(b"".join(commands))
        return keys

    def _commands(self, key: bytes) -> bytes:
        if self._able.absolute:
            # Spelt out, for it is done for every key: `pack` takes four times as long.
            size = len(key)
            return b"*2\r\n$4\r\nDUMP\r\n$%d\r\n%b\r\n*2\r\n$11\r\nPEXPIRETIME\r\n$%d\r\n%b\r\n" % (
                size,
                key,
                size,
                key,
            )
        return pack(b"DUMP", key) + b"".join(pack(*command) for command in expiry_commands(key, self._able))

    def _read(self, keys: list[bytes]) -> Iterator[list[Entry]]:
        """The answers for these keys; a batch is given away early when large values fill it."""
        since, total, held = time.perf_counter(), 0, 0
        batch: list[Entry] = []
        db, absolute = self._db, self._able.absolute
        replies = self._wire.replies(len(keys) * (2 if absolute else 4))
        for key in keys:
            dump = next(replies)
            times = [next(replies)] if absolute else [next(replies) for _ in range(3)]
            left = times[len(times) // 2]
            # A nil means that the key has gone since SCAN named it, and -2 that it went a moment later.
            if dump is None or left == _GONE:
                continue
            if isinstance(dump, Exception):
                raise self._refused(key, dump)
            if not batch:
                self._learn_version(dump)
            expires_at, window = None, None
            if left != _NEVER:
                window = None if absolute else expiry(times)
                expires_at = raised(left) if window is None else window.latest
            entry = Entry(db, key, expires_at, TYPE_OF.get(dump[0], "unknown"), dump[:-FOOTER_BYTES])
            if window is not None and window.wide:
                self._unsure.append((entry, window))
                continue
            batch.append(entry)
            held += len(dump)
            if held > BATCH_BYTES:
                yield batch
                batch, total, held = [], total + held, 0
        self._adapt(len(keys), time.perf_counter() - since, total + held)
        yield batch

    def _refused(self, key: bytes, error: Exception) -> SourceError:
        shown = key[:64].decode("utf-8", "backslashreplace")
        return SourceError(f"The source does not give the key {shown!r} of database {self._db}: {error}.")

    def _adapt(self, keys: int, seconds: float, size: int) -> None:
        fitting = keys * min(BATCH_SECONDS / max(seconds, 1e-6), BATCH_BYTES / max(size, 1))
        self._count = max(1, min(MOST_KEYS, int(fitting), self._count * 2))


def _version(dump: bytes) -> int:
    return int.from_bytes(dump[-FOOTER_BYTES : 2 - FOOTER_BYTES], "little")
