"""Keys by name: which are there, what they hold, and what time it is where they are."""

import time

import pytest

from tests.support.backups import asking, endpoint
from tests.support.servers import Server
from worker.server.reading.dumps import MOST_KEYS
from worker.server.reading.keys import Keys


def test_the_servers_clock_is_asked_once_and_goes_on(source: Server) -> None:
    with Keys(endpoint(source)) as keys:
        source.client().config_resetstat()
        times = [keys.now() for _ in range(3)]
        assert times == sorted(times)
        assert all(abs(one - time.time() * 1000) < 60_000 for one in times)
        assert source.client().info("commandstats")["cmdstat_time"]["calls"] == 1


@pytest.mark.parametrize("number", [0, 1, 3, MOST_KEYS, MOST_KEYS + 1, 2 * MOST_KEYS + 3])
def test_of_any_number_of_keys_it_is_told_in_their_order_which_are_there(number: int, source: Server) -> None:
    names = [b"key:%d" % place for place in range(number)]
    there = [place % 3 == 0 for place in range(number)]
    if number:
        source.client(3).mset({name: b"x" for name, is_there in zip(names, there, strict=True) if is_there})
    with Keys(endpoint(source)) as keys:
        assert list(keys.there(3, names)) == there
        assert list(keys.there(0, names)) == [False] * number
        source.client(0).mset(dict.fromkeys([b"other", *names], b"x"))
        assert list(keys.there(0, names)) == [True] * number


def test_keys_are_read_in_the_order_in_which_they_are_named(source: Server) -> None:
    """Those of another database in between, and one that is not there."""
    for db in (0, 3):
        source.client(db).mset({f"key:{number}": f"{db}" for number in range(300)})
    asking(source).execute_command("PEXPIREAT", "key:7", 4_000_000_000_000)
    names = [b"key:%d" % number for number in (299, 7, 7000, 0, 150)]
    with Keys(endpoint(source)) as keys:
        for db in (0, 3, 0):
            found = list(keys.read(db, names))
            assert [entry and entry.key for entry in found] == [*names[:2], None, *names[3:]]
            assert {entry.payload for entry in found if entry} == {b"\x00\xc0" + bytes((db,))}
            assert [entry.expires_at for entry in found if entry][1] == (None if db else 4_000_000_000_000)
