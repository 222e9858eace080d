"""Values as the portable document shows them: JSON shapes out of values, and strictly checked values out of JSON.

Text is a JSON string; bytes that are not valid UTF-8 are {"base64": "..."}, wherever bytes can stand.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from math import isfinite, isnan
from struct import Struct
from struct import error as StructError  # noqa: N812 - read beside ValueError
from typing import Any

import orjson

from worker.errors import FormatError
from worker.formats.entries import Consumer, Element, Group, Pending, Stream, Value, VectorSet
from worker.formats.rdb import vectors

# What orjson gives and takes: dict, list, str, int, float, bool, None.
Json = Any

_INT64 = 2**63
_SCORE_WORDS = {"inf": float("inf"), "-inf": float("-inf")}
_float = Struct("<f")
_FLOAT_WORDS = ("inf", "-inf", "nan")
_ID = re.compile(r"(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})")
_ID_END = 2**64


def text(data: bytes) -> Json:
    """A string, or {"base64": ...} of bytes that are no text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def data(shown: Json) -> bytes:
    """The bytes that `text` has shown. Raises FormatError."""
    if type(shown) is str:
        return shown.encode()
    if type(shown) is dict and len(shown) == 1 and type(encoded := shown.get("base64")) is str:
        try:
            return b64decode(encoded, validate=True)
        except ValueError:
            raise FormatError('has a {"base64": ...} that is not base64') from None
    if type(shown) is bytes:
        # JSON has none: it is a long string, which long_lines.py has read already.
        return shown
    raise FormatError('must have a string or {"base64": "..."} for each key, member, field and name')


def show(kind: str, value: Value) -> Json:
    """The JSON shape of a value of one of entries.TYPES. Raises FormatError for a score that is not a number."""
    return _SHOW[kind](value)


def read(kind: str, shown: Json) -> Value:
    """The value that `show` has shown as this type. Raises FormatError, without saying where."""
    reader = _READ.get(kind) if type(kind) is str else None
    if reader is None:
        raise FormatError(f'must have a "type" out of {", ".join(_READ)}')
    return reader(shown)


def written(kind: str, value: Value) -> bytes:
    """The JSON of a value, as it stands in the document."""
    return orjson.dumps(show(kind, value))


def brief(shown: Json) -> str:
    """A few characters of some JSON, to name it in an error."""
    told = orjson.dumps(shown).decode()
    return told if len(told) <= 40 else told[:40] + "..."


def integer(shown: Json, low: int = -_INT64) -> int:
    """A whole number from `low` to the largest that 64 bits hold. Raises FormatError."""
    # `type` and not isinstance: true and false are no numbers here.
    if type(shown) is not int or not low <= shown < _INT64:
        raise FormatError("must have whole numbers of at most 64 bits for databases, times and counts")
    return shown


def _show_members(members: list[bytes]) -> Json:
    # The whole list at once is several times as fast as `text` for each, and nearly all lists are text throughout.
    try:
        return [member.decode() for member in members]
    except UnicodeDecodeError:
        return [text(member) for member in members]


def _read_members(shown: Json) -> list[bytes]:
    if type(shown) is not list:
        raise FormatError("must have an array of members")
    try:
        return [member.encode() for member in shown]
    except AttributeError:
        return [data(member) for member in shown]


def _show_zset(members: list[tuple[bytes, float]]) -> Json:
    # score - score is 0 for every number but the infinities and nan, which JSON cannot say.
    try:
        return [(member.decode(), score if score - score == 0 else _show_score(score)) for member, score in members]
    except UnicodeDecodeError:
        return [[text(member), score if score - score == 0 else _show_score(score)] for member, score in members]


def _show_score(score: float) -> str:
    if isnan(score):
        raise FormatError("has a score that is not a number")
    return "inf" if score > 0 else "-inf"


def _read_zset(shown: Json) -> list[tuple[bytes, float]]:
    members = []
    for pair in _pairs(shown, (2,), "[member, score]"):
        member, score = pair
        if type(score) is not float:
            score = _read_score(score)
        members.append((member.encode() if type(member) is str else data(member), score))
    return members


