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
        """A count and the numbers behind it, but for the last of them; as they are written."""
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
    """The vector set of a payload. FormatError where it is damaged or of an unknown version."""
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
    value = VectorSet(dimensions, quantisation, most_links, projection, [])
    for _ in range(count):
        value.elements.append(_element(pieces, has_attributes=bool(flags & _HAS_ATTRIBUTES)))
    pieces.end()
    check_sizes(value)
    return value


def _element(pieces: _Pieces, *, has_attributes: bool) -> Element:
    name = pieces.text()
    attributes = pieces.text() if has_attributes else b""
    vector = pieces.text()
    graph = pieces.graph()
    length, spread = _scale.unpack(pieces.number().to_bytes(8, "little"))
    return Element(name, vector, length, spread, attributes, graph)


def check_graph(graph: bytes) -> None:
    """Raise ValueError or IndexError where a graph is not as servers write it."""
    if graph and _Pieces(graph).graph() != graph:
        raise ValueError


def check_sizes(value: VectorSet) -> None:
    """Raise ValueError where the size of a vector or of the projection does not fit the dimensions."""
    dimensions = value.dimensions
    size = {"none": 4 * dimensions, "q8": dimensions, "binary": (dimensions + 63) // 64 * 8}[value.quantisation]
    if any(len(element.vector) != size for element in value.elements):
        raise ValueError
    if value.projection is not None and len(value.projection[1]) != 4 * dimensions * value.projection[0]:
        raise ValueError


def write_vector_set(value: VectorSet) -> bytes | None:
    """Its payload; None where an element has no place in the graph, because only a server can find one."""
    if not all(element.graph for element in value.elements):
        return None
    has_attributes = any(element.attributes for element in value.elements)
    config = QUANTISATIONS.index(value.quantisation) | value.most_links << 8
    flags = (_HAS_PROJECTION if value.projection else 0) | (_HAS_ATTRIBUTES if has_attributes else 0)
    parts = [_IDENTITY, *map(_number, (value.dimensions, len(value.elements), config, flags))]
    if value.projection is not None:
        parts += _number(value.projection[0]), _text(value.projection[1])
    for element in value.elements:
        parts.append(_text(element.name))
        if has_attributes:
            parts.append(_text(element.attributes))
        scale = int.from_bytes(_scale.pack(element.length, element.spread), "little")
        parts += _text(element.vector), element.graph, _number(scale)
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
    unpacked: tuple[float, ...] = Struct(f"<{dimensions}{'b' if quantisation == 'q8' else 'f'}").unpack(vector)
    return list(unpacked)


def stored(components: list[float], quantisation: str) -> bytes:
    """The stored vector of what `numbers` gave. StructError or OverflowError where there can be none."""
    if quantisation != "binary":
        return pack(f"<{len(components)}{'b' if quantisation == 'q8' else 'f'}", *components)
    bits = sum(1 << place for place, number in enumerate(components) if number > 0)
    return bits.to_bytes((len(components) + 63) // 64 * 8, "little")


def floats_for_vadd(element: Element, value: VectorSet) -> bytes:
    """The floats of which VADD makes the same element again, but for rounding; integers and bits are exactly the same."""
    components = numbers(element.vector, value.quantisation, value.dimensions)
    if value.quantisation != "none":
        # VADD divides by the length of what it gets and keeps that length, so the floats must have the stored one.
        size = sqrt(sum(number * number for number in components))
        components = [number / size for number in components] if size else components
    return pack(f"<{len(components)}f", *map(float.__mul__, map(float, components), repeat(element.length)))


def shown(element: Element, value: VectorSet) -> bytes:
    """The whole vector as text."""
    if value.quantisation == "binary":
        return f"bits {element.vector.hex()}, length {element.length!r}".encode()
    components = numbers(element.vector, value.quantisation, value.dimensions)
    besides = f", range {element.spread!r}" if value.quantisation == "q8" else ""
    return f"{', '.join(f'{number:.9g}' for number in components)}, length {element.length!r}{besides}".encode()
