"""The present state of given keys: asked for ahead, so that the server is at work while we are."""

import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self, TypeVar

from worker.formats.entries import Entry
from worker.server.endpoint import Endpoint
from worker.server.pipeline import abilities, milliseconds, no_touch
from worker.server.reading.dumps import FIRST_KEYS, MOST_KEYS, Dumps
from worker.server.replies import raised
from worker.server.throttle import Pace
from worker.server.wire import Wire, pack

AHEAD = 2
"""Batches that are on their way at once: with one, the server would wait while we work, and we while it works."""

_T = TypeVar("_T")


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
        for entries in self.read_ahead((db, some) for some in self.cut(keys)):
            yield from entries

    def cut(self, many: list[_T]) -> Iterator[list[_T]]:
        """Cut keys, or questions about keys, into parts of a size that suits the server at that moment."""
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
        """Whether this part may be asked for while so many parts are on their way."""
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
        """The server's clock, in milliseconds since the epoch. It is asked once and reckoned from then on, without waiting.

        The first time no reply may be on its way.
        """
        if self._clock_offset is None:
            with self._endpoint.translated("asking for the time"):
                server_time = milliseconds(self._wire.ask(b"TIME"))
            self._clock_offset = server_time - time.monotonic() * 1000
        return round(time.monotonic() * 1000 + self._clock_offset)

    def _there(self, keys: list[bytes]) -> Iterator[bool]:
        # Mostly all of them are there or none, so one EXISTS is enough. Before Redis 3.0.3 it takes one key only.
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
    """The answers for these keys; from the first missing one on they wait for those that are asked again."""
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
