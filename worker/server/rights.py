"""What a user must be allowed at a Redis, by operation: one table, of which the guide, `ping`, checks and messages are made.

Rights are said as an ACL line says them, without the plus: `config|get`. Whether one is there is found out by using it in
a form that changes nothing, which every user can and every server answers; a server that does not know a command says so
before it looks at rights, so that none is asked for what cannot be.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from redis.exceptions import RedisError

from worker.formats.rdb.codes import CODES
from worker.formats.rdb.payload import seal
from worker.formats.types import KEY, TYPES, Command, Release
from worker.server.endpoint import Endpoint, acl_line
from worker.server.wire import Wire, pack

ALL_KEYS = "~*"

# Each in a form that changes nothing. RESTORE carries a value of a type that cannot be: the server examines the payload to
# its end and writes nothing. No port is called what REPLICAOF is given: `NO ONE` would make a primary of a replica.
_FORMS: dict[str, tuple[bytes, ...]] = {
    "client|kill": (b"CLIENT", b"KILL", b"ID", b"0"),
    "client|list": (b"CLIENT", b"LIST", b"ID", b"0"),
    "client|no-touch": (b"CLIENT", b"NO-TOUCH", b"OFF"),
    "client|setname": (b"CLIENT", b"SETNAME", b"redis_backup"),
    "config|get": (b"CONFIG", b"GET", b"repl-diskless-load"),
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
_OF_TYPES = {one.right: one for kind in TYPES for one in (*kind.reads, *kind.builds)}
_FORMS |= {right: one.form for right, one in _OF_TYPES.items()}
# Those that write whatever they are given: tried in a transaction that is never ended.
_WRITE_ALWAYS = frozenset(right for right, one in _OF_TYPES.items() if one.writes_always)
_READ_A_KEY = ("exists", "type", "pttl", "dump", "get")
# For PSYNC there is a way of its own: engines/replication.py.
_ASKED_ELSEWHERE = frozenset({"psync"})

_NAMED_IN_FULL = frozenset({"client|no-touch"})
"""Younger than Redis 7.0, before which a refusal names no subcommand: one that does not is of a server without these."""

# What began with which release of Redis, and of Valkey; all others are older than ACLs are.
_SINCE: dict[str, tuple[Release, Release]] = {
    "client|no-touch": ((7, 2), (7, 2)),
    "pexpiretime": ((7, 0), (7, 2)),
    "function": ((7, 0), (7, 2)),
} | {right: (one.redis, one.valkey) for right, one in _OF_TYPES.items()}


def _rights(commands: Iterable[Command]) -> str:
    return " ".join(one.right for one in commands)


_BY_TYPE = {one.name: _rights(one.builds) for one in TYPES if not one.sent_whole}
_BETTER_BUILT = _rights(command for one in TYPES if one.sent_whole for command in one.builds)
_TEXTS = frozenset(one.name for one in TYPES if one.holds == "text")
_BUILD = "del expire pexpireat persist multi exec"
_NAME = {"skip": "exists renamenx", "overwrite": "rename", "mirror": "rename"}
_READ = f"type {_rights(command for one in TYPES for command in one.reads)}"
TO_LOOK = ("dump", "pttl")
TO_DELETE = ("unlink", "scan")
"""What a mirror does besides writing: it looks for other keys, and deletes them."""
_LOOK = "info select time dump pttl"
_WRITE = "info select time"
_RESTORE = f"{_WRITE} restore"
_CONNECTIONS = "client|setname client|list client|kill client|no-touch"
_BETTER_RESTORE = f"pexpiretime hpexpiretime function|load function|dump dbsize memory|usage config|get {_CONNECTIONS}"


def _building(mode: str) -> str:
    return f"{_BUILD} {_NAME[mode]} {' '.join(_BY_TYPE.values())}"


@dataclass(frozen=True)
class Needs:
    """The rights of one operation: without the first it is refused, without the others it goes on, and says what it lacks."""

    needed: str
    better: str = ""
    keys: bool = True
    """Whether it touches keys."""
    writes: bool = False
    """Whether it takes a server that takes writes, and has all the keys."""

    @property
    def all_keys(self) -> list[str]:
        """The keys that it may need to touch, as an ACL line says it."""
        return [ALL_KEYS] if self.keys else []


OPERATIONS: dict[str, Needs] = {
    "backup by replication": Needs("ping info replconf psync", "select", keys=False),
    "backup by scan": Needs("info select time scan dump pttl", "pexpiretime function|dump client|no-touch"),
    "backup by typed": Needs(f"info select time scan pttl {_READ}", "pexpiretime function|list dump client|no-touch"),
    "restore of rdb, skip": Needs(f"{_RESTORE} exists", f"dump pttl {_BETTER_RESTORE}", writes=True),
    "restore of rdb, overwrite": Needs(f"{_RESTORE} dump pttl", _BETTER_RESTORE, writes=True),
    "restore of json, skip": Needs(
        f"{_WRITE} {_building('skip')}", f"restore {_BETTER_BUILT} dump pttl {_BETTER_RESTORE}", writes=True
    ),
    "restore of json, overwrite": Needs(
        f"{_WRITE} dump pttl {_building('overwrite')}",
        f"restore {_BETTER_BUILT} {_BETTER_RESTORE}",
        writes=True,
    ),
    "mirror as one file": Needs(
        f"{_RESTORE} dump pttl scan unlink config|get replicaof",
        f"pexpiretime hpexpiretime function|load function|dump dbsize {_CONNECTIONS}",
        writes=True,
    ),
    "mirror key by key": Needs(
        f"{_RESTORE} dump pttl scan unlink",
        f"type function|list function|delete {_BETTER_RESTORE}",
        writes=True,
    ),
    "undo": Needs(
        f"{_RESTORE} dump pttl unlink scan",
        f"pexpiretime hpexpiretime function|load function|dump function|delete {_CONNECTIONS}",
        writes=True,
    ),
    "preview": Needs(_LOOK, "pexpiretime hpexpiretime config|get module|list client|no-touch"),
    "preview of a mirror": Needs(
        f"{_LOOK} scan type", "pexpiretime hpexpiretime config|get module|list client|no-touch"
    ),
    "search": Needs(f"{_LOOK} scan", "pexpiretime client|no-touch"),
    "stats": Needs("info", keys=False),
}


ALL: tuple[str, ...] = tuple(
    sorted({right for one in OPERATIONS.values() for right in f"{one.needed} {one.better}".split()})
)
"""Every right that any operation can use."""


def line(operation: str, server: str, release: tuple[int, ...]) -> str:
    """The least that an ACL line must give for it there, such as `~* +info +scan`."""
    needs = OPERATIONS[operation]
    return as_acl([*needs.all_keys, *(one for one in needs.needed.split() if is_known(one, server, release))])


def is_known(right: str, server: str, release: tuple[int, ...]) -> bool:
    """Whether a server of that make (`redis`, `valkey`) and release has the command."""
    redis, valkey = _SINCE.get(right) or _SINCE.get(right.partition("|")[0], ((0,), (0,)))
    return release >= (valkey if server == "valkey" else redis)


def as_acl(rights: Iterable[str]) -> str:
    """These rights as words of an ACL line."""
    return " ".join(one if one == ALL_KEYS else f"+{one}" for one in rights)


def to_write(mode: str, types: Collection[str], loads: int | None, rdb_version: int | None) -> list[str]:
    """What writing a backup of these types takes at a target that loads payloads of RDB version `loads` (None: none).

    `rdb_version` is that of the backup's own payloads; None where it holds values.
    """
    built = [kind for kind in _BY_TYPE if kind in types and _is_built(kind, loads, rdb_version)]
    # A text is there with its first command, all at once.
    needed = [_BY_TYPE[kind].split()[0] for kind in built if kind in _TEXTS]
    if others := [_BY_TYPE[kind] for kind in built if kind not in _TEXTS]:
        needed += " ".join((_BUILD, _NAME[mode], *others)).split()
    # Of what is no type of ours a document holds the payload.
    return needed if rdb_version is None and set(types) <= _BY_TYPE.keys() else ["restore", *needed]


def _is_built(kind: str, loads: int | None, rdb_version: int | None) -> bool:
    """Whether keys of a type are built from their values there, as they usually are encoded."""
    if loads is None or rdb_version is None:
        return True
    usual = [one for one in CODES if one.type == kind and not one.fields_expire]
    return any(loads < one.since <= rdb_version for one in usual)


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
