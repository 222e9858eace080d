"""What may stand in a portable document, to the last number: each shape comes back as it was shown, and nothing beside it does."""

from typing import Any

import orjson
import pytest

from worker.errors import FormatError
from worker.formats.entries import Consumer, Element, Group, Pending, Stream, VectorSet
from worker.formats.portable import shapes
from worker.formats.portable.parts import brief, data, integer, maybe, text

LARGEST, LEAST = 2**63 - 1, -(2**63)
LAST_ID = f"{2**64 - 1}-{2**64 - 1}"
GRAPH = bytes((2, 2, 2, 0))
STREAM: dict[str, Any] = {"entries": [], "last_id": "0-0", "max_deleted_id": None, "entries_added": None, "groups": []}
GROUP: dict[str, Any] = {"name": "g", "last_id": "0-0", "entries_read": None, "consumers": []}
CONSUMER: dict[str, Any] = {"name": "c", "seen_at": None, "active_at": None, "pending": []}
ELEMENT: dict[str, Any] = {
    "name": "e",
    "vector": [1.5, -2.0],
    "length": 1.0,
    "range": 0.5,
    "attributes": None,
    "graph": {"base64": "AgICAA=="},
}
VECTORS: dict[str, Any] = {
    "dimensions": 2,
    "quantisation": "none",
    "most_links": 16,
    "projection": None,
    "elements": [ELEMENT],
}
VALUES: list[tuple[str, Any]] = [
    ("string", b""),
    ("string", b"\xff"),
    ("list", []),
    ("list", [b"a", b"\xff", b""]),
    ("set", [b"a", b"b"]),
    ("zset", [(b"a", float("inf")), (b"b", float("-inf")), (b"c", -0.5), (b"\xff", 1.0)]),
    ("zset", [(b"\xff", float("inf")), (b"\xfe", float("-inf"))]),
    ("hash", [(b"f", b"v", None), (b"g", b"w", LARGEST), (b"h", b"x", LEAST)]),
    ("hash", [(b"f", b"\xff", None), (b"\xfe", b"w", 5)]),
    ("stream", Stream([], "0-0")),
    (
        "stream",
        Stream(
            [("0-1", []), (LAST_ID, [(b"f", b"v"), (b"f", b"\xff")])],
            LAST_ID,
            "10-0",
            0,
            [
                Group(b"g", "1-1", 0, [Consumer(b"c", LEAST, LARGEST, [Pending("1-1", -5, 0), Pending("2-0", 5, 1)])]),
                Group(b"\xff", "0-0", None, [Consumer(b"\xff", None, None)]),
            ],
        ),
    ),
    ("vectorset", VectorSet(1, "none", 1, None, [])),
    ("vectorset", VectorSet(2, "none", 16, None, [Element(b"e", bytes(8), 0.25, 3.5, b"", b"")])),
    ("vectorset", VectorSet(2, "q8", 16, None, [Element(b"\xff", b"\x81\x7f", 1.0, 0.5, b"{}", GRAPH)])),
    (
        "vectorset",
        VectorSet(65, "binary", 16, None, [Element(b"e", b"\x01" + bytes(14) + b"\x00", 1.0, 0.0, b"", b"")]),
    ),
    ("vectorset", VectorSet(2, "q8", 16, (1, bytes(8)), [Element(b"e", b"\x00\x01", 1.0, 0.5, b"", GRAPH)])),
]


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=lambda part: part if isinstance(part, str) else "")
def test_each_value_comes_back_as_it_was_shown(kind: str, value: Any) -> None:
    assert shapes.read(kind, orjson.loads(shapes.written(kind, value))) == value


