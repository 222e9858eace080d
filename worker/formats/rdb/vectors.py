"""Vector sets, built into Redis 8: a value of the module type `vectorset`, read and written.

Source of the format: VectorSetRdbSave in Redis' modules/vector-sets/vset.c, hnsw_serialize_node in its hnsw.c, and rdb.h for
the pieces of a module's value.
"""

from itertools import repeat
from math import sqrt
from struct import Struct, pack
from struct import error as StructError  # noqa: N812 - read beside IndexError

from worker.errors import FormatError
from worker.formats.entries import Element, VectorSet
from worker.formats.rdb.strings import length_of, read_length, read_string, string_of

NAME = "vectorset"
MODULE_2 = 7
_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VERSION_BITS = 10
_UNSIGNED, _STRING, _END = 2, 5, 0
_HAS_PROJECTION, _HAS_ATTRIBUTES = 1, 2
QUANTISATIONS = ("none", "q8", "binary")
_DEFAULT_LINKS = 16
_MOST_LINKS = 0xFFFF
_scale = Struct("<ff")


def name_at(data: bytes, pos: int) -> str:
    """The name of a module's type (module.c, moduleTypeNameByID), nine characters of six bits each, at `pos` behind its code.

    IndexError where it is cut, FormatError where there is none.
    """
    identity, _ = read_length(data, pos)
    return "".join(_CHARACTERS[identity >> shift & 63] for shift in range(58, 9, -6))


class _Pieces:
    """The numbers and strings that a module's value consists of, each behind its kind."""

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data, self.pos = data, pos

    def number(self) -> int:
        self._expect(_UNSIGNED)
        number, self.pos = read_length(self.data, self.pos)
        return number

    def text(self) -> bytes:
        self._expect(_STRING)
        text, self.pos = read_string(self.data, self.pos)
        return text

    def graph(self) -> bytes:
        """All numbers that the one here counts, less the last; as they are written."""
        begin = self.pos
        for _ in range(self.number() - 1):
            self.number()
        return self.data[begin : self.pos]

    def end(self) -> None:
        self._expect(_END)
        if self.pos != len(self.data):
            raise ValueError

    def _expect(self, kind: int) -> None:
        if self.data[self.pos] != kind:
            raise ValueError
        self.pos += 1


def read_vector_set(payload: bytes) -> VectorSet:
    """A payload that is one. FormatError where it is damaged, or written in a way that is not known."""
    pieces = _Pieces(payload, 1)
    try:
        identity, pieces.pos = read_length(payload, 1)
        if identity & ((1 << _VERSION_BITS) - 1):
            raise ValueError
        return _read(pieces)
    except (IndexError, StructError, ValueError):
        raise FormatError(
            f"The vector set is damaged at byte {pieces.pos}, or of a kind that this program does not know."
        ) from None


def _read(pieces: _Pieces) -> VectorSet:
    dimensions, count, config, flags = (pieces.number() for _ in range(4))
    projection = (pieces.number(), pieces.text()) if flags & _HAS_PROJECTION else None
    most_links, quantisation = config >> 8 & _MOST_LINKS or _DEFAULT_LINKS, QUANTISATIONS[config & 0xFF]
    found = VectorSet(dimensions, quantisation, most_links, projection, [])
    for _ in range(count):
        found.elements.append(_element(pieces, has_attributes=bool(flags & _HAS_ATTRIBUTES)))
    pieces.end()
    check_sizes(found)
    return found


def _element(pieces: _Pieces, *, has_attributes: bool) -> Element:
    name = pieces.text()
    attributes = pieces.text() if has_attributes else b""
    vector = pieces.text()
    graph = pieces.graph()
    length, spread = _scale.unpack(pieces.number().to_bytes(8, "little"))
    return Element(name, vector, length, spread, attributes, graph)


def check_graph(graph: bytes) -> None:
    """Raise ValueError or IndexError where it is not written as a server does."""
    if graph and _Pieces(graph).graph() != graph:
        raise ValueError


