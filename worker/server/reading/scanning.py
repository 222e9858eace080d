"""SCAN: every key that was there all the time, once."""

from collections.abc import Iterator
from typing import Any

from worker.server.replies import damaged, raised
from worker.server.wire import Wire

WINDOW_KEYS = 1 << 16
WINDOW_BYTES = 8 << 20


class Repeats:
    """Drops the keys that SCAN repeats, within a window: at flat memory, however many keys there are.

    A window is enough, since a repeat follows close behind. SCAN goes through the buckets of the hash table in the
    order of their reversed bits (dict.c, dictScan; Valkey's hashtable.c likewise), where all buckets that become one
    bucket of a smaller table are neighbours. A table that grows repeats nothing. One that shrinks between two calls
    makes the cursor begin that one small bucket again: what is left of it repeats, and between a key and its repeat
    lie only keys of the buckets that were merged. Their number is the ratio by which the table shrank, times its load
    (about 1, or 5 while a child saves). So for a repeat to pass unseen, a database must lose 99.99% of its keys in the
    middle of its scan. Tried on 5.0 to 8.10: shrunk by 12 to 200, the farthest repeat was 103 keys behind.

    The refused alternatives: to remember every key is exact, and costs a gigabyte at 10 million keys; a Bloom filter
    costs less, and loses keys.
    """

    def __init__(self) -> None:
        self._recent: set[bytes] = set()
        self._older: set[bytes] = set()
        self._bytes = 0

    def fresh(self, keys: list[bytes]) -> list[bytes]:
        """The keys that have not come before, in their order; they count as seen from now on."""
        recent, older = self._recent, self._older
        fresh = keys
        # Mostly there is no repeat, and this shows it without running Python for each key.
        if len(set(keys)) < len(keys) or not (recent.isdisjoint(keys) and older.isdisjoint(keys)):
            fresh = [key for key in dict.fromkeys(keys) if key not in recent and key not in older]
        recent.update(fresh)
        self._bytes += sum(map(len, fresh))
        # The two sets take turns: what came within the last WINDOW_KEYS is always in one of them.
        if len(recent) >= WINDOW_KEYS or self._bytes >= WINDOW_BYTES:
            self._older, self._recent, self._bytes = recent, set(), 0
        return fresh


def named(reply: Any) -> tuple[bytes, list[bytes]]:
    """The cursor and the keys that SCAN answered. Raises redis errors; ConnectionError where no server answers so."""
    answer = raised(reply)
    if isinstance(answer, list) and list(map(type, answer)) == [bytes, list]:
        cursor, keys = answer
        if cursor.isdigit() and set(map(type, keys)) <= {bytes}:
            return cursor, keys
    raise damaged("SCAN")


def scan_keys(wire: Wire, count: int, match: bytes = b"*") -> Iterator[list[bytes]]:
    """Yield the keys of the wire's database that fit a glob, out of about `count` keys at a time; a list may be empty.

    Raises redis errors.
    """
    repeats = Repeats()
    cursor = b"0"
    fitting = () if match == b"*" else (b"MATCH", match)
    while True:
        cursor, keys = named(wire.try_(b"SCAN", cursor, *fitting, b"COUNT", b"%d" % count))
        yield repeats.fresh(keys)
        if cursor == b"0":
            return