REFUSED: list[tuple[str, Any, str]] = [
    ("strings", "a", 'must have a "type" out of string, '),
    ("string", None, "must have a string or"),
    ("string", {"base64": 5}, "must have a string or"),
    ("string", {"base64": "YQ==", "a": 1}, "must have a string or"),
    ("string", {"text": "YQ=="}, "must have a string or"),
    ("string", {"base64": "Y?=="}, "that is not base64"),
    ("list", {}, "must have an array of members"),
    ("list", ["a", 1], "must have a string or"),
    ("zset", [["a", 1, 2]], "must have an array of [member, score]"),
    ("zset", [["a", "nan"]], 'must have a number, "inf" or "-inf" for each score'),
    ("zset", [["a", True]], 'must have a number, "inf" or "-inf" for each score'),
    ("hash", [["f", "v", LARGEST + 1]], "must have whole numbers of at most 64 bits"),
    ("hash", [["f", "v", LEAST - 1]], "must have whole numbers of at most 64 bits"),
    ("hash", [["f", "v", True]], "must have whole numbers of at most 64 bits"),
    ("hash", [["f", "v", 1, 1]], "must have an array of [field, value] or [field, value, expires_at]"),
    ("hash", [["f"]], "must have an array of [field, value] or [field, value, expires_at]"),
    ("stream", {**STREAM, "last_id": f"{2**64}-0"}, "must have stream ids"),
    ("stream", {**STREAM, "last_id": f"0-{2**64}"}, "must have stream ids"),
    ("stream", {**STREAM, "last_id": "00-0"}, "must have stream ids"),
    ("stream", {**STREAM, "last_id": "0-00"}, "must have stream ids"),
    ("stream", {**STREAM, "last_id": 0}, "must have stream ids"),
    ("stream", {**STREAM, "max_deleted_id": ""}, "must have stream ids"),
    ("stream", {**STREAM, "entries_added": -1}, "must have whole numbers"),
    ("stream", {**STREAM, "entries": [["1-1", [], []]]}, "must have an array of [id, [[field, value], ...]]"),
    ("stream", {**STREAM, "entries": [["1-1", [["f"]]]]}, "must have an array of [field, value]"),
    ("stream", {**STREAM, "groups": None}, "must have an array of groups"),
    ("stream", {**STREAM, "groups": [{**GROUP, "entries_read": -1}]}, "must have whole numbers"),
    ("stream", {**STREAM, "groups": [{**GROUP, "more": 1}]}, "must have an object with exactly name, last_id"),
    ("stream", {**STREAM, "groups": [{**GROUP, "consumers": [{**CONSUMER, "seen_at": "5"}]}]}, "must have whole"),
    (
        "stream",
        {**STREAM, "groups": [{**GROUP, "consumers": [{**CONSUMER, "pending": [["1-1", 0, -1]]}]}]},
        "must have whole numbers",
    ),
    (
        "stream",
        {**STREAM, "groups": [{**GROUP, "consumers": [{**CONSUMER, "pending": [["1-1", 0]]}]}]},
        "must have an array of [id, delivered_at, deliveries]",
    ),
    ("vectorset", {**VECTORS, "dimensions": 0, "elements": []}, "must have whole numbers"),
    ("vectorset", {**VECTORS, "most_links": 0}, "must have whole numbers"),
    ("vectorset", {**VECTORS, "dimensions": 3}, "must have vectors of as many numbers as there are dimensions"),
    ("vectorset", {**VECTORS, "dimensions": 1}, "must have vectors of as many numbers as there are dimensions"),
    ("vectorset", {**VECTORS, "quantisation": "q4"}, 'must have a "quantisation" out of none, q8, binary'),
    ("vectorset", {**VECTORS, "quantisation": None}, 'must have a "quantisation" out of none, q8, binary'),
    ("vectorset", {**VECTORS, "quantisation": "q8"}, "must have whole numbers"),
    ("vectorset", {**VECTORS, "projection": {"from": 0, "matrix": ""}}, "must have whole numbers"),
    ("vectorset", {**VECTORS, "projection": {"from": 1, "matrix": "1234567"}}, "must have vectors of as many numbers"),
    ("vectorset", {**VECTORS, "projection": {"from": 2, "matrix": "12345678"}}, "must have vectors of as many numbers"),
    ("vectorset", {**VECTORS, "projection": {"from": 1}}, "must have an object with exactly from, matrix"),
    (
        "vectorset",
        {**VECTORS, "projection": {"from": 1, "matrix": "12345678"}, "elements": [{**ELEMENT, "graph": None}]},
        "must have a graph for each element of a vector set whose vectors were reduced",
    ),
    ("vectorset", {**VECTORS, "elements": [{**ELEMENT, "vector": [1, "x"]}]}, 'must have a number, "inf", "-inf" or'),
    ("vectorset", {**VECTORS, "elements": [{**ELEMENT, "vector": [1, True]}]}, 'must have a number, "inf", "-inf" or'),
    ("vectorset", {**VECTORS, "elements": [{**ELEMENT, "vector": [1, 1e39]}]}, "must have vectors of as many numbers"),
    ("vectorset", {**VECTORS, "elements": [{**ELEMENT, "length": None}]}, 'must have a number, "inf", "-inf" or'),
    ("vectorset", {**VECTORS, "elements": [{**ELEMENT, "graph": {"base64": "AgIC"}}]}, "and graphs that are whole"),
    ("vectorset", {**VECTORS, "elements": [{**ELEMENT, "graph": {"base64": "AgICAAI="}}]}, "and graphs that are whole"),
    ("vectorset", {**VECTORS, "elements": {}}, "must have an array of groups, of consumers, of elements"),
    (
        "vectorset",
        {**VECTORS, "quantisation": "q8", "elements": [{**ELEMENT, "vector": [128, 0]}]},
        "must have vectors of as many numbers",
    ),
]


