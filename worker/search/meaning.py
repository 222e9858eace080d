"""What a value is, in a few bytes: equal for two entries exactly where `compare.same_value` says that they hold the same."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from worker.formats.compare.long_strings import PIECE, LongString
from worker.formats.compare.values import NOT_EVERYWHERE, Part, Parts, parts
from worker.formats.entries import Entry

_BYTES = 16
_NO_CLOCK = float("-inf")
"""By which no field of a hash has expired: it is told what was kept."""


class Meaning(NamedTuple):
    """The sum of all parts of a value, and apart from it those that not every server knows."""

    type: str
    digest: bytes
    told: Parts

    def same(self, other: "Meaning") -> bool:
        """Whether both hold the same. What one of them does not know does not count."""
        if (self.type, self.digest, len(self.told)) != (other.type, other.digest, len(other.told)):
            return False
        return self.told == other.told or all(
            part in other.told and (None in (content, other.told[part]) or content == other.told[part])
            for part, content in self.told.items()
        )


def of(entry: Entry, rdb_version: int | None) -> Meaning:
    """The meaning of an entry that has its payload, of that RDB version, or its value."""
    found = parts(entry, rdb_version, _NO_CLOCK)
    told = {part: content for part, content in found.items() if part[0] in NOT_EVERYWHERE}
    # A sum has no order, as a hash or a set has none; the parts of a list say where they stand.
    total = sum(_number(part, content) for part, content in found.items() if part not in told)
    return Meaning(entry.type, (total % (1 << 8 * _BYTES)).to_bytes(_BYTES, "big"), told)


def _number(part: Part, content: Any) -> int:
    hashed = blake2b(repr(part).encode(), digest_size=_BYTES)
    for piece in _pieces(content):
        hashed.update(piece)
    return int.from_bytes(hashed.digest(), "big")


def _pieces(content: Any) -> Iterator[bytes]:
    """Bytes are told from other contents by the part that they are in."""
    if isinstance(content, bytes | LongString):
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]
    else:
        yield repr(content).encode()
