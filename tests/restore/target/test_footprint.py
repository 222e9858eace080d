"""What keys cost a server's memory is never more than is reckoned at the most, and never less than at the least."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.data import fill
from tests.support.processes import eventually
from tests.support.servers import Binary, Server
from worker.errors import FormatError
from worker.formats.entries import Entry
from worker.formats.rdb.lengths import measure
from worker.formats.rdb.payload import FOOTER_BYTES, seal, version_of
from worker.formats.rdb.values import decode
from worker.restore.target.footprint import OTHERS, Cost, Footprint, Limits, make_of, tables

KEYS = 100
# Of one measurement: what the server needs for our connection, and rounds.
NOISE = 4096
RANDOM = random.Random(7)  # noqa: S311 - no secret


def text(size: int) -> bytes:
    return RANDOM.randbytes((size + 1) // 2).hex()[:size].encode()


def several(number: int, size: int) -> list[bytes]:
    return [b"%d:" % one + text(size) for one in range(number)]


Make = Callable[[Any, str], object]


def streamed(client: Any, key: str, entries: int, groups: int) -> None:
    for number in range(entries):
        client.xadd(key, {"name": text(10), "text": text(40)}, id=f"{number + 1}-1")
    for number in range(groups):
        client.xgroup_create(key, f"group{number}", id="0")
        client.xreadgroup(f"group{number}", "consumer", {key: ">"}, count=entries)


VALUES: dict[str, Make] = {
    "int": lambda client, key: client.set(key, RANDOM.randrange(1 << 40)),
    "empty": lambda client, key: client.set(key, b""),
    "short": lambda client, key: client.set(key, text(12)),
    "expiring": lambda client, key: client.set(key, text(20), ex=10_000),
    "embedded": lambda client, key: client.set(key, text(44)),
    "longer": lambda client, key: client.set(key, text(130)),
    "long": lambda client, key: client.set(key, RANDOM.randbytes(5000)),
    "compressible": lambda client, key: client.set(key, text(10) * 500),
    "list": lambda client, key: client.rpush(key, *several(5, 20)),
    "list of numbers": lambda client, key: client.rpush(key, *range(100)),
    "long list": lambda client, key: client.rpush(key, *several(600, 40)),
    "list of long texts": lambda client, key: client.rpush(key, *several(4, 9000)),
    "intset": lambda client, key: client.sadd(key, *range(300)),
    "set": lambda client, key: client.sadd(key, *several(20, 20)),
    "long set": lambda client, key: client.sadd(key, *several(700, 20)),
    "set of numbers": lambda client, key: client.sadd(key, *range(700)),
    "hash": lambda client, key: client.hset(key, mapping=dict.fromkeys(several(8, 10), text(20))),
    "hash of long texts": lambda client, key: client.hset(key, mapping=dict.fromkeys(several(8, 10), text(300))),
    "hash of one text": lambda client, key: client.hset(key, mapping=dict.fromkeys(several(30, 2), b"x" * 400)),
    "long hash": lambda client, key: client.hset(key, mapping=dict.fromkeys(several(600, 30), text(64))),
    "sorted set": lambda client, key: client.zadd(key, dict.fromkeys(several(20, 20), RANDOM.random())),
    "long sorted set": lambda client, key: client.zadd(key, {one: RANDOM.random() for one in several(300, 20)}),
    "sorted set of numbers": lambda client, key: client.zadd(key, {str(one): one for one in range(300)}),
    "stream": lambda client, key: streamed(client, key, 20, 0),
    "stream with groups": lambda client, key: streamed(client, key, 30, 2),
}


def used(server: Server) -> int:
    """Once nobody else is connected, for who has just left may still be counted, and all is freed that was deleted."""
    client: Any = server.client()

    def alone() -> int | None:
        said = client.info()
        is_settled = said["connected_clients"] == 1 and not said["lazyfree_pending_objects"]
        return int(said["used_memory"]) if is_settled else None

    try:
        return int(eventually(alone, "the others to leave"))
    finally:
        client.close()


def dumped(server: Server, make: Make) -> tuple[list[Entry], int]:
    """Some keys with that value, which are the only ones, and the RDB version of their payloads."""
    empty(server)
    client: Any = server.client()
    found = []
    for number in range(KEYS):
        key = f"key:{number:06d}"
        make(client, key)
        at = client.pexpiretime(key) if server.binary.version >= (7, 0) else 1 if client.ttl(key) > 0 else -1
        found.append((key.encode(), client.dump(key), None if at < 0 else at, client.type(key).decode()))
    client.close()
    version = version_of(found[0][1])
    return [Entry(0, key, at, kind, dump[:-FOOTER_BYTES]) for key, dump, at, kind in found], version


def empty(server: Server) -> None:
    client: Any = server.client()
    client.execute_command("FLUSHALL", *(["SYNC"] if server.binary.version >= (6, 2) else []))
    client.close()


def grown(server: Server, entries: list[Entry], version: int) -> int:
    """What the server's memory really grows by when these are restored; the first time it gets itself more than for them."""
    before = 0
    for _ in range(2):
        empty(server)
        before = used(server)
        client = server.client()
        for entry in entries:
            until = 10_000_000 if entry.expires_at else 0
            client.restore(entry.key.decode(), until, seal(entry.payload or b"", version))
        client.close()
    return used(server) - before


