"""How much is in an RDB value: its bytes and elements in memory, measured without unpacking what is compressed."""

from struct import Struct
from struct import error as StructError  # noqa: N812 - read beside IndexError
from typing import NamedTuple

from worker.errors import FormatError
from worker.formats.rdb.codes import known
from worker.formats.rdb.collections import Unpack
from worker.formats.rdb.encodings import intset, ziplist, zipmap
from worker.formats.rdb.skipping import ASCII_DOUBLE, BYTES_8, FIXED, LENGTH, MODULE, STRING, Flat, Shape
from worker.formats.rdb.strings import read_length

_LZF = 0xC3
_INTEGERS = {0xC0: 2, 0xC1: 3, 0xC2: 5}
_HEAD_BYTES = 10
LONGEST_INTEGER = 11
_LITERALS = 32
"""LZF: a control byte n below that is followed by n + 1 uncompressed bytes."""
_u16, _u32 = Struct("<H").unpack_from, Struct("<I").unpack_from
MOST_COUNTED = 0xFFFF
"""Headers of listpacks and ziplists cannot count further."""


class Measure(NamedTuple):
    """What a value holds."""

    content: int
    """Bytes of all its strings, uncompressed; integers are not counted."""
    allocated: int
    """Bytes that they take at the most, each in memory of its own with a header."""
    elements: int
    """How many elements: in a packed blob as its header says, in a hash both fields and values."""
    strings: int
    """How many strings it is stored as: packed blobs, or elements one by one."""


def allocated(size: int) -> int:
    """The memory that a server takes at the most for a string of so many bytes.

    The string has a header and a zero at its end. The allocator rounds up to sixteen bytes or to a quarter of a power of
    two, and the C library's adds eight.
    """
    if size < 108:
        return (size + 19 & ~15) + 8
    size += 4 if size < 256 else 6 if size < 1 << 16 else 10
    step = 1 << (size - 1).bit_length() - 3
    return -(-size // step) * step + (8 if size < 1 << 17 else 4096)


_SHORT = [allocated(size) for size in range(64)]
_INTEGER = {0xC0: allocated(4), 0xC1: allocated(6), 0xC2: allocated(11)}


def measure(payload: bytes, rdb_version: int) -> Measure | None:
    """Measure an RDB type byte and value; None where this program does not know it, or a module's. FormatError where damaged."""
    if not payload:
        raise FormatError("A value is empty.")
    code = payload[0]
    try:
        if code == 0:
            size, _ = string_size(payload, 1)
            return Measure(size, allocated(size), 1, 1)
        row = known(code, rdb_version)
        if row is None or row.shape is None or MODULE in row.shape:
            return None
        if row.unpack:
            start = 9 if row.shape[0] == BYTES_8 else 1
            size, _ = string_size(payload, start)
            return Measure(size, allocated(size), _counted(row.unpack, payload, start, size), 1)
        return _flat(payload, row.flat) if row.flat else _walked(payload, row.shape)
    except (IndexError, StructError, FormatError):
        raise FormatError(f"A value of the RDB type {code} is damaged.") from None


def string_size(data: bytes, pos: int) -> tuple[int, int]:
    """How long the string at `pos` is when it is not compressed, 0 for an integer; and where it ends."""
    head = data[pos]
    if head < 0x40:
        return head, pos + 1 + head
    if head < 0x80:
        size = (head & 0x3F) << 8 | data[pos + 1]
        return size, pos + 2 + size
    if head == _LZF:
        packed, size = data[pos + 1], data[pos + 3]
        if 0x40 <= packed < 0x80 and 0x40 <= size < 0x80:
            # Nearly always both are lengths of two bytes.
            end = pos + 5 + ((packed & 0x3F) << 8 | data[pos + 2])
            return (size & 0x3F) << 8 | data[pos + 4], end
        packed, pos = read_length(data, pos + 1)
        size, pos = read_length(data, pos)
        return size, pos + packed
    if head in _INTEGERS:
        return 0, pos + _INTEGERS[head]
    size, pos = read_length(data, pos)
    return size, pos + size


def _flat(data: bytes, flat: Flat) -> Measure:
    """Spelt out, for a collection may have millions of elements."""
    strings, before = flat
    count, pos = read_length(data, 1)
    content, taken, number = 0, 0, count * strings
    for _ in range(number):
        pos += before
        head = data[pos]
        if head < 0x40:
            content += head
            taken += _SHORT[head]
            pos += 1 + head
        else:
            size, pos = string_size(data, pos)
            content += size
            taken += _INTEGER[head] if head in _INTEGER else allocated(size)
    return Measure(content, taken, number, number)


def _walked(data: bytes, shape: Shape) -> Measure:
    sizes: list[int] = []
    _walk(data, 1, shape, sizes)
    return Measure(sum(sizes), sum([allocated(max(size, LONGEST_INTEGER)) for size in sizes]), len(sizes), len(sizes))


def _walk(data: bytes, pos: int, shape: Shape, sizes: list[int]) -> int:
    """Where a shape ends; the sizes of its strings are added to `sizes`."""
    for step in shape:
        if isinstance(step, tuple):
            count, pos = read_length(data, pos)
            for _ in range(count):
                pos = _walk(data, pos, step, sizes)
        elif step == STRING:
            size, pos = string_size(data, pos)
            sizes.append(size)
        elif step == LENGTH:
            _, pos = read_length(data, pos)
        elif step == ASCII_DOUBLE:
            pos += 1 + (data[pos] if data[pos] < 253 else 0)
        else:
            pos += FIXED[step]
    return pos


def _counted(unpack: Unpack, data: bytes, pos: int, size: int) -> int:
    """How many elements a packed blob of `size` bytes says that it has, or could have where it does not say it."""
    head = _head(data, pos)
    if unpack is intset:
        return int(_u32(head, 4)[0])
    if unpack is zipmap:
        return 2 * head[0] if head[0] < 0xFE else size // 2
    count = int(_u16(head, 8 if unpack is ziplist else 4)[0])
    return count if count < MOST_COUNTED else size // 2


def _head(data: bytes, pos: int) -> bytes:
    """The first bytes of a string, of a compressed one too."""
    if data[pos] != _LZF:
        _, end = string_size(data, pos)
        start = read_length(data, pos)[1]
        return data[start : min(end, start + _HEAD_BYTES)]
    _, pos = read_length(data, pos + 1)
    _, pos = read_length(data, pos)
    head = bytearray()
    while len(head) < _HEAD_BYTES:
        control = data[pos]
        if control < _LITERALS:
            head += data[pos + 1 : pos + 2 + control]
            pos += 2 + control
            continue
        length, far = control >> 5, (control & 0x1F) << 8
        pos += 1
        if length == 7:
            length += data[pos]
            pos += 1
        start = len(head) - far - data[pos] - 1
        pos += 1
        if start < 0:
            raise IndexError
        for at in range(start, start + length + 2):
            head.append(head[at])
    return bytes(head)
