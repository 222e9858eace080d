"""Given keys as they are now: each one's own serialization and expiry, in batches that live traffic does not feel."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from worker.formats.entries import Entry
from worker.formats.rdb.codes import TYPE_OF
from worker.formats.rdb.payload import FOOTER_BYTES, are_intact, version_of
from worker.formats.rdb.values import kind_of
from worker.formats.types import UNKNOWN
from worker.server.damage import ask_again, is_whole, shown
from worker.server.endpoint import Endpoint
from worker.server.expiry import Window, exact, expiry, expiry_commands
from worker.server.pipeline import Abilities, abilities, milliseconds, no_touch
from worker.server.throttle import Pace
from worker.server.wire import OF_THE_SERVER, Wire, pack, raised

# A batch is sized by what the last one took, so that live traffic between two of them does not feel it: a server answers
# as much as it finds in one go, and everybody else waits. Beside batches of 500 small keys their p99 was twice as long,
# beside 100 hardly longer, and that costs no throughput, for the next batch is on its way while one is worked on. A batch
# of large keys must fit the server's output buffer and our memory.
FIRST_KEYS, MOST_KEYS = 8, 100
AHEAD = 2
"""Batches that are on their way at once: with one the server waits while we work, and we while it does."""
BATCH_SECONDS = 0.01
LEAST_BYTES, BATCH_BYTES = 64 << 10, 2 << 20
"""However long a batch takes, it may have as many as the former: it may be others who hold the server up."""

_T = TypeVar("_T")

_NEVER, _GONE = -1, -2
_NAMES = [TYPE_OF.get(code, UNKNOWN) for code in range(256)]
_SHORT = 256
_ASK_DUMP = [b"*2\r\n$4\r\nDUMP\r\n$%d\r\n" % size for size in range(_SHORT)]
_ASK_EXPIRY = [b"\r\n*2\r\n$11\r\nPEXPIRETIME\r\n$%d\r\n" % size for size in range(_SHORT)]
_new = tuple.__new__


class Dumps:
    """DUMP and expiry of many keys of one database: the commands, and what their replies mean.

    `count` is how many keys the next batch should have; between two of them the pace is kept. `learn_version` is told the
    RDB version of payloads, now and then.
    """

    def __init__(self, wire: Wire, db: int, able: Abilities, pace: Pace, learn_version: Callable[[int], None]) -> None:
        self.count = FIRST_KEYS
        self._wire, self._db, self._able, self._pace = wire, db, able, pace
        self._learn_version = learn_version
        self.unsure: list[tuple[Entry, Window]] = []
        """What `asked_again` is to ask for."""

    @property
    def exact(self) -> bool:
        """Whether there never is anything for `asked_again`."""
        return self._able.absolute

    @property
    def _width(self) -> int:
        """Replies to a key."""
        return 2 if self._able.absolute else 4

    def commands(self, keys: list[bytes]) -> bytes:
        """What to send for these keys."""
        if not self._able.absolute:
            commands = [command for key in keys for command in ((b"DUMP", key), *expiry_commands(key, self._able))]
            return b"".join(pack(*command) for command in commands)
        # Put together from ready-made pieces, for it is done for every key: a `%` takes twice as long, `pack` eight times.
        parts: list[bytes] = []
        for key in keys:
            size = len(key)
            if size >= _SHORT:
                parts.append(pack(b"DUMP", key) + pack(b"PEXPIRETIME", key))
                continue
            parts += (_ASK_DUMP[size], key, _ASK_EXPIRY[size], key, b"\r\n")
        return b"".join(parts)

    def answers(self, keys: list[bytes]) -> Iterator[list[Entry | None]]:
        """Yield the answers for these keys, in their order; a batch is given away early when large values fill it.

        None stands for a key that is not there, and for one that `asked_again` gives.
        """
        since, total, held, done = time.perf_counter(), 0, 0, 0
        width = self._width
        batch: list[Entry | None] = []
        begun: list[Any] = []
        for run in self._wire.runs(len(keys) * width, cut=FOOTER_BYTES):
            replies = begun + run if begun else run
            whole = len(replies) // width
            begun = replies[whole * width :]
            found, size = self._read(keys[done : done + whole], replies[: whole * width])
            done += whole
            batch += found
            held += size
            # Nothing large may be held here while the next is on its way.
            del run, replies, found
            if held > BATCH_BYTES:
                yield batch
                batch, total, held = [], total + held, 0
        self._adapt(len(keys), time.perf_counter() - since, total + held)
        self._pace.rest()
        yield batch

    def _read(self, keys: list[bytes], replies: list[Any]) -> tuple[list[Entry | None], int]:
        """What the replies mean to their keys, and the bytes of the payloads."""
        if self._able.absolute and keys:
            dumps, times = replies[::2], replies[1::2]
            # Mostly there is nothing special about any of them: then no Python but this runs for a key.
            if set(map(type, dumps)) == {bytes} and set(map(type, times)) == {int} and min(times) > _GONE:
                sealed, payloads = b"".join(dumps), [dump[:-FOOTER_BYTES] for dump in dumps]
                if all(payloads) and are_intact(sealed):
                    self._learn_version(version_of(dumps[0]))
                    db, kinds = self._db, [_NAMES[payload[0]] for payload in payloads]
                    if "module" in kinds:
                        kinds = [kind_of(payload) for payload in payloads]
                    # The constructor of a NamedTuple takes twice as long.
                    entries: list[Entry | None] = [
                        _new(Entry, (db, key, at if at != _NEVER else None, kind, payload, None, None))
                        for key, kind, payload, at in zip(keys, kinds, payloads, times, strict=True)
                    ]
                    return entries, len(sealed)
        width = self._width
        found = [
            self._entry(key, replies[start], replies[start + 1 : start + width])
            for key, start in zip(keys, range(0, len(replies), width), strict=True)
        ]
        return found, sum(len(entry.payload or b"") for entry in found if entry is not None)

    def _entry(self, key: bytes, dump: Any, times: list[Any]) -> Entry | None:
        if not is_whole(dump, times):
            dump, *times = ask_again(self._pace.endpoint, self._db, key, self._able)
        left = times[len(times) // 2]
        # A nil means that there is no such key (any more), and -2 that it went a moment later.
        if dump is None or left == _GONE:
            return None
        if isinstance(dump, Exception):
            raise self._refused(key, dump)
        # Of a large one the footer comes apart.
        payload, footer = dump if isinstance(dump, tuple) else (dump[:-FOOTER_BYTES], dump)
        self._learn_version(version_of(footer))
        window = expiry(times)
        entry = Entry(self._db, key, window and window.latest, kind_of(payload), payload)
        if window is None or not window.wide:
            return entry
        self.unsure.append((entry, window))
        return None

    def asked_again(self) -> list[Entry]:
        """The entries whose expiry was told too vaguely, asked for again; no reply must be on its way then."""
        unsure, self.unsure = self.unsure, []
        moments = exact(self._wire, ((entry.key, window) for entry, window in unsure), self._able)
        return [entry._replace(expires_at=moments[entry.key]) for entry, _ in unsure]

    def _refused(self, key: bytes, error: Exception) -> Exception:
        if isinstance(error, OF_THE_SERVER):
            return error
        role = self._pace.endpoint.role
        return role.error(f"The {role.name} does not give the key {shown(key)} of database {self._db}: {error}.")

    def _adapt(self, keys: int, seconds: float, size: int) -> None:
        fitting = keys * max(
            min(BATCH_SECONDS / max(seconds, 1e-6), BATCH_BYTES / max(size, 1)), LEAST_BYTES / max(size, 1)
        )
        self.count = max(1, min(self._pace.keys(MOST_KEYS), int(fitting), self.count * 2))


class Keys:
    """The present state of given keys of a server, over one connection that lives as long as the `with` block.

    Every call raises the endpoint's errors. With `fields` it is also found out whether those of hashes expire there.
    """

    def __init__(self, endpoint: Endpoint, *, fields: bool = False) -> None:
        self.rdb_version: int | None = None
        """Of the payloads; None until there was one."""
        self._endpoint, self._pace = endpoint, Pace(endpoint)
        self._fields = fields
        self._db = 0
        self._count = FIRST_KEYS
        self._clock_offset: float | None = None

    def __enter__(self) -> Self:
        with self._endpoint.translated("reading keys"):
            self._wire = Wire(self._endpoint)
            self.able = abilities(self._wire, fields=self._fields)
            no_touch(self._wire, self.able)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.__exit__(kind, error, trace)

    def read(self, db: int, keys: list[bytes]) -> Iterator[Entry | None]:
        """Yield each key as it is now, None where it is not there, in the order of `keys`; to be read to the end.

        The payload has no footer, the expiry is exact. However many keys and however large: of their values about
        BATCH_BYTES are held at a time, or one that is larger.
        """
        for found in self.read_ahead((db, some) for some in self.cut(keys)):
            yield from found

    def cut(self, many: list[_T]) -> Iterator[list[_T]]:
        """Keys, or what they are asked for, in parts of a size that serves them well by then."""
        start = 0
        while start < len(many):
            some = many[start : start + self._count]
            start += len(some)
            yield some

    def read_ahead(self, parts: Iterator[tuple[int, list[bytes]]]) -> Iterator[list[Entry | None]]:
        """The same for parts, each with its database: while one is being worked on, the server is busy with the next.

        What it yields are not the parts: those of large values come in pieces. A part without keys is answered by an
        empty list, and it ends what is on its way: nothing behind it is taken from `parts` before that.
        """
        asked: deque[tuple[Dumps, list[bytes]]] = deque()
        for db, keys in parts:
            # Where parts come from has its own work with them, and so has whoever takes what is yielded. Neither is under
            # `translated`: what goes wrong there is not the server's doing.
            while asked and not self._may_follow(db, keys, len(asked)):
                yield from self._answered(*asked.popleft())
            if keys:
                asked.append(self._ask(db, keys))
            else:
                yield []
        while asked:
            yield from self._answered(*asked.popleft())

    def _may_follow(self, db: int, keys: list[bytes], asked: int) -> bool:
        """Whether these may be asked for while the replies to so many parts are on their way."""
        # Of large values there are few in a part, and one part of them is enough; what is vague is asked again in between.
        ahead = self._pace.ahead(AHEAD, 1) if self.able.absolute and self._count >= FIRST_KEYS else 1
        return bool(keys) and db == self._db and asked < ahead

    def _ask(self, db: int, keys: list[bytes]) -> tuple[Dumps, list[bytes]]:
        """These keys, whose commands are then on their way."""
        dumps = Dumps(self._wire, db, self.able, self._pace, self._learn_version)
        dumps.count = self._count
        with self._endpoint.translated("reading keys"):
            self._select(db)
            self._wire.send(dumps.commands(keys))
        return dumps, keys

    def _answered(self, dumps: Dumps, keys: list[bytes]) -> Iterator[list[Entry | None]]:
        with self._endpoint.translated("reading keys"):
            yield from _in_order(dumps, keys)
        self._count = dumps.count

    def there(self, db: int, keys: list[bytes]) -> Iterator[bool]:
        """Yield whether each key is there, in the order of `keys`; to be read to the end."""
        with self._endpoint.translated("looking for keys"):
            self._select(db)
            for start in range(0, len(keys), MOST_KEYS):
                yield from self._there(keys[start : start + MOST_KEYS])

    def now(self) -> int:
        """The server's clock, in milliseconds since the epoch: asked once, and then reckoned, so that nothing waits for it.

        The first time no reply may be on its way.
        """
        if self._clock_offset is None:
            with self._endpoint.translated("asking for the time"):
                told = milliseconds(self._wire.ask(b"TIME"))
            self._clock_offset = told - time.monotonic() * 1000
        return round(time.monotonic() * 1000 + self._clock_offset)

    def _there(self, keys: list[bytes]) -> Iterator[bool]:
        # Mostly none of them is there, or all: one question. Before Redis 3.0.3 it may be about one key only.
        number = self._wire.try_(b"EXISTS", *keys)
        if number in (0, len(keys)):
            yield from [number > 0] * len(keys)
            return
        self._wire.send(b"".join(pack(b"EXISTS", key) for key in keys))
        for reply in self._wire.replies(len(keys)):
            yield raised(reply) == 1

    def _select(self, db: int) -> None:
        if db != self._db:
            self._wire.ask(b"SELECT", b"%d" % db)
            self._db = db

    def _learn_version(self, version: int) -> None:
        self.rdb_version = version


def _in_order(dumps: Dumps, keys: list[bytes]) -> Iterator[list[Entry | None]]:
    """The answers for these keys; from the first that is not there they wait for those that are asked again."""
    waiting: list[Entry | None] = []
    for batch in dumps.answers(keys):
        if waiting or dumps.unsure:
            waiting += batch
        else:
            yield batch
    again = {entry.key: entry for entry in dumps.asked_again()}
    if waiting:
        first = len(keys) - len(waiting)
        yield [entry or again.get(key) for entry, key in zip(waiting, keys[first:], strict=True)]
