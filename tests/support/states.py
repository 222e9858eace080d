"""What a server holds, all that it can be asked of it, and whether two hold the same.

DEBUG DIGEST alone will not do: it sees that a key expires and not when, and neither the expiry of hash fields nor the
groups of streams.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from tests.support.reading import milliseconds, raw, read
from tests.support.servers import Binary, Server
from worker.formats.entries import Stream

Key = tuple[int, bytes]

# PTTL, before there was PEXPIRETIME, is a difference of two clocks.
_TOLERANCE = 10
_AT_ONCE = 1000
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class State:  # noqa: PLW1641 - equal within a tolerance, so it has no hash
    """All that must survive a backup and a restore; expiry in milliseconds since the epoch."""

    digest: bytes
    """Empty where it is compared with that of another server release: each may see other things in it."""
    keys: dict[int, int]
    types: dict[Key, str]
    expiries: dict[Key, int]
    fields: dict[Key, dict[bytes, int]]
    """Of hashes, those that expire."""
    values: dict[Key, Any]
    """Of streams; of everything where there is no digest."""
    functions: list[Any]
    binary: Binary
    times: bool
    """Whether the times of streams' consumers are among the values."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and not differences(self, other)


def state(server: Server, *, times: bool = True, beside: Binary | None = None) -> State:
    """What the server holds; without the times of streams' consumers where `times` says so, which no command can set.

    `beside` is a server of another release that it is to be compared with: what that one does not keep is left out.
    """
    told = [server.binary, *([beside] if beside else [])]
    typed = len({str(binary) for binary in told}) > 1
    sizes = _sizes(server)
    types: dict[Key, str] = {}
    expiries: dict[Key, int] = {}
    expiring: dict[Key, dict[bytes, int]] = {}
    values: dict[Key, Any] = {}
    for db in sizes:
        client = raw(server, db)
        kinds = dict(_types(client))
        types |= {(db, key): kind for key, kind in kinds.items()}
        expiries |= {(db, key): at for key, at in _expiries(client, list(kinds), server.binary)}
        if all(binary.fields_expire for binary in told):
            hashes = [key for key, kind in kinds.items() if kind == "hash"]
            expiring |= {(db, key): times_of for key, times_of in _field_expiries(client, hashes)}
        for key, kind in kinds.items():
            if kind == "stream" or typed:
                values[db, key] = _common(read(client, kind, key, server.binary), told, times=times)
    functions = _functions(server) if all(binary.version >= (7, 0) for binary in told) else []
    digest = b"" if typed else bytes(raw(server).execute_command("DEBUG", "DIGEST"))  # type: ignore[no-untyped-call]
    return State(digest, sizes, types, expiries, expiring, values, functions, server.binary, times)


def caught_up(replica: Server, primary: Server) -> bool:
    """Whether a replica has all that its primary has: until then its values change between two questions about one."""
    at, here = (server.client().info("replication") for server in (primary, replica))
    return bool(here["master_link_status"] == "up" and here["slave_repl_offset"] == at["master_repl_offset"])


def assert_same(one: Server | State, other: Server | State, *, times: bool = True) -> None:
    """Two servers, or what they held at a moment, are the same in all that both can hold.

    Of states both must be of one release; `times` as of `state`, for states that are made here.
    """
    found = differences(_state(one, other, times=times), _state(other, one, times=times))
    assert not found, "\n".join(found)


def differences(one: State, other: State) -> list[str]:
    """What is not the same, some of it in words; nothing where they are equal."""
    binaries = {str(one.binary), str(other.binary)}
    assert len(binaries) == 1 or not (one.digest or other.digest), f"states of {binaries} do not compare: use `beside`"
    exact = min(one.binary.version, other.binary.version) >= (7, 0)
    alike: dict[str, Callable[[Any, Any], bool]] = {"expiries": lambda at, also: abs(at - also) <= _TOLERANCE}
    found: list[str] = []
    for name in (field.name for field in fields(State) if field.name not in ("binary", "times")):
        told = _differing(getattr(one, name), getattr(other, name), (None if exact else alike.get(name)))
        found += [f"{name}: {line}" for line in told]
    return found


