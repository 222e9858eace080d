"""Nothing is sent that a target would have to throw keys out for: what it is asked, and what it is told to whom."""

import re
from collections.abc import Iterator

import pytest

from tests.conftest import StartServer
from tests.support.backups import endpoint
from tests.support.servers import Binary, Server
from worker.errors import TargetError
from worker.formats.entries import Entry
from worker.restore.target.footprint import OTHERS, Footprint, Limits
from worker.restore.target.headroom import AMPLE, STEP, Guard
from worker.server.wire import Wire

BIG = 100_000
"""Bytes of a value of which few fit."""


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest, "--repl-backlog-size", "16kb")


@pytest.fixture
def guard(server: Server) -> Iterator[Guard]:
    with Wire(endpoint(server)) as wire:
        yield Guard(wire, "here:1", Footprint(OTHERS, Limits()), evicted=0)


def entries(number: int, size: int = BIG) -> list[Entry]:
    value = b"\x00\x80" + size.to_bytes(4, "big") + b"v" * size
    return [Entry(0, b"k%05d" % place, None, "string", value) for place in range(number)]


def limit(server: Server, free: int, policy: str = "volatile-lru") -> int:
    """Leave it so many bytes; of keys that never expire this policy throws none out."""
    client = server.client()
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", most := client.info("memory")["used_memory"] + free)
    return int(most)


def test_before_the_first_look_nothing_is_admitted(guard: Guard) -> None:
    assert guard.admitted(entries(1), 9) == 0


def test_without_a_limit_all_may_go_until_the_next_look(guard: Guard) -> None:
    many = entries(50)
    assert guard.look(many, 9) == 50
    assert guard.admitted(many, 9) == 50


@pytest.mark.parametrize("policy", ["volatile-lru", "noeviction"])
def test_of_what_is_left_half_is_taken(policy: str, server: Server, guard: Guard) -> None:
    limit(server, 4_000_000, policy)
    many = entries(100)
    taken = guard.look(many, 9)
    # Half of what is left less the reserve, and each value costs a little more than it is long.
    assert 10 <= taken <= 1_700_000 // BIG
    assert guard.admitted(many, 9) == 0, "the budget is used up"
    assert guard.admitted(entries(1, 10), 9) in (0, 1)


def test_a_large_value_counts_twice(server: Server, guard: Guard) -> None:
    limit(server, 4_000_000)
    assert guard.look(entries(100, 2 * BIG), 9) <= 1_700_000 // (4 * BIG)


def test_one_at_least_may_go_where_it_fits(server: Server, guard: Guard) -> None:
    limit(server, 1_000_000)
    assert guard.look(entries(20), 9) >= 1
    assert guard.look(entries(5, 3 * BIG // 2), 9) == 1, "though it takes more than half of what is left"


def test_what_does_not_fit_is_stopped_before_the_first_key_goes(server: Server, guard: Guard) -> None:
    most = limit(server, 1_000_000)
    with pytest.raises(TargetError) as caught:
        guard.look(entries(1, 40 * BIG), 9)
    found = re.fullmatch(
        r"The target at here:1 has ([\d,]+) bytes left below its maxmemory of ([\d,]+), and would throw keys out next "
        r"\(volatile-lru\), so this was stopped: raise maxmemory\.",
        str(caught.value),
    )
    assert found
    left, told = (int(number.replace(",", "")) for number in found.groups())
    assert told == most
    assert 0 < left <= 1_000_000 - (512 << 10)
    assert caught.value.risk is None


def test_of_a_target_that_holds_too_much_already_nothing_is_left(server: Server, guard: Guard) -> None:
    server.client().set("theirs", "x" * 1_000_000)
    limit(server, -100_000)
    guard.force = False
    with pytest.raises(
        TargetError, match=r"has 0 bytes left below .*: raise maxmemory, or begin all the same"
    ) as caught:
        guard.look(entries(1), 9)
    assert caught.value.risk == "eviction"


def test_with_force_it_goes_on_to_the_first_that_is_thrown_out(server: Server, guard: Guard) -> None:
    server.client().set("theirs", "x" * 1_000_000)
    limit(server, -100_000)
    guard.force = True
    assert guard.look(entries(3), 9) >= 1
    guard.evicted = -1
    with pytest.raises(TargetError, match=r"has begun to throw keys out for want of memory: 1 so far \(volatile-lru\)"):
        guard.look(entries(1), 9)


def test_one_that_refuses_by_itself_is_not_asked_for_each_key(server: Server, guard: Guard) -> None:
    limit(server, 0, "noeviction")
    small = entries(2 * STEP // 1000, 1000)
    taken = guard.look(small, 9)
    assert STEP // 1300 <= taken <= STEP // 1000


def test_where_there_is_much_room_nothing_is_decoded(server: Server, guard: Guard) -> None:
    """Damage shows that: nobody can tell what such a value costs, and it goes by its length."""
    damaged = [Entry(0, b"k", None, "set", b"\x02\x05\x01a")]
    limit(server, 0)
    server.client().config_set("maxmemory", 0)
    assert guard.look(damaged * 10, 9) == 10
    limit(server, AMPLE * 1_000_000)
    assert guard.look(damaged * 10, 9) == 10
    assert guard.admitted(damaged * 10, 9) == 10
