"""A vector set as the portable document shows it: its elements with their numbers, and the graph that is searched."""

from base64 import b64encode
from math import isfinite
from struct import Struct
from struct import error as StructError  # noqa: N812 - read beside ValueError

from worker.errors import FormatError
from worker.formats.entries import Element, VectorSet
from worker.formats.portable.parts import Json, array, data, fields, integer, text
from worker.formats.rdb import vectors

_float = Struct("<f")
_FLOAT_WORDS = ("inf", "-inf", "nan")


def show(value: VectorSet) -> Json:
    """Its JSON shape."""
    projection = None
    if value.projection is not None:
        projection = {"from": value.projection[0], "matrix": text(value.projection[1])}
    return {
        "dimensions": value.dimensions,
        "quantisation": value.quantisation,
        "most_links": value.most_links,
        "projection": projection,
        "elements": [_show_element(element, value) for element in value.elements],
    }


def _show_element(element: Element, value: VectorSet) -> Json:
    numbers = vectors.numbers(element.vector, value.quantisation, value.dimensions)
    return {
        "name": text(element.name),
        "vector": [_show_float(number) for number in numbers] if value.quantisation == "none" else numbers,
        "length": _show_float(element.length),
        "range": _show_float(element.spread),
        "attributes": text(element.attributes) if element.attributes else None,
        "graph": {"base64": b64encode(element.graph).decode()} if element.graph else None,
    }


def _show_float(number: float) -> Json:
    """The shortest number that four bytes make the same float of."""
    return float(f"{number:.9g}") if isfinite(number) else repr(number)


def read(shown: Json) -> VectorSet:
    """The vector set that `show` has shown. Raises FormatError."""
    parts = fields(shown, "dimensions", "quantisation", "most_links", "projection", "elements")
    quantisation, projection = parts["quantisation"], parts["projection"]
    if quantisation not in vectors.QUANTISATIONS:
        raise FormatError(f'must have a "quantisation" out of {", ".join(vectors.QUANTISATIONS)}')
    if projection is not None:
        reduction = fields(projection, "from", "matrix")
        projection = integer(reduction["from"], 1), data(reduction["matrix"])
    try:
        dimensions, most_links = integer(parts["dimensions"], 1), integer(parts["most_links"], 1)
        elements = [_read_element(element, quantisation, dimensions) for element in array(parts["elements"])]
        value = VectorSet(dimensions, quantisation, most_links, projection, elements)
        vectors.check_sizes(value)
    except (ValueError, IndexError, StructError, OverflowError):
        raise FormatError(
            "must have vectors of as many numbers as there are dimensions, and graphs that are whole"
        ) from None
    if projection is not None and not all(element.graph for element in elements):
        raise FormatError("must have a graph for each element of a vector set whose vectors were reduced")
    return value


def _read_element(shown: Json, quantisation: str, dimensions: int) -> Element:
    parts = fields(shown, "name", "vector", "length", "range", "attributes", "graph")
    numbers = [_read_float(number) if quantisation == "none" else integer(number) for number in array(parts["vector"])]
    attributes, graph = (b"" if parts[name] is None else data(parts[name]) for name in ("attributes", "graph"))
    vectors.check_graph(graph)
    if len(numbers) != dimensions:
        raise ValueError
    length, spread = _read_float(parts["length"]), _read_float(parts["range"])
    return Element(data(parts["name"]), vectors.stored(numbers, quantisation), length, spread, attributes, graph)


def _read_float(shown: Json) -> float:
    if type(shown) not in (int, float) and shown not in _FLOAT_WORDS:
        raise FormatError('must have a number, "inf", "-inf" or "nan" in each vector')
    return float(_float.unpack(_float.pack(float(shown)))[0])