@pytest.mark.parametrize(("kind", "shown", "said"), REFUSED, ids=lambda part: part if isinstance(part, str) else "")
def test_what_is_of_another_shape_is_refused_by_name(kind: str, shown: Any, said: str) -> None:
    with pytest.raises(FormatError) as raised:
        shapes.read(kind, shown)
    assert str(raised.value).startswith(said) or said in str(raised.value)


def test_what_the_refused_shapes_differ_from_is_read() -> None:
    for kind, shown in (("stream", STREAM), ("vectorset", VECTORS)):
        assert shapes.show(kind, shapes.read(kind, shown)) == shown
    whole = {**STREAM, "groups": [{**GROUP, "consumers": [{**CONSUMER, "pending": [["1-1", 0, 0]]}]}]}
    assert shapes.show("stream", shapes.read("stream", whole)) == whole
    reduced = {**VECTORS, "projection": {"from": 1, "matrix": "12345678"}}
    assert shapes.show("vectorset", shapes.read("vectorset", reduced)) == reduced


@pytest.mark.parametrize("words", ["inf", "-inf", "nan"])
def test_a_float_that_json_has_no_number_for_is_a_word(words: str) -> None:
    shown = {**VECTORS, "elements": [{**ELEMENT, "vector": [words, 0.25]}]}
    assert shapes.show("vectorset", shapes.read("vectorset", shown)) == shown


def test_a_score_is_a_number_or_an_infinity_and_a_whole_one_is_a_float() -> None:
    assert shapes.read("zset", [["a", 5], ["b", "inf"], ["c", "-inf"]]) == [
        (b"a", 5.0),
        (b"b", float("inf")),
        (b"c", float("-inf")),
    ]
    for member in (b"a", b"\xff"):
        with pytest.raises(FormatError, match="has a score that is not a number"):
            shapes.show("zset", [(member, float("nan"))])


@pytest.mark.parametrize("low", [LEAST, 0, 1])
def test_a_whole_number_lies_between_its_bounds(low: int) -> None:
    for number in (low, low + 1, LARGEST):
        assert integer(number, low) == maybe(number, low) == number
    others: list[Any] = [low - 1, LARGEST + 1, 1.0, True, "1", None]
    for other in others:
        with pytest.raises(FormatError, match="must have whole numbers"):
            integer(other, low)
    assert maybe(None, low) is None
    assert integer(LEAST) == maybe(LEAST) == LEAST


def test_bytes_are_text_where_they_can_be() -> None:
    assert (text(b""), text("ü".encode()), text(b"\xff")) == ("", "ü", {"base64": "/w=="})
    assert (data(""), data("ü"), data({"base64": "/w=="}), data(b"long")) == (b"", "ü".encode(), b"\xff", b"long")


@pytest.mark.parametrize("size", [0, 1, 37, 38, 39, 40, 1000])
def test_of_some_json_forty_characters_name_it(size: int) -> None:
    words = '"' + "x" * size + '"'
    assert brief("x" * size) == (words if size <= 38 else words[:40] + "...")
