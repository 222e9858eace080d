"""Redis' compact encodings, unpacked: ziplist, listpack, intset, zipmap and LZF.

Pure functions on the bytes of one such blob. What they hold is returned as bytes, because that is what a Redis value
is: an integer that was packed as one comes back as its decimal text. A blob is checked against its own header, length
and counts, the way Redis does it when it sanitizes a payload; a wrong one raises FormatError, whatever is wrong.
"""

from struct import unpack

from worker.errors import FormatError
from worker.formats.allowance import taking_apart, unpacking

# Most packed integers are small; a table is several times faster than formatting them again and again.
_SMALL = [b"%d" % number for number in range(128)]

# By the first byte of an entry: how many bytes of little-endian integer follow it.
_LISTPACK_INTEGERS = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}
_ZIPLIST_INTEGERS = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}

_LZF_MAX_EXPANSION = 88
"""The longest back reference turns 3 bytes into 264 (lzf_d.c)."""

_UNKNOWN_COUNT = 0xFFFF
"""Headers of listpacks and ziplists cannot count further."""


def _damaged(what: str, pos: int) -> FormatError:
    return FormatError(f"A {what} is damaged at its byte {pos}.")


def listpack(data: bytes) -> list[bytes]:
    """The elements of a listpack (listpack.c): u32 bytes, u16 count, entries that each end in their length, 0xFF."""
    size = len(data)
    taking_apart(size)
    if size < 7 or int.from_bytes(data[:4], "little") != size or data[-1] != 0xFF:
        raise _damaged("listpack", 0)
    elements: list[bytes] = []
    add, small = elements.append, _SMALL
    pos, end = 6, size - 1
    try:
        while pos < end:
            head = data[pos]
            if head < 0x80:
                stop = pos + 1
                add(small[head])
            elif head < 0xC0:
                stop = pos + head - 0x7F
                add(data[pos + 1 : stop])
            else:
                element, stop = _listpack_wide(data, pos)
                add(element)
            width = stop - pos
            if width > 127:
                pos = _after_backlen(data, stop, width)
            elif data[stop] == width:
                pos = stop + 1
            else:
                raise _damaged("listpack", pos)
    except IndexError:
        raise _damaged("listpack", pos) from None
    if pos != end or int.from_bytes(data[4:6], "little") not in (len(elements), _UNKNOWN_COUNT):
        raise _damaged("listpack", pos)
    return elements


def _listpack_wide(data: bytes, pos: int) -> tuple[bytes, int]:
    """An element whose length or number takes more than the first byte, and where its back length begins."""
    head = data[pos]
    if head < 0xE0:
        number = (head & 0x1F) << 8 | data[pos + 1]
        return b"%d" % (number - 0x2000 if number > 0xFFF else number), pos + 2
    if head <= 0xF0:
        if head < 0xF0:
            start, length = pos + 2, (head & 0x0F) << 8 | data[pos + 1]
        else:
            start, length = pos + 5, int.from_bytes(data[pos + 1 : pos + 5], "little")
        return data[start : start + length], start + length
    width = _LISTPACK_INTEGERS.get(head)
    if width is None:
        raise _damaged("listpack", pos)
    stop = pos + 1 + width
    return b"%d" % int.from_bytes(data[pos + 1 : stop], "little", signed=True), stop


def _after_backlen(data: bytes, pos: int, width: int) -> int:
    """Where the next entry begins: after the big-endian groups of seven bits that repeat the entry's width."""
    groups = [width & 0x7F | 0x80]
    while width := width >> 7:
        groups.append(width & 0x7F | 0x80)
    groups[-1] &= 0x7F
    stop = pos + len(groups)
    if data[pos:stop] != bytes(reversed(groups)):
        raise _damaged("listpack", pos)
    return stop


def ziplist(data: bytes) -> list[bytes]:
    """The elements of a ziplist (ziplist.c): u32 bytes, u32 offset of the last entry, u16 count, entries, 0xFF."""
    size = len(data)
    taking_apart(size)
    if size < 11 or int.from_bytes(data[:4], "little") != size or data[-1] != 0xFF:
        raise _damaged("ziplist", 0)
    elements: list[bytes] = []
    add = elements.append
    last = pos = 10
    end, previous = size - 1, 0
    try:
        while pos < end:
            last = pos
            claimed = data[pos]
            if claimed < 0xFE:
                pos += 1
            else:
                claimed = int.from_bytes(data[pos + 1 : pos + 5], "little")
                pos += 5
            # A 0xFF here would be an end before the end; it claims four bytes like 0xFE and no entry is that long.
            if claimed != previous or data[last] == 0xFF:
                raise _damaged("ziplist", last)
            head = data[pos]
            if head < 0x40:
                start, pos = pos + 1, pos + 1 + head
                add(data[start:pos])
            else:
                element, pos = _ziplist_wide(data, pos)
                add(element)
            previous = pos - last
    except IndexError:
        raise _damaged("ziplist", last) from None
    count, tail = int.from_bytes(data[8:10], "little"), int.from_bytes(data[4:8], "little")
    if pos != end or tail != last or count not in (len(elements), _UNKNOWN_COUNT):
        raise _damaged("ziplist", pos)
    return elements


