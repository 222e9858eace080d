"""Which rights a user lacks at a Redis: each command is tried in a form that changes nothing.

A server that does not know a command says so before it looks at rights, so nobody is told to allow an unknown command.
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
_FORMS |= {right: command.form for right, command in OF_TYPES.items()}
# They write in any form, so they are tried in a transaction that is never executed.
_WRITE_ALWAYS = frozenset(right for right, command in OF_TYPES.items() if command.writes_always)
_NAME_A_KEY = ("exists", "type", "pttl", "dump", "get", "restore")
# PSYNC is tried by engines/replication.py.
_ASKED_ELSEWHERE = frozenset({"psync"})

_NAMED_IN_FULL = frozenset({"client|no-touch"})
"""Subcommands younger than Redis 7.0. A refusal that names no subcommand comes from an older server, which has none of these."""


def check(endpoint: Endpoint, doing: str, rights: Iterable[str]) -> None:
    """Raise the endpoint's error where the user lacks any of these rights, with the command that gives them."""
    if lacking := missing(endpoint, list(dict.fromkeys(rights))):
        raise endpoint.role.error(
            f"The {endpoint.role.name} at {endpoint.address} does not allow {doing}: the user {endpoint.user} lacks "
            f"{as_acl(lacking)}. Give that with `{acl_line(endpoint.user, as_acl(lacking))}`."
        ).plain()


def missing(endpoint: Endpoint, rights: Collection[str]) -> list[str]:
    """The rights that this user lacks, of commands that the server knows; ALL_KEYS where keys are out of bounds.

    Raises the endpoint's errors.
    """
    writing = [right for right in rights if right in _WRITE_ALWAYS]
    plain = [right for right in rights if right not in _WRITE_ALWAYS | _ASKED_ELSEWHERE | {"multi"}]
    with endpoint.translated("asking what is allowed"):
        with Wire(endpoint) as wire:
            refused = _refused(wire, plain)
            names_a_key = ALL_KEYS not in refused and any(KEY in _FORMS[right] for right in refused)
            if names_a_key and _keys_are_out_of_bounds(wire):
                refused.append(ALL_KEYS)
        if writing or "multi" in rights:
            refused += _refused_in_transaction(endpoint, writing)
    return [right for right in (ALL_KEYS, *rights) if right in refused]


def _keys_are_out_of_bounds(wire: Wire) -> bool:
    """Whether the user may not touch the key KEY. Also true where all commands that name it are refused, so that it is unknown."""
    refused = _refused(wire, list(_NAME_A_KEY))
    return ALL_KEYS in refused or len(refused) == len(_NAME_A_KEY)


def _refused_in_transaction(endpoint: Endpoint, rights: list[str]) -> list[str]:
    """Those that are refused within MULTI; MULTI and all of them where MULTI is refused."""
    with Wire(endpoint) as wire:
        begun = wire.try_(*_FORMS["multi"])
        if begun == b"OK":
            return _refused(wire, rights)
    return ["multi", *rights] if "NOPERM" in str(begun) else []


def _refused(wire: Wire, rights: list[str]) -> list[str]:
    wire.send(b"".join(pack(*_FORMS[right]) for right in rights))
    answers = list(zip(rights, list(wire.replies(len(rights))), strict=True))
    refused = [
        (right, str(answer))
        for right, answer in answers
        if isinstance(answer, RedisError) and _is_lacking(right, str(answer))
    ]
    return [ALL_KEYS if _names_a_key(words) else right for right, words in refused]


def _is_lacking(right: str, words: str) -> bool:
    # EXEC's refusal has EXECABORT before the NOPERM.
    return "NOPERM" in words and (right not in _NAMED_IN_FULL or right in words)


def _names_a_key(words: str) -> bool:
    return "access a key" in words or "access one of the keys" in words
