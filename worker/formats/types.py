"""The types of keys: what is known of each stands in this table, and names, filters, pages, rights and engines ask it.

A new type is one entry here, and one for each way in which an RDB file encodes it in `rdb/codes.py`. Code that has to tell
values apart asks what a type `holds`: only a type that holds something new needs code of its own there.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

Holds = Literal["text", "elements", "members", "scores", "fields", "stream", "vectors", "payload"]
"""What a value is made of, each a form of entries.Value: bytes; a list, with or without an order; members with scores;
fields with values; a Stream; a VectorSet; what only its own server can read (Opaque)."""
Release = tuple[int, ...]

KEY = b"redis_backup:no such key"
"""A key that no server has: commands are tried on it to learn what a user may do."""
NEVER: Release = (1 << 16,)
UNKNOWN = "unknown"
"""The type of a key whose type is not in the table."""
_MODULES_TYPE = re.compile(rb"[A-Za-z0-9_-]{9}")
"""Names that modules may give their types (module.c, moduleTypeEncodeId); no type of a server itself has one so far."""


class Command(NamedTuple):
    """A command, in a form that every server answers and that changes nothing, and the first releases that have it."""

    form: tuple[bytes, ...]
    redis: Release = (0,)
    valkey: Release = (0,)
    writes_always: bool = False
    """Whether it writes in any form, so that it may only be tried in a transaction that is never executed."""

    @property
    def right(self) -> str:
        """As an ACL line says it, without the plus."""
        return self.form[0].decode().lower()


@dataclass(frozen=True)
class KeyType:
    """One type."""

    name: str
    """As TYPE answers it, and as manifests, filters and pages say it."""
    holds: Holds
    ink: str = "grey"
    """The colour of its bars, by its name in style.css."""
    reads: tuple[Command, ...] = ()
    """The ordinary commands that read it; none where only DUMP does."""
    size: bytes | None = None
    """The command that gives the number of bytes or elements."""
    whole: tuple[bytes, ...] = ()
    """The command that reads all of it at once; the key comes behind the first word."""
    piece: bytes = b""
    """The command that reads a part of a large one, by range or cursor."""
    builds: tuple[Command, ...] = ()
    """The commands that build it; the first one adds to it."""
    sent_whole: bool = False
    """Whether it goes to a server as a payload, even out of a document: commands make no exact copy, or none at all."""
    fields_expire: bool = False
    """Whether its fields may have an expiry of their own (HPEXPIREAT)."""


TYPES: tuple[KeyType, ...] = (
    KeyType(
        "string",
        "text",
        "blue",
        reads=(Command((b"STRLEN", KEY)), Command((b"GET", KEY)), Command((b"GETRANGE", KEY, b"0", b"0"))),
        size=b"STRLEN",
        whole=(b"GET",),
        piece=b"GETRANGE",
        builds=(Command((b"SET", KEY, b"", b"XX")), Command((b"APPEND", KEY, b""), writes_always=True)),
    ),
    KeyType(
        "list",
        "elements",
        "green",
        reads=(Command((b"LLEN", KEY)), Command((b"LRANGE", KEY, b"0", b"0"))),
        size=b"LLEN",
        whole=(b"LRANGE", b"0", b"-1"),
        piece=b"LRANGE",
        builds=(Command((b"RPUSH", KEY, b""), writes_always=True),),
    ),
    KeyType(
        "set",
        "members",
        "violet",
        reads=(Command((b"SCARD", KEY)), Command((b"SMEMBERS", KEY)), Command((b"SSCAN", KEY, b"0"))),
        size=b"SCARD",
        whole=(b"SMEMBERS",),
        piece=b"SSCAN",
        builds=(Command((b"SADD", KEY, b""), writes_always=True),),
    ),
    KeyType(
        "zset",
        "scores",
        "pink",
        reads=(Command((b"ZCARD", KEY)), Command((b"ZRANGE", KEY, b"0", b"0")), Command((b"ZSCAN", KEY, b"0"))),
        size=b"ZCARD",
        whole=(b"ZRANGE", b"0", b"-1", b"WITHSCORES"),
        piece=b"ZSCAN",
        builds=(Command((b"ZADD", KEY, b"no number", b"-")),),
    ),
    KeyType(
        "hash",
        "fields",
        "orange",
        reads=(
            Command((b"HLEN", KEY)),
            Command((b"HGETALL", KEY)),
            Command((b"HSCAN", KEY, b"0")),
            Command((b"HPEXPIRETIME", KEY, b"FIELDS", b"1", b"-"), redis=(7, 4), valkey=(9, 0)),
        ),
        size=b"HLEN",
        whole=(b"HGETALL",),
        piece=b"HSCAN",
        builds=(
            Command((b"HSET", KEY, b"field without a value", b"-", b"-")),
            Command((b"HPEXPIREAT", KEY, b"1", b"FIELDS", b"1", b"-"), redis=(7, 4), valkey=(9, 0)),
        ),
        fields_expire=True,
    ),
    KeyType(
        "stream",
        "stream",
        "teal",
        reads=(
            Command((b"XINFO", b"STREAM", KEY)),
            Command((b"XRANGE", KEY, b"-", b"+", b"COUNT", b"1")),
            Command((b"XPENDING", KEY, b"-")),
        ),
        builds=(
            Command((b"XADD", KEY, b"no id", b"-", b"-")),
            Command((b"XSETID", KEY, b"0-1")),
            Command((b"XGROUP", b"CREATE", KEY, b"-", b"0")),
            Command((b"XCLAIM", KEY, b"-", b"-", b"0", b"0-1")),
            Command((b"XDEL", KEY, b"0-1")),
            Command((b"XTRIM", KEY, b"MAXLEN", b"0")),
        ),
    ),
    KeyType(
        "vectorset",
        "vectors",
        builds=(Command((b"VADD", KEY, b"FP32", b"no vector", b"-"), redis=(8, 0), valkey=NEVER),),
        sent_whole=True,
    ),
    KeyType("module", "payload", sent_whole=True),
)

NAMES: tuple[str, ...] = tuple(kind.name for kind in TYPES)
BY_NAME: dict[str, KeyType] = {kind.name: kind for kind in TYPES}
HOLDS: dict[str, Holds] = {kind.name: kind.holds for kind in TYPES}
INKS: dict[str, str] = {kind.name: kind.ink for kind in TYPES}
FIELDS_EXPIRE: frozenset[str] = frozenset(kind.name for kind in TYPES if kind.fields_expire)


def name_of(answer: bytes) -> str | None:
    """The name in the table of what TYPE answers, None for no key.

    A module's type has a name of its own, such as `ReJSON-RL`. What is neither ours nor can be a module's is `unknown`: a
    server newer than this program has it, and who asks for modules does not mean it.
    """
    if answer == b"none":
        return None
    name = answer.decode("utf-8", "backslashreplace")
    if name in BY_NAME:
        return name
    return "module" if _MODULES_TYPE.fullmatch(answer) else UNKNOWN
