"""Vector sets, built into Redis 8: what is in the value of the module type `vectorset`, apart from how it is searched.

Source of the format: VectorSetRdbSave in Redis' modules/vector-sets/vset.c, and rdb.h for the pieces of a module's value.
"""

from collections.abc import Iterator
from struct import Struct
from struct import error as StructError  # noqa: N812 - read beside IndexError
from typing import NamedTuple

from worker.errors import FormatError
from worker.formats.strings import read_length, read_string

NAME = "vectorset"
_MODULE_2 = 7
_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VERSION_BITS = 10
_UNSIGNED, _STRING, _END = 2, 5, 0
_HAS_PROJECTION, _HAS_ATTRIBUTES = 1, 2
QUANTISATIONS = ("none", "q8", "binary")
_scale = Struct("<ff").unpack


class Element(NamedTuple):
    """One element of a vector set."""

    name: bytes
    vector: bytes
    """As it is stored: floats of four bytes, integers of one, or bits."""
    scale: tuple[float, float]
    """The length that the vector had, and the range that its integers stand for."""
    attributes: bytes
    """JSON; empty for none."""

    def shown(self, quantisation: str) -> bytes:
        """The vector as text, in which it is whole."""
        length, spread = self.scale
        if quantisation == "binary":
            return f"bits {self.vector.hex()}, length {length!r}".encode()
        code, besides = ("b", f", range {spread!r}") if quantisation == "q8" else ("f", "")
        numbers = Struct(f"<{len(self.vector) // (1 if code == 'b' else 4)}{code}").unpack(self.vector)
        return f"{', '.join(f'{number:.9g}' for number in numbers)}, length {length!r}{besides}".encode()


class VectorSet(NamedTuple):
    """All that a vector set means; in which order it is linked is left out, for each load links it anew."""

    dimensions: int
    quantisation: str
    projection: tuple[int, bytes] | None
    """The dimensions before it, and its matrix."""
    elements: list[Element]


def is_vector_set(payload: bytes) -> bool:
    """Whether a payload is one, by the name of its module type."""
    if payload[:1] != bytes([_MODULE_2]):
        return False
    try:
        identity, _ = read_length(payload, 1)
    except (FormatError, IndexError):
        return False
    bits = range(_VERSION_BITS, _VERSION_BITS + 6 * len(NAME), 6)
    return "".join(_CHARACTERS[identity >> shift & 63] for shift in reversed(bits)) == NAME


def read_vector_set(payload: bytes) -> VectorSet:
    """A payload that is one. FormatError where it is damaged, or written in a way that is not known."""
    try:
        return _read(payload)
    except (IndexError, StructError, ValueError):
        raise FormatError("The vector set is damaged, or of a kind that this program does not know.") from None


def _read(payload: bytes) -> VectorSet:
    pieces = _pieces(payload)
    dimensions, count, config, flags = (_number(pieces) for _ in range(4))
    projection = (_number(pieces), _text(pieces)) if flags & _HAS_PROJECTION else None
    quantisation = QUANTISATIONS[config & 0xFF]
    sizes = {"none": 4 * dimensions, "q8": dimensions, "binary": (dimensions + 63) // 64 * 8}
    elements = []
    for _ in range(count):
        name = _text(pieces)
        attributes = _text(pieces) if flags & _HAS_ATTRIBUTES else b""
        vector = _text(pieces)
        if len(vector) != sizes[quantisation]:
            raise ValueError
        links = [_number(pieces) for _ in range(_number(pieces))]
        elements.append(Element(name, vector, _scale(links[-1].to_bytes(8, "little")), attributes))
    if next(pieces, None) is not None:
        raise ValueError
    return VectorSet(dimensions, quantisation, projection, elements)


def _pieces(payload: bytes) -> Iterator[int | bytes]:
    """The numbers and strings that the value consists of, each behind its kind."""
    identity, pos = read_length(payload, 1)
    if identity & ((1 << _VERSION_BITS) - 1):
        raise ValueError
    while True:
        kind, pos = read_length(payload, pos)
        if kind == _UNSIGNED:
            number, pos = read_length(payload, pos)
            yield number
        elif kind == _STRING:
            text, pos = read_string(payload, pos)
            yield text
        elif kind == _END and pos == len(payload):
            return
        else:
            raise ValueError


def _number(pieces: Iterator[int | bytes]) -> int:
    if not isinstance(found := next(pieces, None), int):
        raise ValueError
    return found


def _text(pieces: Iterator[int | bytes]) -> bytes:
    if not isinstance(found := next(pieces, None), bytes):
        raise ValueError
    return found