def _read_score(shown: Json) -> float:
    if type(shown) is int:
        return float(shown)
    if type(shown) is str and shown in _SCORE_WORDS:
        return _SCORE_WORDS[shown]
    raise FormatError('must have a number, "inf" or "-inf" for each score')


def _show_hash(fields: list[tuple[bytes, bytes, int | None]]) -> Json:
    try:
        return [(f.decode(), v.decode()) if at is None else (f.decode(), v.decode(), at) for f, v, at in fields]
    except UnicodeDecodeError:
        return [[text(f), text(v)] if at is None else [text(f), text(v), at] for f, v, at in fields]


def _read_hash(shown: Json) -> list[tuple[bytes, bytes, int | None]]:
    fields = []
    for parts in _pairs(shown, (2, 3), "[field, value] or [field, value, expires_at]"):
        field, value = parts[0], parts[1]
        field = field.encode() if type(field) is str else data(field)
        value = value.encode() if type(value) is str else data(value)
        fields.append((field, value, integer(parts[2]) if len(parts) == 3 else None))
    return fields


def _pairs(shown: Json, lengths: tuple[int, ...], wanted: str) -> list[list[Json]]:
    if type(shown) is not list or not all(type(pair) is list and len(pair) in lengths for pair in shown):
        raise FormatError(f"must have an array of {wanted}")
    return shown


def _show_stream(stream: Stream) -> Json:
    return {
        "entries": [[at, [[text(field), text(value)] for field, value in pairs]] for at, pairs in stream.entries],
        "last_id": stream.last_id,
        "max_deleted_id": stream.max_deleted_id,
        "entries_added": stream.entries_added,
        "groups": [_show_group(group) for group in stream.groups],
    }


def _show_group(group: Group) -> Json:
    return {
        "name": text(group.name),
        "last_id": group.last_id,
        "entries_read": group.entries_read,
        "consumers": [_show_consumer(consumer) for consumer in group.consumers],
    }


def _show_consumer(consumer: Consumer) -> Json:
    return {
        "name": text(consumer.name),
        "seen_at": consumer.seen_at,
        "active_at": consumer.active_at,
        "pending": [[one.id, one.delivered_at, one.deliveries] for one in consumer.pending],
    }


def _read_stream(shown: Json) -> Stream:
    parts = _object(shown, "entries", "last_id", "max_deleted_id", "entries_added", "groups")
    deleted = parts["max_deleted_id"]
    return Stream(
        entries=[
            (_id(at), [(data(field), data(value)) for field, value in _pairs(pairs, (2,), "[field, value]")])
            for at, pairs in _pairs(parts["entries"], (2,), "[id, [[field, value], ...]]")
        ],
        last_id=_id(parts["last_id"]),
        max_deleted_id=None if deleted is None else _id(deleted),
        entries_added=_maybe(parts["entries_added"], 0),
        groups=[_read_group(group) for group in _array(parts["groups"])],
    )


def _read_group(shown: Json) -> Group:
    parts = _object(shown, "name", "last_id", "entries_read", "consumers")
    consumers = [_read_consumer(consumer) for consumer in _array(parts["consumers"])]
    return Group(data(parts["name"]), _id(parts["last_id"]), _maybe(parts["entries_read"], 0), consumers)


def _read_consumer(shown: Json) -> Consumer:
    parts = _object(shown, "name", "seen_at", "active_at", "pending")
    waiting = _pairs(parts["pending"], (3,), "[id, delivered_at, deliveries]")
    pending = [Pending(_id(at), integer(delivered_at), integer(count, 0)) for at, delivered_at, count in waiting]
    return Consumer(data(parts["name"]), _maybe(parts["seen_at"]), _maybe(parts["active_at"]), pending)


def _show_vectors(value: VectorSet) -> Json:
    projection = None
    if value.projection is not None:
        projection = {"from": value.projection[0], "matrix": text(value.projection[1])}
    return {
        "dimensions": value.dimensions,
        "quantisation": value.quantisation,
        "most_links": value.most_links,
        "projection": projection,
        "elements": [_show_element(one, value) for one in value.elements],
    }


