"""Data of every type and encoding, to be backed up and compared."""

import random
import time
from struct import pack
from typing import Any

from tests.support.servers import Binary

BINARY = bytes(range(256))
INFINITE = float("inf")
VECTOR_SETS: dict[str, tuple[Any, ...]] = {
    "plain": ("NOQUANT",),
    "q8": ("Q8",),
    "binary": ("BIN",),
    "reduced": ("Q8",),
}


def fill(client: Any, binary: Binary) -> None:
    """Fill one database: small and large encodings of each type, numeric edges, binary, TTLs, streams with groups."""
    now = int(time.time() * 1000)
    pipe = client.pipeline(transaction=False)
    _strings(pipe, now)
    _collections(pipe)
    _streams(pipe, binary.version)
    pipe.execute()
    if binary.version >= (7, 0):
        db = client.connection_pool.connection_kwargs["db"]
        code = f"#!lua name=lib{db}\nredis.register_function('f{db}', function() return 1 end)"
        client.execute_command("FUNCTION", "LOAD", "REPLACE", code)
    if binary.fields_expire:
        _field_expiry(client, now)


def _strings(pipe: Any, now: int) -> None:
    for number in (0, 1, -1, 63, 127, -128, 128, 32767, -32768, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, -(2**63)):
        pipe.set(f"int:{number}", number)
    pipe.set("empty", b"")
    pipe.set(b"", b"the empty key")
    pipe.set(BINARY, BINARY)
    pipe.set("not-an-int", "007")
    pipe.set("text", "grüße, мир, 世界 🎉\r\n\x00 end")
    pipe.set("compressible", b"a" * 20_000)
    pipe.set("random", bytes((i * 7919 + (i >> 3)) % 256 for i in range(70_000)))
    for name, milliseconds in (("ttl:ms", 3_600_123), ("ttl:years", 10 * 365 * 86_400_000)):
        pipe.set(name, "x")
        pipe.pexpireat(name, now + milliseconds)
    pipe.setbit("bits", 1000, 1)
    pipe.pfadd("hyperloglog", *(f"m{i}" for i in range(100)))


def _collections(pipe: Any) -> None:
    big = [b"element:%d" % i for i in range(3000)]
    odd: list[bytes] = [b"", b"1", b"-1", b"123456789012", b"text", BINARY, b"x" * 300, b"y" * 5000]
    pipe.rpush("list:small", *odd[:5])
    pipe.rpush("list:odd", *odd)
    pipe.rpush("list:big", *big)
    pipe.rpush("list:ints", *(str(10**i) for i in range(19)), *(str(-(10**i)) for i in range(19)), *range(4096))
    pipe.sadd("set:int16", 1, 2, 3, -30000)
    pipe.sadd("set:int32", 1, 70_000, -70_000)
    pipe.sadd("set:int64", 1, 2**40, -(2**62))
    pipe.sadd("set:small", *odd[:5])
    pipe.sadd("set:odd", *odd)
    pipe.sadd("set:big", *big)
    pipe.hset("hash:small", mapping={b"name": b"Ann", b"age": b"31", BINARY: b"", b"": BINARY[:50]})
    pipe.hset("hash:odd", mapping={b"f%d" % i: member for i, member in enumerate(odd)})
    pipe.hset("hash:big", mapping={member: member for member in big})
    scores = {
        b"inf": float("inf"),
        b"-inf": float("-inf"),
        b"pi": 3.141592653589793,
        b"tiny": 5e-324,
        b"max": 1.7976931348623157e308,
        b"neg0": -0.0,
        b"17": 0.1 + 0.2,
        b"int": 12345678,
    }
    pipe.zadd("zset:small", scores)
    pipe.zadd("zset:odd", {member: index for index, member in enumerate(odd)})
    pipe.zadd("zset:big", {member: index / 3 for index, member in enumerate(big)})
    pipe.geoadd("geo", (13.361389, 38.115556, "Palermo"))
    pipe.pexpire("hash:big", 7_200_001)


def _streams(pipe: Any, version: tuple[int, ...]) -> None:
    for i in range(1, 301):
        pipe.xadd("stream", {"n": i, "text": f"event {i}"}, id=f"1700000000000-{i}")
    pipe.xadd("stream", {b"other": BINARY, b"fields": b""}, id="1700000000005-0")
    pipe.xadd("stream", {b"other": b"same", b"fields": b"7"}, id="1700000000005-1")
    pipe.xdel("stream", "1700000000000-3", "1700000000000-299")
    pipe.xgroup_create("stream", "workers", id="0")
    pipe.xgroup_create("stream", "idle", id="$")
    pipe.xreadgroup("workers", "alice", {"stream": ">"}, count=20)
    pipe.xreadgroup("workers", "bob", {"stream": ">"}, count=10)
    pipe.xack("stream", "workers", "1700000000000-1", "1700000000000-5")
    if version >= (6, 2):
        pipe.execute_command("XGROUP", "CREATECONSUMER", "stream", "workers", "carol")
    pipe.xadd("stream:emptied", {"a": 1}, id="5-1")
    pipe.xdel("stream:emptied", "5-1")
    pipe.xadd("stream:one", {"a": 1}, id="1-0")


