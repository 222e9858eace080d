"""What the comparison of two servers sees: DEBUG DIGEST alone is blind to most of this."""

from typing import Any

import pytest

from tests.support.backups import asking, fill_all
from tests.support.servers import Server
from tests.support.states import assert_same, differences, state

CHANGES: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "another value": ("digest", [("APPEND", "text", "x")]),
    "a key more": ("keys", [("SET", "more", "x")]),
    "a key less": ("types", [("DEL", "int:0")]),
    "another type": ("types", [("DEL", "text"), ("RPUSH", "text", "x")]),
    "a longer life": ("expiries", [("PEXPIRE", "ttl:ms", 5_000_000)]),
    "a pending entry less": ("values", [("XACK", "stream", "workers", "1700000000000-2")]),
    "a group more": ("values", [("XGROUP", "CREATE", "stream", "more", "0")]),
    "a function less": ("functions", [("FUNCTION", "DELETE", "lib0")]),
    "a longer life of a field": ("fields", [("HPEXPIRE", "hfe:small", 5_000_000, "FIELDS", 1, "later")]),
}


@pytest.mark.sweep
@pytest.mark.parametrize(("part", "commands"), CHANGES.values(), ids=CHANGES)
def test_two_servers_that_differ_in_this_are_not_the_same(
    part: str, commands: list[tuple[Any, ...]], source: Server
) -> None:
    if (part == "functions" and source.binary.version < (7, 0)) or (
        part == "fields" and not source.binary.fields_expire
    ):
        pytest.skip(f"{source.binary} has no {part} of that kind")
    before = state(fill_all(source))
    assert_same(before, source)
    for command in commands:
        asking(source).execute_command(*command)
    found = differences(before, state(source))
    assert part in {line.partition(":")[0] for line in found}
    with pytest.raises(AssertionError, match=f"{part}: "):
        assert_same(source, before)
