"""What a value is, in a few bytes: equal for two entries exactly where `compare.same_value` says that they hold the same."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from worker.formats.compare.long_strings import PIECE, LongString
from worker.formats.compare.values import NOT_EVERYWHERE, Part, Parts, parts
from worker.formats.entries import Entry

_BYTES = 16
_NO_CLOCK = float("-inf")
"""By this clock no field of a hash has expired: values are compared as they were kept."""


class Meaning(NamedTuple):
    """A digest of a value's parts, and apart from it the optional parts, which not every server knows."""

    type: str
    digest: bytes
    optional: Parts

    def same(self, other: "Meaning") -> bool:
        """Whether both hold the same. A part that one of them does not know does not count."""
        if (self.type, self.digest, len(self.optional)) != (other.type, other.digest, len(other.optional)):
            return False
        return self.optional == other.optional or all(
            part in other.optional and (None in (content, other.optional[part]) or content == other.optional[part])
            for part, content in self.optional.items()
        )


def of(entry: Entry, rdb_version: int | None) -> Meaning:
    """The meaning of an entry that has its payload, of that RDB version, or its value."""
    all_parts = parts(entry, rdb_version, _NO_CLOCK)
    optional = {part: content for part, content in all_parts.items() if part[0] in NOT_EVERYWHERE}
    # A sum has no order, like a hash or a set; the parts of a list carry their positions.
    total = sum(_number(part, content) for part, content in all_parts.items() if part not in optional)
    return Meaning(entry.type, (total % (1 << 8 * _BYTES)).to_bytes(_BYTES, "big"), optional)


def _number(part: Part, content: Any) -> int:
    hashed = blake2b(repr(part).encode(), digest_size=_BYTES)
    for piece in _pieces(content):
        hashed.update(piece)
    return int.from_bytes(hashed.digest(), "big")


def _pieces(content: Any) -> Iterator[bytes]:
    """The bytes that are hashed for a part's content."""
    if isinstance(content, bytes | LongString):
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]
    else:
        yield repr(content).encode()