def _differing(one: Any, other: Any, alike: Callable[[Any, Any], bool] | None) -> list[str]:
    if not isinstance(one, dict):
        return [] if one == other else [f"{one!r:.200} != {other!r:.200}"]
    wrong = [
        key
        for key in {**one, **other}
        if key not in one
        or key not in other
        or not (one[key] == other[key] or (alike is not None and alike(one[key], other[key])))
    ]
    lines = [f"{key!r}: {one.get(key)!r:.200} != {other.get(key)!r:.200}" for key in wrong[:_SHOWN]]
    return lines + ([f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else [])


def _state(one: Server | State, other: Server | State, *, times: bool) -> State:
    if isinstance(one, State):
        return one
    return state(one, times=times and (isinstance(other, Server) or other.times), beside=other.binary)


def _sizes(server: Server) -> dict[int, int]:
    client: Any = server.client()
    return {int(name[2:]): told["keys"] for name, told in sorted(client.info("keyspace").items())}


def _asked(client: Any, commands: list[tuple[Any, ...]]) -> Iterator[Any]:
    for start in range(0, len(commands), _AT_ONCE):
        pipe = client.pipeline(transaction=False)
        for command in commands[start : start + _AT_ONCE]:
            pipe.execute_command(*command)
        yield from pipe.execute()


def _types(client: Any) -> Iterator[tuple[bytes, str]]:
    keys = client.execute_command("KEYS", "*")
    kinds = _asked(client, [("TYPE", key) for key in keys])
    return zip(keys, (kind.decode() for kind in kinds), strict=True)


def _expiries(client: Any, keys: list[bytes], binary: Binary) -> Iterator[tuple[bytes, int]]:
    if binary.version >= (7, 0):
        times = _asked(client, [("PEXPIRETIME", key) for key in keys])
        return ((key, at) for key, at in zip(keys, times, strict=True) if at >= 0)
    return _by_the_clock(client, keys)


def _by_the_clock(client: Any, keys: list[bytes]) -> Iterator[tuple[bytes, int]]:
    """As PTTL tells: asked again where the server paused between that and its TIME."""
    while keys:
        told = list(_asked(client, [command for key in keys for command in (("TIME",), ("PTTL", key), ("TIME",))]))
        unsure = []
        for key, before, left, after in zip(keys, told[::3], told[1::3], told[2::3], strict=True):
            if left < 0:
                continue
            if milliseconds(after) - milliseconds(before) > _TOLERANCE // 2:
                unsure.append(key)
            else:
                yield key, milliseconds(before) + left
        keys = unsure


def _field_expiries(client: Any, keys: list[bytes]) -> Iterator[tuple[bytes, dict[bytes, int]]]:
    names = list(_asked(client, [("HKEYS", key) for key in keys]))
    asked = [("HPEXPIRETIME", key, "FIELDS", len(some), *some) for key, some in zip(keys, names, strict=True)]
    for key, some, times in zip(keys, names, _asked(client, asked), strict=True):
        if found := {name: at for name, at in zip(some, times, strict=True) if at >= 0}:
            yield key, found


def _functions(server: Server) -> list[Any]:
    client: Any = raw(server)
    return sorted(client.execute_command("FUNCTION", "LIST", "WITHCODE"))


def _common(value: Any, binaries: list[Binary], *, times: bool) -> Any:
    """The value, less what one of these servers does not keep, and less the expiry of fields, which is compared apart."""
    if isinstance(value, Stream):
        old = any(binary.version < (7, 0) for binary in binaries)
        if old:
            value.max_deleted_id = value.entries_added = None
        for group in value.groups:
            if old:
                group.entries_read = None
            for consumer in group.consumers:
                if not times:
                    consumer.seen_at = consumer.active_at = None
    elif isinstance(value, list) and all(isinstance(row, tuple) for row in value):
        return [row[:2] for row in value]
    return value