def _ziplist_wide(data: bytes, pos: int) -> tuple[bytes, int]:
    """An element that is a number or longer than 63 bytes, and where the next entry begins."""
    head = data[pos]
    if head < 0xC0:
        if head < 0x80:
            start, length = pos + 2, (head & 0x3F) << 8 | data[pos + 1]
        else:
            start, length = pos + 5, int.from_bytes(data[pos + 1 : pos + 5], "big")
        return data[start : start + length], start + length
    if 0xF1 <= head <= 0xFD:
        return _SMALL[head - 0xF1], pos + 1
    width = _ZIPLIST_INTEGERS.get(head)
    if width is None:
        raise _damaged("ziplist", pos)
    stop = pos + 1 + width
    return b"%d" % int.from_bytes(data[pos + 1 : stop], "little", signed=True), stop


def intset(data: bytes) -> list[bytes]:
    """The members of an intset (intset.c) as decimal text: u32 width (2, 4 or 8), u32 count, integers."""
    taking_apart(len(data))
    kind = {2: "h", 4: "i", 8: "q"}.get(int.from_bytes(data[:4], "little"))
    count = int.from_bytes(data[4:8], "little")
    if kind is None or len(data) != 8 + count * data[0]:
        raise _damaged("intset", 0)
    return [b"%d" % number for number in unpack(f"<{count}{kind}", data[8:])]


def zipmap(data: bytes) -> list[bytes]:
    """Field, value, field, value... of a zipmap (zipmap.c), the small hash of Redis before 2.6.

    One byte of count (254 and more: unknown), then length, field, length, unused bytes (one byte), value, the unused
    bytes, and so on to 0xFF.
    """
    taking_apart(len(data))
    if len(data) < 2 or data[-1] != 0xFF:
        raise _damaged("zipmap", 0)
    elements: list[bytes] = []
    pos, end = 1, len(data) - 1
    try:
        while pos < end:
            length, start = _zipmap_length(data, pos)
            pos = start + length
            elements.append(data[start:pos])
            length, start = _zipmap_length(data, pos)
            unused, start = data[start], start + 1
            elements.append(data[start : start + length])
            pos = start + length + unused
    except IndexError:
        raise _damaged("zipmap", pos) from None
    if pos != end or (data[0] < 254 and data[0] * 2 != len(elements)):
        raise _damaged("zipmap", pos)
    return elements


def _zipmap_length(data: bytes, pos: int) -> tuple[int, int]:
    head = data[pos]
    if head < 254:
        return head, pos + 1
    if head == 0xFF:
        raise _damaged("zipmap", pos)
    return int.from_bytes(data[pos + 1 : pos + 5], "little"), pos + 5


def lzf(data: bytes, size: int, first: int = 0, stop: int | None = None) -> bytearray:
    """The `size` bytes that `data`, or what is in it from `first` to `stop`, was compressed from (lzf_d.c).

    It is made of literals, and of references to what came before.
    """
    end = len(data) if stop is None else stop
    if size > (end - first) * _LZF_MAX_EXPANSION:
        raise FormatError(
            f"A compressed text of {end - first} bytes claims to hold {size}, more than is possible, at byte {first}."
        )
    unpacking(size)
    out = bytearray()
    pos = first
    try:
        while pos < end:
            head = data[pos]
            if head < 0x20:
                start, pos = pos + 1, pos + 2 + head
                out += data[start:pos]
                continue
            length = (head >> 5) + 2
            if length == 9:
                pos += 1
                length += data[pos]
            back = ((head & 0x1F) << 8 | data[pos + 1]) + 1
            pos += 2
            start = len(out) - back
            if start < 0:
                raise _damaged("compressed text", pos - first)
            # A reference may run into what it is writing: then what is there repeats.
            out += out[start : start + length] if back >= length else (out[start:] * (length // back + 1))[:length]
    except IndexError:
        raise _damaged("compressed text", pos - first) from None
    if pos != end or len(out) != size:
        raise _damaged("compressed text", pos - first)
    return out
