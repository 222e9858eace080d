"""The small parts of a portable document: bytes, whole numbers, pairs, objects; whatever is read is strictly checked.

Text is a JSON string; bytes that are not valid UTF-8 are {"base64": "..."}, wherever bytes can stand.
"""

from base64 import b64decode, b64encode
from typing import Any

import orjson

from worker.errors import FormatError

# What orjson gives and takes: dict, list, str, int, float, bool, None.
Json = Any

_INT64 = 2**63


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


def brief(shown: Json) -> str:
    """A few characters of some JSON, to name it in an error."""
    words = orjson.dumps(shown).decode()
    return words if len(words) <= 40 else words[:40] + "..."


def integer(shown: Json, low: int = -_INT64) -> int:
    """A whole number from `low` to the largest that 64 bits hold. Raises FormatError."""
    # `type` and not isinstance: true and false are no numbers here.
    if type(shown) is not int or not low <= shown < _INT64:
        raise FormatError("must have whole numbers of at most 64 bits for databases, times and counts")
    return shown


def maybe(shown: Json, low: int = -_INT64) -> int | None:
    """The same, or None for null."""
    return None if shown is None else integer(shown, low)


def pairs(shown: Json, lengths: tuple[int, ...], wanted: str) -> list[list[Json]]:
    """An array of arrays, each of one of these lengths; `wanted` describes one. Raises FormatError."""
    if type(shown) is not list or not all(type(pair) is list and len(pair) in lengths for pair in shown):
        raise FormatError(f"must have an array of {wanted}")
    return shown


def fields(shown: Json, *names: str) -> dict[str, Json]:
    """An object that has just these fields. Raises FormatError."""
    if type(shown) is not dict or shown.keys() != set(names):
        raise FormatError(f"must have an object with exactly {', '.join(names)}")
    return shown


def array(shown: Json) -> list[Json]:
    """An array. Raises FormatError."""
    if type(shown) is not list:
        raise FormatError("must have an array of groups, of consumers, of elements and of numbers")
    return shown
