"""Redis' glob patterns on binary keys, as KEYS and SCAN match them (stringmatchlen in util.c)."""

import re
from re import Pattern

_STAR = b"*"
_EVERY = (1 << 256) - 1
"""All bytes, as the bits of a number."""


def compiled(pattern: bytes) -> Pattern[bytes]:
    """A pattern with `*`, `?`, `[a-z]`, `[^a]` and backslash escapes; use `fullmatch`."""
    out: list[bytes] = []
    pos = 0
    while pos < len(pattern):
        char = pattern[pos : pos + 1]
        if char == b"*":
            out += [_STAR] if out[-1:] != [_STAR] else []
        elif char == b"?":
            out.append(b".")
        elif char == b"[":
            part, pos = _class(pattern, pos + 1)
            out.append(part)
            continue
        else:
            if char == b"\\" and pos + 1 < len(pattern):
                pos += 1
            out.append(re.escape(pattern[pos : pos + 1]))
        pos += 1
    return re.compile(_joined(out), re.DOTALL)


def _joined(parts: list[bytes]) -> bytes:
    """The parts as one expression. Between two stars the first place that fits is as good as any: atomic groups keep the
    expression from trying all the others, which takes for ever on a pattern such as `a*a*a*a*b`.
    """
    pieces = [b""]
    for part in parts:
        if part is _STAR:
            pieces.append(b"")
        else:
            pieces[-1] += part
    if len(pieces) == 1:
        return pieces[0]
    middle = b"".join(b"(?>.*?%b)" % piece for piece in pieces[1:-1])
    return pieces[0] + middle + b".*" + pieces[-1]


def _class(pattern: bytes, pos: int) -> tuple[bytes, int]:
    """The character class that begins behind `[`, and the position after it; without a `]` it goes to the end."""
    negated = pattern[pos : pos + 1] == b"^"
    pos += negated
    members = 0
    while pos < len(pattern) and pattern[pos] != ord("]"):
        if pattern[pos] == ord("\\") and pos + 1 < len(pattern):
            pos += 1
            members |= _members(pattern[pos], pattern[pos])
        elif pattern[pos + 1 : pos + 2] == b"-" and pos + 2 < len(pattern):
            members |= _members(*sorted((pattern[pos], pattern[pos + 2])))
            pos += 2
        else:
            members |= _members(pattern[pos], pattern[pos])
        pos += 1
    ranges = _ranges(members ^ _EVERY if negated else members)
    return (b"[" + ranges + b"]" if ranges else b"(?!)"), pos + 1


def _members(low: int, high: int) -> int:
    """The bytes from one to another, as the bits of a number: however many they are, it takes no longer."""
    return (2 << high) - (1 << low)


def _ranges(members: int) -> bytes:
    """What stands between the brackets of an expression for these bytes. To compile it takes as long as it is, and no
    longer than what it was made from.
    """
    edges = members ^ (members << 1)
    out = b""
    while edges:
        low, edges = _lowest(edges)
        behind, edges = _lowest(edges)
        out += b"\\x%02x-\\x%02x" % (low, behind - 1)
    return out


def _lowest(bits: int) -> tuple[int, int]:
    """The place of the lowest bit, and the others."""
    return (bits & -bits).bit_length() - 1, bits & (bits - 1)
