"""Data of every type and encoding, to be backed up and compared."""

import time
from typing import Any

from tests.servers import Binary

BINARY = bytes(range(256))


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
