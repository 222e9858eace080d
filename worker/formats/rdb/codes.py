"""RDB type codes: what is known of each, in one table.

Source: rdb.h of Redis 2.6 to 8.8 and of Valkey 9.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from worker.formats.entries import Value
from worker.formats.rdb import streams, vectors
from worker.formats.rdb.collections import (
    Read,
    Unpack,
    as_members,
    as_pairs,
    as_scores,
    packed,
    read_expiring,
    read_expiring_listpack,
    read_expiring_listpack_rc,
    read_expiring_rc,
    read_hash,
    read_list,
    read_quicklist,
    read_quicklist2,
    read_scores,
    read_scores_of_text,
    read_valkey_expiring,
)
from worker.formats.rdb.encodings import intset, listpack, ziplist, zipmap
from worker.formats.rdb.skipping import (
    ASCII_DOUBLE,
    BYTES_8,
    FLAT,
    LENGTH,
    MODULE,
    NODES,
    PAIRS,
    STRING,
    STRINGS,
    Flat,
    Shape,
)
from worker.formats.rdb.strings import read_string

FIRST_VERSION_WITH_CHECKSUM = 5
FIRST_VALKEY_VERSION = 80
"""Valkey's own versions begin there; from then on its types are not those of Redis."""
_NEVER = 1 << 16


@dataclass(frozen=True)
class Code:
    """One way to encode a type."""

    code: int
    """The type byte."""
    type: str
    """As formats/types.py names it. Of modules `kind_at` knows more."""
    shape: Shape | None
    """How it is passed over; None for what nobody can."""
    read: Read | None
    """What decodes it; None for what is kept whole."""
    since: int = _NEVER
    """The RDB version of the first release, of Redis or Valkey, that loads it.

    What only Valkey writes, or only a release candidate of Redis wrote, is loaded by none other.
    """
    make: Literal["redis", "valkey"] | None = None
    """Who writes it; None for both. From 22 on a code means one thing in Redis and another in Valkey."""
    unpack: Unpack | None = None
    """Unpacks the blob that the whole value is packed into; None where it is not packed."""
    fields_expire: bool = False
    varies: bool = False
    """Whether its bytes may change while the value stays: hash tables are rehashed, consumers of streams look in."""

    @cached_property
    def flat(self) -> Flat | None:
        """How a plain loop passes over it; None unless it is one long row of strings."""
        return None if self.shape is None else FLAT.get(self.shape)


def _packed(code: int, name: str, unpack: Unpack, make: Any, since: int) -> Code:
    return Code(code, name, (STRING,), packed(unpack, make), since, unpack=unpack)


def _stream(code: int, since: int, make: Literal["redis"] | None = None) -> Code:
    return Code(code, "stream", streams.shape_of(code), streams.read_stream, since, make, varies=True)


def _expiring(code: int, shape: Shape, read: Read, since: int, unpack: Unpack | None = None) -> Code:
    return Code(code, "hash", shape, read, since, "redis", unpack, fields_expire=True, varies=True)


CODES: tuple[Code, ...] = (
    Code(0, "string", (STRING,), read_string, 1),
    Code(1, "list", STRINGS, read_list, 1),
    Code(2, "set", STRINGS, read_list, 1, varies=True),
    Code(3, "zset", ((STRING, ASCII_DOUBLE),), read_scores_of_text, 1),
    Code(4, "hash", PAIRS, read_hash, 1, varies=True),
    Code(5, "zset", ((STRING, BYTES_8),), read_scores, 8),
    Code(6, "module", None, None, 8),
    Code(vectors.MODULE_2, "module", (LENGTH, MODULE), None, 8),
    _packed(9, "hash", zipmap, as_pairs, 4),
    _packed(10, "list", ziplist, as_members, 4),
    _packed(11, "set", intset, as_members, 4),
    _packed(12, "zset", ziplist, as_scores, 4),
    _packed(13, "hash", ziplist, as_pairs, 4),
    Code(14, "list", STRINGS, read_quicklist, 7),
    _stream(15, 9),
    _packed(16, "hash", listpack, as_pairs, 10),
    _packed(17, "zset", listpack, as_scores, 10),
    Code(18, "list", NODES, read_quicklist2, 10),
    _stream(19, 10),
    _packed(20, "set", listpack, as_members, 11),
    _stream(21, 11),
    _expiring(22, ((LENGTH, STRING, STRING),), read_expiring_rc, _NEVER),
    Code(
        22, "hash", ((STRING, STRING, BYTES_8),), read_valkey_expiring, make="valkey", fields_expire=True, varies=True
    ),
    _expiring(23, (STRING,), read_expiring_listpack_rc, _NEVER, listpack),
    _expiring(24, (BYTES_8, (LENGTH, STRING, STRING)), read_expiring, 12),
    _expiring(25, (BYTES_8, STRING), read_expiring_listpack, 12, listpack),
    _stream(26, 13, "redis"),
    _stream(27, 14, "redis"),
)

BUILT_IN: dict[str, Callable[[bytes], Value]] = {vectors.NAME: vectors.read_vector_set}
"""Decoders of types that are built into servers and yet written as a module's, by the name behind the type byte. They raise
FormatError for a payload that is damaged or of an unknown version."""


def _of(make: str) -> list[Code | None]:
    known = {row.code: row for row in CODES if row.make in (None, make)}
    return [known.get(code) for code in range(256)]


_OF_REDIS, _OF_VALKEY = _of("redis"), _of("valkey")

TYPE_OF: dict[int, str] = {row.code: row.type for row in CODES}
"""The name of the type of each code. Of modules `kind_at` knows more."""
OF_BOTH_MAKES = frozenset(row.code for row in CODES if row.make is None)
ONE_STRING = frozenset(row.code for row in CODES if row.shape == (STRING,) and row.make is None)
"""Types whose value is one string: most keys of most servers have them, so the loops over a file skip these by themselves."""
FIELDS_EXPIRE = frozenset(row.code for row in CODES if row.fields_expire)
VARYING = frozenset(row.code for row in CODES if row.varies)
_SINCE = {row.code: row.since for row in CODES}


def known(code: int, rdb_version: int) -> Code | None:
    """The row of a type byte in a file of that version; None where this program does not know it."""
    return (_OF_VALKEY if rdb_version >= FIRST_VALKEY_VERSION else _OF_REDIS)[code]


def loaded_since(code: int) -> int:
    """The RDB version of the first release that loads it: see Code."""
    return _SINCE.get(code, _NEVER)