def _field_expiry(client: Any, now: int) -> None:
    client.hset("hfe:small", mapping={"keeps": "1", "expires": "2", "later": "3"})
    client.execute_command("HPEXPIREAT", "hfe:small", now + 5_000_123, "FIELDS", 1, "expires")
    client.execute_command("HPEXPIREAT", "hfe:small", now + 9_000_456, "FIELDS", 1, "later")
    client.hset("hfe:big", mapping={f"f{i}": f"v{i}" * 20 for i in range(1000)})
    client.execute_command("HPEXPIREAT", "hfe:big", now + 8_000_789, "FIELDS", 500, *(f"f{i}" for i in range(500)))


def fill_rare(client: Any, binary: Binary) -> None:
    """What few tests need: odd keys, the ends of what numbers can be, streams with a past, and what only this server has."""
    pipe = client.pipeline(transaction=False)
    for key in (b"\n", b"\0", b"line\nbreak\0zero", b" ", b"\xff\xfe"):
        pipe.set(key, key)
    pipe.pfadd("hyperloglog:dense", *range(20_000))
    # Too many to be packed: each score is a double of eight bytes then.
    edges = {
        "inf": INFINITE,
        "-inf": -INFINITE,
        "-0": -0.0,
        "denormal": 5e-324,
        "-denormal": -5e-324,
        "next": 1 + 2**-52,
    }
    pipe.zadd("zset:edges", edges | {f"m{number}": number * 1e300 for number in range(300)})
    _streams_with_a_past(pipe, binary)
    pipe.execute()
    if binary.fields_expire:
        _rare_fields(client)
    if binary.vector_sets:
        fill_vectors(client)


def _streams_with_a_past(pipe: Any, binary: Binary) -> None:
    """Pending entries that are gone, trimmed and claimed often; groups that do not know how much they have read."""
    for number in range(1, 51):
        pipe.xadd("stream:past", {b"\0": BINARY, "n": number}, id=f"{number}-{number}")
    pipe.xgroup_create("stream:past", b"binary\0\n", id="0")
    pipe.xgroup_create("stream:past", "middle", id="25-0")
    pipe.xreadgroup(b"binary\0\n", b"\xff", {"stream:past": ">"}, count=30)
    pipe.xreadgroup("middle", "one", {"stream:past": ">"}, count=5)
    pipe.execute_command("XCLAIM", "stream:past", "middle", "two", 0, "26-26", "RETRYCOUNT", 7)
    pipe.xdel("stream:past", "10-10", "27-27", "50-50")
    pipe.xtrim("stream:past", minid="5-0") if binary.version >= (6, 2) else None
    if binary.version >= (7, 0):
        pipe.execute_command("XSETID", "stream:past", "100-0", "ENTRIESADDED", 1000, "MAXDELETEDID", "99-0")
    pipe.xgroup_create("stream:only a group", "waits", id="7-0", mkstream=True)


def _rare_fields(client: Any) -> None:
    far = int(time.time() * 1000) + 10_000_000
    client.hset("hfe:binary", mapping={b"\0\n": BINARY, b"": b"", b"stays": b"1"})
    client.execute_command("HPEXPIREAT", "hfe:binary", far, "FIELDS", 2, b"\0\n", b"")
    client.hset("hfe:all", mapping={"one": 1, "two": 2})
    client.execute_command("HPEXPIREAT", "hfe:all", far, "FIELDS", 1, "one")
    client.execute_command("HPEXPIREAT", "hfe:all", far + 1, "FIELDS", 1, "two")
    client.pexpireat("hfe:all", far + 500)


def vector(seed: int) -> bytes:
    """Eight numbers, the same each time."""
    numbers = random.Random(seed)  # noqa: S311 - the same each time
    return pack("<8f", *(numbers.uniform(-1, 1) for _ in range(8)))


def fill_vectors(client: Any) -> None:
    """One vector set of each kind, with forty elements: enough for links that differ."""
    for key, way in VECTOR_SETS.items():
        reduced = ("REDUCE", 4) if key == "reduced" else ()
        for number in range(40):
            attributes = ("SETATTR", f'{{"year": {number}}}') if number % 3 == 0 else ()
            client.execute_command("VADD", key, *reduced, "FP32", vector(number), f"e{number}", *way, *attributes)
