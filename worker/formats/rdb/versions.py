"""What the RDB version of a file tells of it (rdb.h)."""

FIRST_VERSION_WITH_CHECKSUM = 5
FIRST_VALKEY_VERSION = 80
"""Valkey's own begin there, and its types are not those of Redis from then on."""

FIRST_TYPE_OF_ONE_MAKE = 22
"""RDB types below it are older than Valkey; of this number each make has its own."""

_SINCE = dict.fromkeys((0, 1, 2, 3, 4), 1) | dict.fromkeys((9, 10, 11, 12, 13), 4)
_SINCE |= {
    5: 8,
    6: 8,
    7: 8,
    14: 7,
    15: 9,
    **dict.fromkeys((16, 17, 18, 19), 10),
    20: 11,
    21: 11,
    24: 12,
    25: 12,
    26: 13,
    27: 14,
}
_NEVER = 1 << 16


def loaded_since(code: int) -> int:
    """The RDB version of the first release, of Redis or Valkey, that loads the RDB type `code` (rdb.h of each).

    What only Valkey writes, or only a release candidate of Redis wrote, is loaded by none other.
    """
    return _SINCE.get(code, _NEVER)
