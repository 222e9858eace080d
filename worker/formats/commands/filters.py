"""A small filter that says of most keys that they are not among those of a frame; never of one that is.

A Bloom filter of a power of two bits, eight for each key and 64 at least. A key's CRC-32 gives two numbers, its lower 16 bits
`a` and its upper 16 with the lowest bit set `b`; its bits are `a + i * b` for i of 0 to 3, modulo the size. Of a hundred keys that
are not there it lets three pass; of a frame with more than 8,192 keys, for which it does not grow further, more.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Collection

LEAST_BITS = 64
MOST_BITS = 1 << 16
"""More would be told apart by no more bits of a CRC: with as many keys it lets nearly everything pass."""
_TIMES = 4


def made(keys: Collection[bytes]) -> str:
    """The filter of these keys, as base64."""
    bits = LEAST_BITS
    while bits < 8 * len(keys) and bits < MOST_BITS:
        bits *= 2
    field = bytearray(bits // 8)
    mask = bits - 1
    for key in keys:
        crc = zlib.crc32(key)
        at, step = crc & 0xFFFF, crc >> 16 | 1
        for _ in range(_TIMES):
            field[(at & mask) >> 3] |= 1 << (at & 7)
            at += step
    return b64encode(field).decode()


def may_hold(known: str, key: bytes) -> bool:
    """Whether that key may be among those that the filter was made of; False is certain."""
    field = b64decode(known)
    mask = len(field) * 8 - 1
    crc = zlib.crc32(key)
    at, step = crc & 0xFFFF, crc >> 16 | 1
    for _ in range(_TIMES):
        if not field[(at & mask) >> 3] & 1 << (at & 7):
            return False
        at += step
    return True
