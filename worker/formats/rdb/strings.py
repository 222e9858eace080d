"""RDB lengths and strings: what every other RDB value is made of.

Source of the format: rdb.c, rdbLoadLenByRef and rdbGenericLoadStringObject.
Each function takes the bytes and an offset, and gives what it read and the offset after it. Reading past the end of
the bytes raises IndexError where a byte is missing: the caller translates it once for the whole value.
"""

from worker.errors import FormatError
from worker.formats.rdb.encodings import lzf

LZF = 0xC3
_INTEGERS = {0xC0: 1, 0xC1: 2, 0xC2: 4}


def read_length(data: bytes, pos: int) -> tuple[int, int]:
    """A length or number of 6, 14, 32 or 64 bits, unsigned; FormatError for a string encoding, which is none."""
    head = data[pos]
    if head < 0x40:
        return head, pos + 1
    if head < 0x80:
        return (head & 0x3F) << 8 | data[pos + 1], pos + 2
    width = {0x80: 4, 0x81: 8}.get(head)
    if width is None:
        raise FormatError(f"There is no length at byte {pos} where one must be.")
    stop = pos + 1 + width
    if stop > len(data):
        raise IndexError
    return int.from_bytes(data[pos + 1 : stop], "big"), stop


def read_string(data: bytes, pos: int) -> tuple[bytes, int]:
    """A string: plain, an integer (as decimal text) or LZF; FormatError for an encoding that is none of them."""
    head = data[pos]
    if head >= 0xC0:
        return _read_encoded(data, pos)
    length, start = read_length(data, pos)
    stop = start + length
    if stop > len(data):
        raise IndexError
    return data[start:stop], stop


def read_strings(data: bytes, pos: int, count: int) -> tuple[list[bytes], int]:
    """`count` strings in a row; a count that the bytes cannot hold ends in IndexError and costs nothing."""
    strings: list[bytes] = []
    add = strings.append
    for _ in range(count):
        head = data[pos]
        if head < 0x40:
            start, pos = pos + 1, pos + 1 + head
            add(data[start:pos])
        else:
            string, pos = read_string(data, pos)
            add(string)
    if pos > len(data):
        raise IndexError
    return strings, pos


def view_string(data: bytes, pos: int) -> tuple[memoryview, int]:
    """As `read_string`, without copying a huge string."""
    if data[pos] == LZF:
        text, stop = _read_lzf(data, pos)
        return memoryview(text), stop
    if data[pos] >= 0xC0:
        number, stop = _read_encoded(data, pos)
        return memoryview(number), stop
    length, start = read_length(data, pos)
    stop = start + length
    if stop > len(data):
        raise IndexError
    return memoryview(data)[start:stop], stop


def _read_encoded(data: bytes, pos: int) -> tuple[bytes, int]:
    head = data[pos]
    if head == LZF:
        text, stop = _read_lzf(data, pos)
        return bytes(text), stop
    width = _INTEGERS.get(head)
    if width is None:
        raise FormatError(f"There is no string at byte {pos} where one must be.")
    stop = pos + 1 + width
    if stop > len(data):
        raise IndexError
    return b"%d" % int.from_bytes(data[pos + 1 : stop], "little", signed=True), stop


def _read_lzf(data: bytes, pos: int) -> tuple[bytearray, int]:
    length, size = data[pos + 1], data[pos + 3]
    if 0x40 <= length < 0x80 and 0x40 <= size < 0x80:
        # Nearly always both are lengths of two bytes.
        length, size, start = (length & 0x3F) << 8 | data[pos + 2], (size & 0x3F) << 8 | data[pos + 4], pos + 5
    else:
        length, start = read_length(data, pos + 1)
        size, start = read_length(data, start)
    stop = start + length
    if stop > len(data):
        raise IndexError
    return lzf(data, size, start, stop), stop


def length_of(value: int) -> bytes:
    """The length or number, written as short as it can be."""
    if value < 0x40:
        return value.to_bytes(1, "big")
    if value < 0x4000:
        return bytes((0x40 | value >> 8, value & 0xFF))
    if value < 1 << 32:
        return b"\x80" + value.to_bytes(4, "big")
    return b"\x81" + value.to_bytes(8, "big")


def string_of(string: bytes) -> bytes:
    """The string, written as it is."""
    return length_of(len(string)) + string
