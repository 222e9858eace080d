"""Given keys as they are now: each one's own serialization and expiry, in batches that live traffic does not feel."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from worker.formats.entries import Entry
from worker.formats.rdb.codes import TYPE_OF
from worker.formats.rdb.payload import FOOTER_BYTES, are_intact, version_of
from worker.formats.rdb.values import kind_of
from worker.formats.types import UNKNOWN
from worker.server.pipeline import Abilities
from worker.server.reading.damage import ask_again, is_whole, shown
from worker.server.reading.expiry import Window, exact, expiry, expiry_commands
from worker.server.replies import OF_THE_SERVER
from worker.server.throttle import Pace
from worker.server.wire import Wire, pack

# A batch is sized by what the last one took, so that live traffic between two of them does not feel it: a server answers
# as much as it finds in one go, and everybody else waits. Beside batches of 500 small keys their p99 was twice as long,
# beside 100 hardly longer, and that costs no throughput, for the next batch is on its way while one is worked on. A batch
# of large keys must fit the server's output buffer and our memory.
FIRST_KEYS, MOST_KEYS = 8, 100
BATCH_SECONDS = 0.01
LEAST_BYTES, BATCH_BYTES = 64 << 10, 2 << 20
"""However long a batch takes, it may have as many as the former: it may be others who hold the server up."""

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
            entries, size = self._read(keys[done : done + whole], replies[: whole * width])
            done += whole
            batch += entries
            held += size
            # Nothing large may be held here while the next is on its way.
            del run, replies, entries
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
        answers = [
            self._entry(key, replies[start], replies[start + 1 : start + width])
            for key, start in zip(keys, range(0, len(replies), width), strict=True)
        ]
        return answers, sum(len(entry.payload or b"") for entry in answers if entry is not None)

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
        message = f"The {role.name} does not give the key {shown(key)} of database {self._db}: {error}."
        return role.error(message).said_outside(f"The {role.name} does not give one of its keys: its page says which.")

    def _adapt(self, keys: int, seconds: float, size: int) -> None:
        fitting = keys * max(
            min(BATCH_SECONDS / max(seconds, 1e-6), BATCH_BYTES / max(size, 1)), LEAST_BYTES / max(size, 1)
        )
        self.count = max(1, min(self._pace.keys(MOST_KEYS), int(fitting), self.count * 2))
