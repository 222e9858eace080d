"""What a user must be allowed at a Redis, by operation: one table, of which the guide, `ping`, checks and messages are made.

Rights are said as an ACL line says them, without the plus: `config|get`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from worker.formats.rdb.codes import CODES
from worker.formats.types import TYPES, Command, Release

ALL_KEYS = "~*"

OF_TYPES = {command.right: command for kind in TYPES for command in (*kind.reads, *kind.builds)}
"""The commands that only keys of one type take."""
# The first releases of Redis and of Valkey with these commands; all other commands are older than ACLs.
_SINCE: dict[str, tuple[Release, Release]] = {
    "client|no-touch": ((7, 2), (7, 2)),
    "pexpiretime": ((7, 0), (7, 2)),
    "function": ((7, 0), (7, 2)),
} | {right: (command.redis, command.valkey) for right, command in OF_TYPES.items()}


def _rights(commands: Iterable[Command]) -> str:
    return " ".join(command.right for command in commands)


_BY_TYPE = {kind.name: _rights(kind.builds) for kind in TYPES if not kind.sent_whole}
_BETTER_BUILT = _rights(command for kind in TYPES if kind.sent_whole for command in kind.builds)
_TEXTS = frozenset(kind.name for kind in TYPES if kind.holds == "text")
_BUILD = "del expire pexpireat persist multi exec"
_NAME = {"skip": "exists renamenx", "overwrite": "rename", "mirror": "rename"}
_READ = f"type {_rights(command for kind in TYPES for command in kind.reads)}"
TO_LOOK = ("dump", "pttl")
TO_DELETE = ("unlink", "scan")
"""What a mirror does besides writing: it looks for other keys, and deletes them."""
_LOOK = "info select time dump pttl"
_WRITE = "info select time"
_RESTORE = f"{_WRITE} restore"
_CONNECTIONS = "client|setname client|list client|kill client|no-touch"
_BETTER_RESTORE = f"pexpiretime hpexpiretime function|load function|dump dbsize memory|usage config|get {_CONNECTIONS}"

_SNAPSHOT = "replconf psync"
"""Of a target that is kept as its own snapshot before most of it is overwritten."""


def _building(mode: str) -> str:
    return f"{_BUILD} {_NAME[mode]} {' '.join(_BY_TYPE.values())}"


@dataclass(frozen=True)
class Needs:
    """The rights of one operation. Without the needed ones it is refused; without the better ones it goes on and warns."""

    needed: str
    better: str = ""
    keys: bool = True
    """Whether it touches keys."""
    writes: bool = False
    """Whether it needs a server that takes writes and has all the keys."""

    @property
    def all_keys(self) -> list[str]:
        """The keys that it may need to touch, as an ACL line says it."""
        return [ALL_KEYS] if self.keys else []


OPERATIONS: dict[str, Needs] = {
    "backup by replication": Needs("ping info replconf psync", "select", keys=False),
    "backup by scan": Needs("info select time scan dump pttl", "pexpiretime function|dump client|no-touch"),
    "backup by typed": Needs(f"info select time scan pttl {_READ}", "pexpiretime function|list dump client|no-touch"),
    "restore of rdb, skip": Needs(f"{_RESTORE} exists", f"dump pttl {_BETTER_RESTORE}", writes=True),
    "restore of rdb, overwrite": Needs(f"{_RESTORE} dump pttl", f"{_BETTER_RESTORE} {_SNAPSHOT}", writes=True),
    "restore of json, skip": Needs(
        f"{_WRITE} {_building('skip')}", f"restore {_BETTER_BUILT} dump pttl {_BETTER_RESTORE}", writes=True
    ),
    "restore of json, overwrite": Needs(
        f"{_WRITE} dump pttl {_building('overwrite')}",
        f"restore {_BETTER_BUILT} {_BETTER_RESTORE}",
        writes=True,
    ),
    "whole restore as one file": Needs(
        f"{_RESTORE} config|get replicaof function|list module|list",
        f"exists dump pttl {_BETTER_RESTORE} config|set",
        writes=True,
    ),
    "mirror as one file": Needs(
        f"{_RESTORE} dump pttl scan unlink config|get replicaof",
        f"pexpiretime hpexpiretime function|load function|dump dbsize config|set {_CONNECTIONS} {_SNAPSHOT}",
        writes=True,
    ),
    "mirror key by key": Needs(
        f"{_RESTORE} dump pttl scan unlink",
        f"type function|list function|delete {_BETTER_RESTORE} {_SNAPSHOT}",
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
    sorted({right for needs in OPERATIONS.values() for right in f"{needs.needed} {needs.better}".split()})
)
"""Every right that any operation can use."""


def line(operation: str, server: str, release: tuple[int, ...]) -> str:
    """The least that an ACL line must give for this operation at that server, such as `~* +info +scan`."""
    needs = OPERATIONS[operation]
    return as_acl([*needs.all_keys, *(right for right in needs.needed.split() if is_known(right, server, release))])


def is_known(right: str, server: str, release: tuple[int, ...]) -> bool:
    """Whether a server of that make (`redis`, `valkey`) and release has the command."""
    redis, valkey = _SINCE.get(right) or _SINCE.get(right.partition("|")[0], ((0,), (0,)))
    return release >= (valkey if server == "valkey" else redis)


def as_acl(rights: Iterable[str]) -> str:
    """These rights as words of an ACL line."""
    return " ".join(right if right == ALL_KEYS else f"+{right}" for right in rights)


def to_write(mode: str, types: Collection[str], loads: int | None, rdb_version: int | None) -> list[str]:
    """What writing a backup of these types takes at a target that loads payloads of RDB version `loads` (None: none).

    `rdb_version` is that of the backup's own payloads; None where it holds values.
    """
    built = [kind for kind in _BY_TYPE if kind in types and _is_built(kind, loads, rdb_version)]
    # A text is complete with its first command.
    needed = [_BY_TYPE[kind].split()[0] for kind in built if kind in _TEXTS]
    if others := [_BY_TYPE[kind] for kind in built if kind not in _TEXTS]:
        needed += " ".join((_BUILD, _NAME[mode], *others)).split()
    # A document holds payloads of types that are not in the table.
    return needed if rdb_version is None and set(types) <= _BY_TYPE.keys() else ["restore", *needed]


def _is_built(kind: str, loads: int | None, rdb_version: int | None) -> bool:
    """Whether keys of this type, in their usual encoding, are built there from their values."""
    if loads is None or rdb_version is None:
        return True
    usual = [row for row in CODES if row.type == kind and not row.fields_expire]
    return any(loads < row.since <= rdb_version for row in usual)
