"""RDB files that real servers wrote with SAVE, and beside each what the server said of its keys, as JSON.

`<server>.json` maps `db/key` to `{"type", "expires_at", "value"}`; bytes are latin-1 strings, times are milliseconds
since the epoch. A zset's value is a list of [member, score as repr], a hash's of [field, value, expires_at or null],
a stream's is its dataclass as an object. All of it was asked with ordinary commands.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.reading import settle
from worker.formats.entries import Consumer, Group, Pending, Stream, Value

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.rdb"))
"""The servers: `redis-2.8.17` and so on."""


class Expected(NamedTuple):
    """What the server said of one key; values without an order are in that of `tests.support.reading.settle`."""

    db: int
    key: bytes
    expires_at: int | None
    type: str
    value: Value


def data(name: str) -> bytes:
    """The RDB file of a server."""
    return (FOLDER / f"{name}.rdb").read_bytes()


def expected(name: str) -> list[Expected]:
    """What that server said its file holds."""
    said = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return [_expected(place, facts) for place, facts in said.items()]


def _expected(place: str, facts: dict[str, Any]) -> Expected:
    db, _, key = place.partition("/")
    value = settle(_from_json(facts["type"], facts["value"]), facts["type"])
    return Expected(int(db), key.encode("latin-1"), facts["expires_at"], facts["type"], value)


def _from_json(kind: str, value: Any) -> Value:
    if kind == "string":
        return _bytes(value)
    if kind == "zset":
        return [(_bytes(member), float(score)) for member, score in value]
    if kind == "hash":
        return [(_bytes(field), _bytes(content), expires_at) for field, content, expires_at in value]
    return _stream(value) if kind == "stream" else [_bytes(element) for element in value]


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


def _stream(value: dict[str, Any]) -> Stream:
    entries = [(id_, [(_bytes(field), _bytes(content)) for field, content in pairs]) for id_, pairs in value["entries"]]
    groups = [_group(group) for group in value["groups"]]
    return Stream(entries, value["last_id"], value["max_deleted_id"], value["entries_added"], groups)


def _group(group: dict[str, Any]) -> Group:
    consumers = [
        Consumer(_bytes(one["name"]), one["seen_at"], one["active_at"], [Pending(**entry) for entry in one["pending"]])
        for one in group["consumers"]
    ]
    return Group(_bytes(group["name"]), group["last_id"], group["entries_read"], consumers)


def to_json(kind: str, value: Value) -> Any:
    """The shape of a value in these files, to write new ones."""
    if kind == "zset":
        return [[_text(member), repr(score)] for member, score in value]  # type: ignore[misc, union-attr]
    return _text(asdict(value) if isinstance(value, Stream) else value)


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list | tuple):
        return [_text(part) for part in value]
    return {name: _text(part) for name, part in value.items()} if isinstance(value, dict) else value
