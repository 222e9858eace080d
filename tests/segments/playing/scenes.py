"""What a source is given, before its base and behind it; and everything that it holds, with all that expires."""

from typing import Any

from tests.support.servers import Binary, Server

LONG, SOON = 9_000_000, 600
"""In milliseconds: not within a test; and before what was recorded is played."""


KEYS = {
    *((0, key) for key in (b"base:soon", b"base:long", b"hash", b"soon", b"long", b"counter", b"later", b"first")),
    *((0, b"second"), (0, b"scripted"), (0, b"stream"), (5, b"set"), (12, b"list")),
}
"""All that there are at the moment, by database and name."""


def before(source: Server) -> None:
    """What the base holds. What expires stays until somebody asks for it."""
    client: Any = source.client()
    client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    client.set("base:soon", "x", px=SOON)
    client.set("base:long", "x", px=LONG)
    client.hset("hash", mapping={"field": 1, "other": 2})
    if source.binary.fields_expire:
        client.execute_command("HPEXPIRE", "hash", SOON, "FIELDS", 1, "field")


def after(source: Server) -> None:
    """What the commands make: of each kind something."""
    client: Any = source.client()
    client.set("soon", "y", px=SOON)
    client.set("long", "y", px=LONG)
    client.set("counter", 1)
    client.incr("counter")
    client.hset("later", mapping={"field": 1, "other": 2})
    if source.binary.fields_expire:
        client.execute_command("HPEXPIRE", "later", SOON, "FIELDS", 1, "field")
        client.execute_command("HPEXPIRE", "hash", LONG, "FIELDS", 1, "other")
    transaction = client.pipeline(transaction=True)
    transaction.set("first", 1).set("second", 2).execute()
    client.eval("redis.call('SET', 'scripted', 1) redis.call('INCR', 'scripted')", 0)
    client.xadd("stream", {"a": 1})
    client.xgroup_create("stream", "group", id="0")
    client.xreadgroup("group", "consumer", {"stream": ">"})
    if source.binary.version >= (7, 0):
        client.function_load("#!lua name=lib\nredis.register_function('f', function() return 1 end)")
    fifth: Any = source.client(5)
    fifth.sadd("set", *range(10))
    fifth.spop("set", 3)
    source.client(9).rpush("list", 1, 2)
    source.client(9).move("list", 12)
    client.set("gone", 1)
    client.delete("gone")


def state(server: Server) -> dict[tuple[int, bytes], tuple[Any, ...]]:
    """Of each key its digest, when it expires, and when its fields do."""
    found = {}
    for name in server.client().info("keyspace"):
        client: Any = server.client(int(name.removeprefix("db")))
        for key in client.keys("*"):
            digest = client.execute_command("DEBUG", "DIGEST-VALUE", key)
            found[int(name.removeprefix("db")), key] = (
                digest,
                _expiry(client, key, server.binary),
                _fields(client, key, server.binary),
            )
    return found


def _expiry(client: Any, key: bytes, binary: Binary) -> int | None:
    """To the millisecond, where the server tells it."""
    if binary.version >= (7, 0):
        return int(client.execute_command("PEXPIRETIME", key))
    return None


def _fields(client: Any, key: bytes, binary: Binary) -> Any:
    if not binary.fields_expire or client.type(key) != b"hash":
        return None
    names = sorted(client.hkeys(key))
    return list(zip(names, client.execute_command("HPEXPIRETIME", key, "FIELDS", len(names), *names), strict=True))
