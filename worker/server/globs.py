"""Redis' glob patterns on binary keys, as KEYS and SCAN match them (stringmatchlen in util.c)."""

import re
from re import Pattern

_STAR = b"*"


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
    members: set[int] = set()
    while pos < len(pattern) and pattern[pos] != ord("]"):
        if pattern[pos] == ord("\\") and pos + 1 < len(pattern):
            pos += 1
            members.add(pattern[pos])
        elif pattern[pos + 1 : pos + 2] == b"-" and pos + 2 < len(pattern):
            low, high = sorted((pattern[pos], pattern[pos + 2]))
            members.update(range(low, high + 1))
            pos += 2
        else:
            members.add(pattern[pos])
        pos += 1
    allowed = set(range(256)) - members if negated else members
    return (b"[" + b"".join(b"\\x%02x" % code for code in sorted(allowed)) + b"]" if allowed else b"(?!)"), pos + 1