def check_sizes(found: VectorSet) -> None:
    """Raise ValueError where a vector or the projection has not the size that the dimensions tell."""
    dimensions = found.dimensions
    size = {"none": 4 * dimensions, "q8": dimensions, "binary": (dimensions + 63) // 64 * 8}[found.quantisation]
    if any(len(one.vector) != size for one in found.elements):
        raise ValueError
    if found.projection is not None and len(found.projection[1]) != 4 * dimensions * found.projection[0]:
        raise ValueError


def write_vector_set(value: VectorSet) -> bytes | None:
    """The payload of one; None where an element has no place in the graph, which only a server can find."""
    if not all(one.graph for one in value.elements):
        return None
    has_attributes = any(one.attributes for one in value.elements)
    config = QUANTISATIONS.index(value.quantisation) | value.most_links << 8
    flags = (_HAS_PROJECTION if value.projection else 0) | (_HAS_ATTRIBUTES if has_attributes else 0)
    parts = [_IDENTITY, *map(_number, (value.dimensions, len(value.elements), config, flags))]
    if value.projection is not None:
        parts += _number(value.projection[0]), _text(value.projection[1])
    for one in value.elements:
        parts.append(_text(one.name))
        if has_attributes:
            parts.append(_text(one.attributes))
        scale = int.from_bytes(_scale.pack(one.length, one.spread), "little")
        parts += _text(one.vector), one.graph, _number(scale)
    return b"".join((*parts, bytes([_END])))


def _number(number: int) -> bytes:
    return bytes([_UNSIGNED]) + length_of(number)


def _text(text: bytes) -> bytes:
    return bytes([_STRING]) + string_of(text)


def _identity() -> bytes:
    number = 0
    for character in NAME:
        number = number << 6 | _CHARACTERS.index(character)
    return bytes([MODULE_2]) + length_of(number << _VERSION_BITS)


_IDENTITY = _identity()


def numbers(vector: bytes, quantisation: str, dimensions: int) -> list[float]:
    """The numbers of a stored vector: of length 1 together, or integers up to 127, or 1 and -1 for bits."""
    if quantisation == "binary":
        bits = int.from_bytes(vector, "little")
        return [1 if bits >> place & 1 else -1 for place in range(dimensions)]
    found: tuple[float, ...] = Struct(f"<{dimensions}{'b' if quantisation == 'q8' else 'f'}").unpack(vector)
    return list(found)


def stored(told: list[float], quantisation: str) -> bytes:
    """The vector that `numbers` has told. StructError or OverflowError where it can be none."""
    if quantisation != "binary":
        return pack(f"<{len(told)}{'b' if quantisation == 'q8' else 'f'}", *told)
    bits = sum(1 << place for place, number in enumerate(told) if number > 0)
    return bits.to_bytes((len(told) + 63) // 64 * 8, "little")


def given(one: Element, value: VectorSet) -> bytes:
    """The floats that VADD makes such an element of, but for how it rounds: integers and bits become the same again."""
    told = numbers(one.vector, value.quantisation, value.dimensions)
    if value.quantisation != "none":
        # VADD divides by the length, and so what is given must have that very one.
        size = sqrt(sum(number * number for number in told))
        told = [number / size for number in told] if size else told
    return pack(f"<{len(told)}f", *map(float.__mul__, map(float, told), repeat(one.length)))


def shown(one: Element, value: VectorSet) -> bytes:
    """The vector as text, in which it is whole."""
    if value.quantisation == "binary":
        return f"bits {one.vector.hex()}, length {one.length!r}".encode()
    told = numbers(one.vector, value.quantisation, value.dimensions)
    besides = f", range {one.spread!r}" if value.quantisation == "q8" else ""
    return f"{', '.join(f'{number:.9g}' for number in told)}, length {one.length!r}{besides}".encode()
