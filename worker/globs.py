"""Redis' glob patterns on binary keys, as KEYS and SCAN match them (stringmatchlen in util.c)."""

import re
from re import Pattern


def compiled(pattern: bytes) -> Pattern[bytes]:
    """A pattern with `*`, `?`, `[a-z]`, `[^a]` and backslash escapes; use `fullmatch`."""
    out, pos = [], 0
    while pos < len(pattern):
        char = pattern[pos : pos + 1]
        if char == b"*":
            out.append(b".*")
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
    return re.compile(b"".join(out), re.DOTALL)


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