def _show_element(one: Element, value: VectorSet) -> Json:
    told = vectors.numbers(one.vector, value.quantisation, value.dimensions)
    return {
        "name": text(one.name),
        "vector": [_show_float(number) for number in told] if value.quantisation == "none" else told,
        "length": _show_float(one.length),
        "range": _show_float(one.spread),
        "attributes": text(one.attributes) if one.attributes else None,
        "graph": {"base64": b64encode(one.graph).decode()} if one.graph else None,
    }


def _show_float(number: float) -> Json:
    """The shortest number that four bytes make the same float of."""
    return float(f"{number:.9g}") if isfinite(number) else repr(number)


def _read_vectors(shown: Json) -> VectorSet:
    parts = _object(shown, "dimensions", "quantisation", "most_links", "projection", "elements")
    quantisation, projection = parts["quantisation"], parts["projection"]
    if quantisation not in vectors.QUANTISATIONS:
        raise FormatError(f'must have a "quantisation" out of {", ".join(vectors.QUANTISATIONS)}')
    if projection is not None:
        told = _object(projection, "from", "matrix")
        projection = integer(told["from"], 1), data(told["matrix"])
    try:
        dimensions, most_links = integer(parts["dimensions"], 1), integer(parts["most_links"], 1)
        elements = [_read_element(one, quantisation, dimensions) for one in _array(parts["elements"])]
        value = VectorSet(dimensions, quantisation, most_links, projection, elements)
        vectors.check_sizes(value)
    except (ValueError, IndexError, StructError, OverflowError):
        raise FormatError(
            "must have vectors of as many numbers as there are dimensions, and graphs that are whole"
        ) from None
    if projection is not None and not all(one.graph for one in elements):
        raise FormatError("must have a graph for each element of a vector set whose vectors were reduced")
    return value


def _read_element(shown: Json, quantisation: str, dimensions: int) -> Element:
    parts = _object(shown, "name", "vector", "length", "range", "attributes", "graph")
    told = [_read_float(number) if quantisation == "none" else integer(number) for number in _array(parts["vector"])]
    attributes, graph = (b"" if parts[name] is None else data(parts[name]) for name in ("attributes", "graph"))
    vectors.check_graph(graph)
    if len(told) != dimensions:
        raise ValueError
    length, spread = _read_float(parts["length"]), _read_float(parts["range"])
    return Element(data(parts["name"]), vectors.stored(told, quantisation), length, spread, attributes, graph)


def _read_float(shown: Json) -> float:
    if type(shown) not in (int, float) and shown not in _FLOAT_WORDS:
        raise FormatError('must have a number, "inf", "-inf" or "nan" in each vector')
    return float(_float.unpack(_float.pack(float(shown)))[0])


def _object(shown: Json, *names: str) -> dict[str, Json]:
    if type(shown) is not dict or shown.keys() != set(names):
        raise FormatError(f"must have an object with exactly {', '.join(names)}")
    return shown


def _array(shown: Json) -> list[Json]:
    if type(shown) is not list:
        raise FormatError("must have an array of groups, of consumers, of elements and of numbers")
    return shown


def _maybe(shown: Json, low: int = -_INT64) -> int | None:
    return None if shown is None else integer(shown, low)


def _id(shown: Json) -> str:
    match = _ID.fullmatch(shown) if type(shown) is str else None
    if match is None or int(match[1]) >= _ID_END or int(match[2]) >= _ID_END:
        raise FormatError("must have stream ids of the form milliseconds-sequence")
    return match[0]


_SHOW: dict[str, Callable[[Any], Json]] = {
    "string": text,
    "list": _show_members,
    "set": _show_members,
    "zset": _show_zset,
    "hash": _show_hash,
    "stream": _show_stream,
    "vectorset": _show_vectors,
}
_READ: dict[str, Callable[[Json], Value]] = {
    "string": data,
    "list": _read_members,
    "set": _read_members,
    "zset": _read_zset,
    "hash": _read_hash,
    "stream": _read_stream,
    "vectorset": _read_vectors,
}
