"""Which rights a user lacks at a Redis: each is used in a form that changes nothing, which every server answers.

A server that does not know a command says so before it looks at rights, so that none is asked for what cannot be.
"""

from collections.abc import Collection, Iterable

from redis.exceptions import RedisError

from worker.formats.rdb.payload import seal
from worker.formats.types import KEY
from worker.server.endpoint import Endpoint, acl_line
from worker.server.rights import ALL_KEYS, OF_TYPES, as_acl
from worker.server.wire import Wire, pack

# Each in a form that changes nothing. RESTORE carries a value of a type that cannot be: the server examines the payload to
# its end and writes nothing. No port is called what REPLICAOF is given: `NO ONE` would make a primary of a replica.
_FORMS: dict[str, tuple[bytes, ...]] = {
    "client|kill": (b"CLIENT", b"KILL", b"ID", b"0"),
    "client|list": (b"CLIENT", b"LIST", b"ID", b"0"),
    "client|no-touch": (b"CLIENT", b"NO-TOUCH", b"OFF"),
    "client|setname": (b"CLIENT", b"SETNAME", b"redis_backup"),
    "config|get": (b"CONFIG", b"GET", b"repl-diskless-load"),
    "config|set": (b"CONFIG", b"SET", b"redis_backup", b""),
    "dbsize": (b"DBSIZE",),
    "del": (b"DEL", KEY),
    "dump": (b"DUMP", KEY),
    "exec": (b"EXEC",),
    "exists": (b"EXISTS", KEY),
    "expire": (b"EXPIRE", KEY, b"1"),
    "function|delete": (b"FUNCTION", b"DELETE", b""),
    "function|dump": (b"FUNCTION", b"DUMP"),
    "function|list": (b"FUNCTION", b"LIST", b"LIBRARYNAME", b"redis_backup"),
    "function|load": (b"FUNCTION", b"LOAD", b""),
    "info": (b"INFO", b"server"),
    "memory|usage": (b"MEMORY", b"USAGE", KEY),
    "module|list": (b"MODULE", b"LIST"),
    "multi": (b"MULTI",),
    "persist": (b"PERSIST", KEY),
    "pexpireat": (b"PEXPIREAT", KEY, b"1"),
    "pexpiretime": (b"PEXPIRETIME", KEY),
    "ping": (b"PING",),
    "pttl": (b"PTTL", KEY),
    "rename": (b"RENAME", KEY, KEY),
    "renamenx": (b"RENAMENX", KEY, KEY),
    "replconf": (b"REPLCONF", b"capa", b"eof"),
    "replicaof": (b"REPLICAOF", b"redis_backup", b"no-port"),
    "restore": (b"RESTORE", KEY, b"0", seal(b"\xfe", 1)),
    "scan": (b"SCAN", b"0", b"COUNT", b"1"),
    "select": (b"SELECT", b"0"),
    "time": (b"TIME",),
    "type": (b"TYPE", KEY),
    "unlink": (b"UNLINK", KEY),
}
_FORMS |= {right: one.form for right, one in OF_TYPES.items()}
# Those that write whatever they are given: tried in a transaction that is never ended.
_WRITE_ALWAYS = frozenset(right for right, one in OF_TYPES.items() if one.writes_always)
_READ_A_KEY = ("exists", "type", "pttl", "dump", "get")
# For PSYNC there is a way of its own: engines/replication.py.
_ASKED_ELSEWHERE = frozenset({"psync"})

_NAMED_IN_FULL = frozenset({"client|no-touch"})
"""Younger than Redis 7.0, before which a refusal names no subcommand: one that does not is of a server without these."""


def check(endpoint: Endpoint, doing: str, rights: Iterable[str]) -> None:
    """Raise the endpoint's error where the user lacks any of them: it says which, and how to give them."""
    if lacking := missing(endpoint, list(dict.fromkeys(rights))):
        raise endpoint.role.error(
            f"The {endpoint.role.name} at {endpoint.address} does not allow {doing}: the user {endpoint.user} lacks "
            f"{as_acl(lacking)}. Give that with `{acl_line(endpoint.user, as_acl(lacking))}`."
        )


def missing(endpoint: Endpoint, rights: Collection[str]) -> list[str]:
    """Those of these that this user has not and the server knows; ALL_KEYS for keys that are out of bounds.

    Raises the endpoint's errors.
    """
    writing = [one for one in rights if one in _WRITE_ALWAYS]
    plain = [one for one in rights if one not in _WRITE_ALWAYS | _ASKED_ELSEWHERE | {"multi"}]
    with endpoint.translated("asking what is allowed"):
        with Wire(endpoint) as wire:
            found = _refused(wire, plain)
            if ALL_KEYS not in found and any(KEY in _FORMS[one] for one in found) and _keys_are_out_of_bounds(wire):
                found.append(ALL_KEYS)
        if writing or "multi" in rights:
            found += _refused_in_transaction(endpoint, writing)
    return [one for one in (ALL_KEYS, *rights) if one in found]


def _keys_are_out_of_bounds(wire: Wire) -> bool:
    """Asked where commands that name a key are refused as such; also true where all are, and nobody can tell."""
    found = _refused(wire, list(_READ_A_KEY))
    return ALL_KEYS in found or len(found) == len(_READ_A_KEY)


def _refused_in_transaction(endpoint: Endpoint, rights: list[str]) -> list[str]:
    """MULTI, and what may only be lined up behind it: all of them where there is no telling."""
    with Wire(endpoint) as wire:
        begun = wire.try_(*_FORMS["multi"])
        if begun == b"OK":
            return _refused(wire, rights)
    return ["multi", *rights] if "NOPERM" in str(begun) else []


def _refused(wire: Wire, rights: list[str]) -> list[str]:
    wire.send(b"".join(pack(*_FORMS[one]) for one in rights))
    answers = list(zip(rights, list(wire.replies(len(rights))), strict=True))
    refused = [
        (one, str(answer))
        for one, answer in answers
        if isinstance(answer, RedisError) and _is_lacking(one, str(answer))
    ]
    return [ALL_KEYS if _names_a_key(words) else one for one, words in refused]


def _is_lacking(right: str, words: str) -> bool:
    # Of EXEC the refusal stands behind a word of its own.
    return "NOPERM" in words and (right not in _NAMED_IN_FULL or right in words)


def _names_a_key(words: str) -> bool:
    return "access a key" in words or "access one of the keys" in words