def made(server: Server, make: Make) -> int:
    """The same when commands make such values."""
    before = 0
    for _ in range(2):
        empty(server)
        before = used(server)
        client = server.client()
        for number in range(KEYS):
            make(client, f"key:{number:06d}")
        client.close()
    return used(server) - before


def footprint_of(binary: Binary) -> Footprint:
    limits = Limits() if binary.version >= (7, 2) else Limits(set=0)
    return Footprint(make_of(binary.name, binary.release), limits)


def total(footprint: Footprint, entries: list[Entry], version: int | None) -> Cost:
    costs = [footprint.of(entry, version) for entry in entries]
    return Cost(sum(cost.least for cost in costs), sum(cost.most for cost in costs))


@pytest.mark.parametrize("value", VALUES, ids=lambda name: name.replace(" ", "-"))
def test_no_key_costs_more_or_less_than_is_reckoned(value: str, binary: Binary, start_server: StartServer) -> None:
    server = start_server(binary)
    entries, version = dumped(server, VALUES[value])
    real = grown(server, entries, version)
    cost = total(footprint_of(binary), entries, version)
    assert cost.least - NOISE <= real <= cost.most + tables(0, KEYS) + NOISE
    # A bound that is far off would refuse what fits.
    assert cost.most < 3.2 * (real + NOISE)


@pytest.mark.slow
def test_values_cost_no_more_than_is_reckoned_when_they_are_made_by_commands(
    binary: Binary, start_server: StartServer
) -> None:
    server = start_server(binary)
    for make in VALUES.values():
        entries, version = dumped(server, make)
        values = [one._replace(payload=None, value=decode(one.payload or b"", version)) for one in entries]
        real = made(server, make)
        cost = total(footprint_of(binary), values, None)
        # Others of the same kind: made anew, so about as large.
        assert cost.least * 0.98 - NOISE <= real <= cost.most * 1.02 + tables(0, KEYS) + NOISE


@pytest.mark.every_server
def test_a_target_with_lower_limits_unpacks_what_was_packed(binary: Binary, start_server: StartServer) -> None:
    source = start_server(binary)
    packed = "listpack" if binary.version >= (7, 0) else "ziplist"
    limits = {f"hash-max-{packed}-entries": 4, f"zset-max-{packed}-entries": 4, "set-max-intset-entries": 4}
    if binary.version >= (7, 2):
        limits["set-max-listpack-entries"] = 4
    target = start_server(binary, *(word for name, number in limits.items() for word in (f"--{name}", str(number))))
    for value in ("hash", "sorted set", "set", "intset"):
        entries, version = dumped(source, VALUES[value])
        real = grown(target, entries, version)
        make = make_of(binary.name, binary.release)
        cost = total(Footprint(make, Limits(hash=4, zset=4, set=4, intset=4)), entries, version)
        assert cost.least - NOISE <= real <= cost.most + tables(0, KEYS) + NOISE


@pytest.mark.every_server
def test_every_type_and_encoding_is_measured(binary: Binary, start_server: StartServer) -> None:
    server = start_server(binary)
    client: Any = server.client()
    fill(client, binary)
    for key in client.keys("*"):
        dump = client.dump(key)
        payload, version = dump[:-FOOTER_BYTES], version_of(dump)
        found = measure(payload, version)
        assert found is not None
        value: Any = decode(payload, version)
        if isinstance(value, bytes):
            assert found.content in (0, len(value))
        elif isinstance(value, list) and payload[0] not in (14, 18):
            # Of a hash fields and values, perhaps with the expiry of each; of a sorted set perhaps with the scores.
            assert found.elements in (len(value), 2 * len(value), 3 * len(value))


@pytest.mark.parametrize(
    "payload", [b"", b"\x00", b"\x00\xc3", b"\x02\x05\x01a", b"\x0b\x44\x10abc", b"\x10\xc3\x03\x60\x00\xe0\x00\x00"]
)
def test_what_is_so_damaged_that_nobody_can_reckon_is_told(payload: bytes) -> None:
    with pytest.raises(FormatError):
        Footprint(OTHERS, Limits()).of(Entry(0, b"key", None, "hash", payload), 11)


def test_what_nobody_knows_is_reckoned_generously() -> None:
    unknown = Entry(0, b"key", None, "module", b"\x07" + bytes(1000))
    assert Footprint(OTHERS, Limits()).of(unknown, 11).most > 20_000


def test_tables_grow_in_leaps() -> None:
    assert tables(1000, 1001) == 0
    assert tables(1000, 1030) > 16 * 2048
    assert tables(5, 4) == 0
    assert sum(tables(number, number + 1) for number in range(100_000)) >= 16 * 100_000
