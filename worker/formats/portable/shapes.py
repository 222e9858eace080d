"""Values as the portable document shows them: JSON shapes out of values, and strictly checked values out of JSON."""

from collections.abc import Callable
from math import isnan
from typing import Any

import orjson

from worker.errors import FormatError
from worker.formats.entries import Value
from worker.formats.portable import streams, vectors
from worker.formats.portable.parts import Json, data, integer, pairs, text
from worker.formats.types import HOLDS, Holds

_SCORE_WORDS = {"inf": float("inf"), "-inf": float("-inf")}


def show(kind: str, value: Value) -> Json:
    """The JSON shape of a value of a type of types.TYPES. Raises FormatError for a score that is not a number."""
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


def _show_scores(members: list[tuple[bytes, float]]) -> Json:
    # score - score is 0 for every number but the infinities and nan, which JSON cannot say.
    try:
        return [(member.decode(), score if score - score == 0 else _show_score(score)) for member, score in members]
    except UnicodeDecodeError:
        return [[text(member), score if score - score == 0 else _show_score(score)] for member, score in members]


def _show_score(score: float) -> str:
    if isnan(score):
        raise FormatError("has a score that is not a number")
    return "inf" if score > 0 else "-inf"


def _read_scores(shown: Json) -> list[tuple[bytes, float]]:
    members = []
    for pair in pairs(shown, (2,), "[member, score]"):
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


def _show_fields(fields: list[tuple[bytes, bytes, int | None]]) -> Json:
    try:
        return [(f.decode(), v.decode()) if at is None else (f.decode(), v.decode(), at) for f, v, at in fields]
    except UnicodeDecodeError:
        return [[text(f), text(v)] if at is None else [text(f), text(v), at] for f, v, at in fields]


def _read_fields(shown: Json) -> list[tuple[bytes, bytes, int | None]]:
    fields = []
    for parts in pairs(shown, (2, 3), "[field, value] or [field, value, expires_at]"):
        field, value = parts[0], parts[1]
        field = field.encode() if type(field) is str else data(field)
        value = value.encode() if type(value) is str else data(value)
        fields.append((field, value, integer(parts[2]) if len(parts) == 3 else None))
    return fields


_SHOW_WHAT: dict[Holds, Callable[[Any], Json]] = {
    "text": text,
    "elements": _show_members,
    "members": _show_members,
    "scores": _show_scores,
    "fields": _show_fields,
    "stream": streams.show,
    "vectors": vectors.show,
}
_READ_WHAT: dict[Holds, Callable[[Json], Value]] = {
    "text": data,
    "elements": _read_members,
    "members": _read_members,
    "scores": _read_scores,
    "fields": _read_fields,
    "stream": streams.read,
    "vectors": vectors.read,
}
_SHOW = {name: _SHOW_WHAT[holds] for name, holds in HOLDS.items() if holds in _SHOW_WHAT}
_READ = {name: _READ_WHAT[holds] for name, holds in HOLDS.items() if holds in _READ_WHAT}
