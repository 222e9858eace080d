"""A stream is cut where its commands end, however it comes; and what a command does to keys and expiries is read off it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import FormatError
from worker.formats.commands import filters
from worker.formats.commands.absolute import absolute
from worker.formats.commands.reading import Commands, Place, parsed
from worker.formats.commands.touching import keys_of
from worker.server.wire import pack

arguments = st.lists(st.binary(max_size=12_000), min_size=1, max_size=12)


@given(st.lists(arguments, max_size=8), st.integers(1, 5000))
def test_commands_come_out_as_they_went_in_with_their_sizes(sent: list[list[bytes]], piece: int) -> None:
    packed = b"".join(pack(*each) for each in sent)
    reader, found = Commands(), []
    for at in range(0, len(packed), piece):
        found += list(reader.feed(packed[at : at + piece]))
    assert [each for each, _ in found] == sent
    assert [size for _, size in found] == [len(pack(*each)) for each in sent]


@pytest.mark.parametrize(
    "bad", [b"PING\r\n", b"*1\r\n:5\r\n", b"*x\r\n", b"$3\r\nabc\r\n", b"*0\r\n", b"-ERR x\r\n", b"*1\r\n$4\r\nPI"]
)
def test_what_is_no_stream_of_commands_is_refused(bad: bytes) -> None:
    with pytest.raises(FormatError, match="replication stream is damaged"):
        list(parsed([bad]))


def test_a_place_knows_the_database_and_whether_a_transaction_is_open() -> None:
    place = Place(None)
    seen = []
    for words in ("SET a 1", "select 3", "MULTI", "SET a 1", "SELECT 5", "exec", "SELECT x"):
        place.pass_over([word.encode() for word in words.split()])
        seen.append((place.db, place.within_transaction))
    assert seen == [(None, False), (3, False), (3, True), (3, True), (5, True), (5, False), (5, False)]


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("SET key value", "key"),
        ("DEL a b c", "a b c"),
        ("MSET a 1 b 2", "a b"),
        ("RENAME a b", "a b"),
        ("BITOP AND to a b", "to a b"),
        ("XGROUP CREATE stream group 0", "stream"),
        ("ZUNIONSTORE to 2 a b WEIGHTS 1 2", "to a b"),
        ("EVALSHA sum 2 a b c", "a b"),
        ("LMPOP 2 a b LEFT", "a b"),
        ("GEOSEARCHSTORE to from FROMMEMBER x", "to from"),
        ("SORT from BY nosort GET # store to", "from to"),
        ("SORT from LIMIT 0 5", "from"),
        ("GEORADIUS from 1 2 3 km STOREDIST to", "from to"),
        ("MSETEX 2 a 1 b 2 PXAT 5", "a b"),
        ("JSON.MSET a $ 1 b $ 2", "a b"),
        ("FLUSHALL", ""),
        ("SELECT 3", ""),
        ("PUBLISH channel words", ""),
        ("ZUNIONSTORE to x", "to"),
        ("SET", ""),
    ],
)
def test_the_keys_of_a_command(command: str, keys: str) -> None:
    words = [word.encode() for word in command.split()]
    assert list(keys_of(words[0], words)) == [key.encode() for key in keys.split()]


NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("EXPIRE k 10", f"PEXPIREAT k {NOW + 10_000}"),
        ("pexpire k 10", f"PEXPIREAT k {NOW + 10}"),
        ("EXPIRE k -1", f"PEXPIREAT k {NOW - 1000}"),
        ("SETEX k 10 v", f"SET k v PXAT {NOW + 10_000}"),
        ("PSETEX k 10 v", f"SET k v PXAT {NOW + 10}"),
        ("SET k EX EX 5 NX", f"SET k EX PXAT {NOW + 5000} NX"),
        ("SET k v PX 5", f"SET k v PXAT {NOW + 5}"),
        ("SET k v", "SET k v"),
        ("SET k v PXAT 77", "SET k v PXAT 77"),
        ("GETEX k EX 5", f"GETEX k PXAT {NOW + 5000}"),
        ("RESTORE k 5 payload REPLACE", f"RESTORE k {NOW + 5} payload REPLACE ABSTTL"),
        ("RESTORE k 0 payload", "RESTORE k 0 payload"),
        ("RESTORE k 5 payload absttl", "RESTORE k 5 payload absttl"),
        ("DEL k", "DEL k"),
    ],
)
def test_expiries_that_count_from_then_become_absolute(command: str, meant: str) -> None:
    assert absolute([word.encode() for word in command.split()], NOW) == [word.encode() for word in meant.split()]


@given(st.sets(st.binary(max_size=40), max_size=400))
def test_a_filter_never_denies_a_key_that_it_was_made_of(keys: set[bytes]) -> None:
    made = filters.made(keys)
    assert all(filters.may_hold(made, key) for key in keys)


def test_a_filter_denies_most_others() -> None:
    made = filters.made({f"user:{number}".encode() for number in range(4000)})
    passed = sum(filters.may_hold(made, f"other:{number}".encode()) for number in range(10_000))
    assert passed < 600
