"""Where a value ends, without decoding it: every length in an RDB file is prefixed.

Source of the layouts: rdb.c and t_stream.c of Redis 2.6 to 8 and of Valkey 9.
"""

from worker.errors import FormatError
from worker.formats.rdb.strings import read_length

# A shape is a tuple of steps; a tuple within it repeats as often as the length before it says.
STRING, LENGTH, BYTE, BYTES_4, BYTES_8, BYTES_16, ASCII_DOUBLE, MODULE = range(8)
Shape = tuple["int | Shape", ...]
STRINGS: Shape = ((STRING,),)
PAIRS: Shape = ((STRING, STRING),)
NODES: Shape = ((BYTE, STRING),)
"""The nodes of a quicklist: the kind of a node, 1 or 2, and the node itself."""

Flat = tuple[int, int]
"""A value that is a length and that many elements: strings in an element, and bytes before each string."""
FLAT: dict[Shape, Flat] = {STRINGS: (1, 0), PAIRS: (2, 0), NODES: (1, 1)}
FIXED = {BYTE: 1, BYTES_4: 4, BYTES_8: 8, BYTES_16: 16}
_ENCODED_INT = {0xC0: 2, 0xC1: 3, 0xC2: 5}
# Module values name the kind of each piece that follows (rdb.h, RDB_MODULE_OPCODE_*).
_MODULE_END = 0
_MODULE_STEPS = {1: LENGTH, 2: LENGTH, 3: BYTES_4, 4: BYTES_8, 5: STRING}


def after_string(data: bytes, pos: int) -> int:
    """Where the string at `pos` ends, perhaps beyond `data`. IndexError where its length is cut."""
    first = data[pos]
    if first < 0x40:
        return pos + 1 + first
    if first < 0x80:
        return pos + 2 + ((first & 0x3F) << 8 | data[pos + 1])
    if first in _ENCODED_INT:
        return pos + _ENCODED_INT[first]
    if first == 0xC3:
        return _after_compressed(data, pos + 1)
    length, start = read_length(data, pos)
    return start + length


def _after_compressed(data: bytes, pos: int) -> int:
    """Behind a compressed string: its length, its length uncompressed, and its bytes. Nearly always both take two bytes at most."""
    first = data[pos]
    if first < 0x40:
        size, pos = first, pos + 1
    elif first < 0x80:
        size, pos = (first & 0x3F) << 8 | data[pos + 1], pos + 2
    else:
        size, pos = read_length(data, pos)
    first = data[pos]
    return size + (pos + 1 + (first >= 0x40) if first < 0x80 else read_length(data, pos)[1])


def after_flat(data: bytes, pos: int, flat: Flat) -> int:
    """Where a value of one of the FLAT shapes ends, in a plain loop: a Skipper's steps cost ten times as much.

    IndexError where `data` is too short to tell.
    """
    strings, before = flat
    count, pos = read_length(data, pos)
    for _ in range(count * strings):
        pos += before
        first = data[pos]
        pos = pos + 1 + first if first < 0x40 else after_string(data, pos)
    return pos


def after_plain(data: bytes, pos: int, shape: Shape) -> int:
    """Where a value of that shape ends, perhaps beyond `data`. This remembers no place, so it is much quicker than a Skipper.

    IndexError where `data` is too short to tell, and for what only a Skipper knows.
    """
    for step in shape:
        if step == STRING:
            first = data[pos]
            pos = pos + 1 + first if first < 0x40 else after_string(data, pos)
        elif step == LENGTH:
            first = data[pos]
            pos = pos + 1 + (first >= 0x40) if first < 0x80 else read_length(data, pos)[1]
        elif isinstance(step, tuple):
            count, pos = read_length(data, pos)
            for _ in range(count):
                # Without this an absurd count would be looped over to its end, far behind the data.
                if pos > len(data):
                    raise IndexError
                pos = after_plain(data, pos, step)
        elif step == MODULE:
            raise IndexError
        else:
            pos = _after(step, data, pos)
    return pos


class _Frame:
    """A shape on its way through a Skipper: its next step, and how many times it still comes."""

    __slots__ = ("index", "left", "shape")

    def __init__(self, shape: Shape, times: int) -> None:
        self.shape, self.index, self.left = shape, 0, times


class Skipper:
    """Moves past one value of a known shape, over as many windows as it takes, keeping nothing."""

    def __init__(self, shape: Shape) -> None:
        self._frames = [_Frame(shape, 1)]

    def skip(self, data: bytes, pos: int) -> tuple[int, bool]:
        """Go on at `pos`. Gives the place that was reached, and whether the value ends there.

        A position beyond the data means that so many bytes of what comes next belong to this value.
        FormatError where the bytes cannot be such a value.
        """
        frames = self._frames
        while frames:
            pos, cut = self._go_on(frames[-1], data, pos)
            if cut:
                return pos, False
        return pos, True

    def _go_on(self, frame: _Frame, data: bytes, pos: int) -> tuple[int, bool]:
        """Take the steps of a frame until one opens another frame. Gives the place, and whether the data ended before.

        One loop on local names, because millions of elements pass it. The frame moves on only when all that a step reads
        was there.
        """
        size, shape, index = len(data), frame.shape, frame.index
        steps = len(shape)
        try:
            while pos <= size:
                if index == steps:
                    index = 0
                    frame.left -= 1
                    if not frame.left:
                        self._frames.pop()
                        return pos, False
                step = shape[index]
                if step == STRING:
                    first = data[pos]
                    pos = pos + 1 + first if first < 0x40 else after_string(data, pos)
                elif isinstance(step, tuple):
                    count, pos = read_length(data, pos)
                    if count:
                        self._frames.append(_Frame(step, count))
                        index += 1
                        return pos, False
                elif step == MODULE:
                    kind, after = read_length(data, pos)
                    pos = after if kind == _MODULE_END else _after(_module_step(kind), data, after)
                    index -= kind != _MODULE_END
                else:
                    pos = _after(step, data, pos)
                index += 1
        except IndexError:
            pass
        finally:
            frame.index = index
        return pos, True


def _after(step: int, data: bytes, pos: int) -> int:
    if step == STRING:
        return after_string(data, pos)
    if step == LENGTH:
        return read_length(data, pos)[1]
    if step == ASCII_DOUBLE:
        # 253 to 255 stand for not-a-number and the infinities, and no text follows.
        return pos + 1 + (data[pos] if data[pos] < 253 else 0)
    return pos + FIXED[step]


def _module_step(kind: int) -> int:
    if kind not in _MODULE_STEPS:
        raise FormatError(f"A module's value cannot hold a piece of kind {kind}.")
    return _MODULE_STEPS[kind]
