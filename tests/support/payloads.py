"""Redis' encodings, written by hand: for what no server of this machine writes, and to be damaged."""

import struct


def length(number: int) -> bytes:
    """An RDB length, as short as it can be."""
    if number < 1 << 6:
        return bytes((number,))
    if number < 1 << 14:
        return bytes((0x40 | number >> 8, number & 0xFF))
    if number < 1 << 32:
        return b"\x80" + number.to_bytes(4, "big")
    return b"\x81" + number.to_bytes(8, "big")


def string(text: bytes) -> bytes:
    return length(len(text)) + text


def strings(*texts: bytes) -> bytes:
    return length(len(texts)) + b"".join(map(string, texts))


def milliseconds(time: int) -> bytes:
    return struct.pack("<q", time)


def stream_id(milliseconds: int, sequence: int) -> bytes:
    return struct.pack(">QQ", milliseconds, sequence)


def listpack(*elements: bytes | int, count: int | None = None) -> bytes:
    body = b"".join(map(_listpack_entry, elements))
    head = struct.pack("<IH", len(body) + 7, min(len(elements), 0xFFFF) if count is None else count)
    return head + body + b"\xff"


def _listpack_entry(element: bytes | int) -> bytes:
    entry = _listpack_number(element) if isinstance(element, int) else _listpack_text(element)
    return entry + backlen(len(entry))


def _listpack_text(text: bytes) -> bytes:
    size = len(text)
    if size < 1 << 6:
        return bytes((0x80 | size,)) + text
    if size < 1 << 12:
        return bytes((0xE0 | size >> 8, size & 0xFF)) + text
    return b"\xf0" + size.to_bytes(4, "little") + text


def _listpack_number(number: int) -> bytes:
    if 0 <= number < 1 << 7:
        return bytes((number,))
    if -(1 << 12) <= number < 1 << 12:
        return (0xC000 | number & 0x1FFF).to_bytes(2, "big")
    for head, width in ((0xF1, 2), (0xF2, 3), (0xF3, 4), (0xF4, 8)):
        if -(1 << 8 * width - 1) <= number < 1 << 8 * width - 1:
            return bytes((head,)) + number.to_bytes(width, "little", signed=True)
    raise AssertionError(number)


def backlen(width: int) -> bytes:
    groups = [width & 0x7F]
    while width := width >> 7:
        groups[-1] |= 0x80
        groups.append(width & 0x7F)
    return bytes(reversed(groups))


def ziplist(*entries: bytes) -> bytes:
    """A ziplist of entries that are already encoded, but for the length of the one before."""
    body, last, previous = b"", 10, 0
    for entry in entries:
        last = 10 + len(body)
        lead = bytes((previous,)) if previous < 254 else b"\xfe" + previous.to_bytes(4, "little")
        body += lead + entry
        previous = len(lead + entry)
    return struct.pack("<IIH", len(body) + 11, last, len(entries)) + body + b"\xff"


def intset(width: int, *members: int) -> bytes:
    body = b"".join(member.to_bytes(width, "little", signed=True) for member in members)
    return struct.pack("<II", width, len(members)) + body


def stream_node(fields: list[bytes], *entries: list[bytes | int], live: int, deleted: int) -> bytes:
    """A node; an entry is its parts from the flags to the last value."""
    parts: list[bytes | int] = [live, deleted, len(fields), *fields, 0]
    for entry in entries:
        parts += [*entry, len(entry)]
    return listpack(*parts)
