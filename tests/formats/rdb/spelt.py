"""Every way to write a length or a string in an RDB file: servers write the shortest, and read all."""


def lengths(number: int) -> list[bytes]:
    """Every way to write it."""
    ways = [b"\x80" + number.to_bytes(4, "big"), b"\x81" + number.to_bytes(8, "big")]
    if number < 1 << 14:
        ways.append(bytes((0x40 | number >> 8, number & 0xFF)))
    if number < 1 << 6:
        ways.append(bytes((number,)))
    return ways


def compressed(text: bytes) -> bytes:
    """LZF: what comes again after one, four or 300 bytes is told by references, all else as it is."""
    data, plain, at = b"", b"", 0
    while at < len(text):
        back, size = max(((back, alike(text, at, back)) for back in (1, 4, 300)), key=lambda found: found[1])
        if size < 3:
            plain, at = plain + text[at : at + 1], at + 1
            continue
        data, plain = data + literals(plain), b""
        far, near = divmod(back - 1, 256)
        data += bytes((size - 2 << 5 | far, near)) if size < 9 else bytes((0xE0 | far, size - 9, near))
        at += size
    return data + literals(plain)


def literals(plain: bytes) -> bytes:
    pieces = [plain[start : start + 32] for start in range(0, len(plain), 32)]
    return b"".join(bytes((len(piece) - 1,)) + piece for piece in pieces)


def alike(text: bytes, at: int, back: int) -> int:
    """How many bytes there are the same as so far back, up to what one reference can tell."""
    if at < back:
        return 0
    return next(
        (
            size
            for size in range(264)
            if text[at + size : at + size + 1] != text[at + size - back : at + size - back + 1]
        ),
        264,
    )


def spellings(text: bytes) -> list[bytes]:
    plain = [length + text for length in lengths(len(text))]
    data = compressed(text)
    packed = [b"\xc3" + one + other + data for one in lengths(len(data)) for other in lengths(len(text))]
    return plain + (packed if text else [])
