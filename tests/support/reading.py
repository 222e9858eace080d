"""What a server says that a key holds, asked with ordinary commands: what our own decoding must equal."""

from typing import Any

from redis import Redis

from tests.support.servers import Binary, Server
from worker.formats.entries import Consumer, Group, Pending, Stream, Value


def raw(server: Server, db: int = 0) -> "Redis":
    """A client whose replies are what the server sent, in the shapes of RESP2."""
    client = server.client(db)
    client.response_callbacks.clear()
    return client


def read(client: "Redis", kind: str, key: bytes, binary: Binary) -> Value:
    """The value of `key`, a `kind` of worker.formats.entries.TYPES, in the order that `settle` gives."""
    ask: Any = client.execute_command
    if kind == "string":
        return bytes(ask("GET", key))
    if kind == "list":
        return list(ask("LRANGE", key, 0, -1))
    if kind == "set":
        return settle(list(ask("SMEMBERS", key)))
    if kind == "zset":
        return settle([(member, float(score)) for member, score in _twos(ask("ZRANGE", key, 0, -1, "WITHSCORES"))])
    if kind == "hash":
        return settle(_hash(ask, key, binary))
    assert kind == "stream"
    return _stream(ask, key) if binary.version >= (6, 0) else _old_stream(client, key)


def settle(value: Value, kind: str = "") -> Value:
    """The value with what has no order sorted, so that two readings of it are equal."""
    if isinstance(value, Stream):
        value.groups.sort(key=lambda group: group.name)
        for group in value.groups:
            group.consumers.sort(key=lambda consumer: consumer.name)
        return value
    return value if kind in ("list", "string") else sorted(value, key=repr)  # type: ignore[arg-type, return-value]


def _twos(flat: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _facts(flat: list[Any]) -> dict[str, Any]:
    return {name.decode(): value for name, value in _twos(flat)}


def _hash(ask: Any, key: bytes, binary: Binary) -> list[tuple[bytes, bytes, int | None]]:
    pairs = _twos(ask("HGETALL", key))
    if not binary.fields_expire:
        return [(field, value, None) for field, value in pairs]
    times = ask("HPEXPIRETIME", key, "FIELDS", len(pairs), *(field for field, _ in pairs)) if pairs else []
    return [(*pair, None if time == -1 else time) for pair, time in zip(pairs, times, strict=True)]


def _stream(ask: Any, key: bytes) -> Stream:
    full = _facts(ask("XINFO", "STREAM", key, "FULL", "COUNT", 0))
    entries = [(id_.decode(), _twos(fields)) for id_, fields in full["entries"]]
    deleted = full.get("max-deleted-entry-id")
    stream = Stream(
        entries, full["last-generated-id"].decode(), deleted and deleted.decode(), full.get("entries-added")
    )
    for group in map(_facts, full["groups"]):
        stream.groups.append(Group(group["name"], group["last-delivered-id"].decode(), group.get("entries-read")))
        for consumer in map(_facts, group["consumers"]):
            active = consumer.get("active-time", -1)
            pending = [Pending(id_.decode(), time, count) for id_, time, count in consumer["pending"]]
            stream.groups[-1].consumers.append(
                Consumer(consumer["name"], consumer["seen-time"], None if active == -1 else active, pending)
            )
    settle(stream)
    return stream


def _old_stream(client: "Redis", key: bytes) -> Stream:
    """Before Redis 6 a stream says how long ago things were, not when."""
    ask: Any = client.execute_command
    entries = [(id_.decode(), _twos(fields)) for id_, fields in ask("XRANGE", key, "-", "+")]
    stream = Stream(entries, _facts(ask("XINFO", "STREAM", key))["last-generated-id"].decode())
    for group in map(_facts, ask("XINFO", "GROUPS", key)):
        # Not by consumer: asking for one consumer's moves the time when it was last seen.
        asked_at, waiting = _timed(client, "XPENDING", key, group["name"], "-", "+", 10_000)
        owned = [(owner, Pending(id_.decode(), asked_at - idle, count)) for id_, owner, idle, count in waiting]
        asked_at, consumers = _timed(client, "XINFO", "CONSUMERS", key, group["name"])
        stream.groups.append(Group(group["name"], group["last-delivered-id"].decode()))
        for consumer in map(_facts, consumers):
            pending = [entry for owner, entry in owned if owner == consumer["name"]]
            stream.groups[-1].consumers.append(Consumer(consumer["name"], asked_at - consumer["idle"], None, pending))
    settle(stream)
    return stream


def _timed(client: "Redis", *command: Any) -> tuple[int, Any]:
    """The reply and the millisecond in which it was made: asked again until it took no longer than that."""
    for _ in range(1000):
        pipe: Any = client.pipeline(transaction=True)
        before, reply, after = pipe.execute_command("TIME").execute_command(*command).execute_command("TIME").execute()
        if milliseconds(before) == milliseconds(after):
            return milliseconds(before), reply
    raise AssertionError(f"the server never answers {command[0]} within a millisecond")


def milliseconds(time: list[bytes]) -> int:
    """The reply to TIME, in milliseconds since the epoch."""
    return int(time[0]) * 1000 + int(time[1]) // 1000
