"""What is cut, of a wrong shape, or no such document is refused in plain words."""

import gzip
import json
from typing import Any

import pytest

from tests.formats.documents import ENTRIES, document, read, refusal, with_row
from worker.formats import portable
from worker.formats.entries import Entry


@pytest.mark.parametrize("entries", [[], ENTRIES])
def test_a_document_cut_anywhere_is_refused(entries: list[Entry]) -> None:
    written = document(entries, [b"lib"], source="a")
    for end in range(len(written)):
        assert refusal(written[:end])


def test_a_cut_says_where() -> None:
    written = document(ENTRIES)
    assert refusal(written[: written.index(b"scores")]) == "The JSON document is cut off after line 6."


@pytest.mark.parametrize("more", [b"\n", b" ", b"{}", b'{"format":"redis-backup","version":1,"keys":[\n'])
def test_whatever_follows_the_end_is_refused(more: bytes) -> None:
    assert "follows the end" in refusal(document(ENTRIES) + more)
    assert "follows the end" in refusal(document(ENTRIES), more)


@pytest.mark.parametrize(
    "change",
    [
        {"db": -1},
        {"db": 1.0},
        {"db": True},
        {"db": 2**31},
        {"db": 10**30},
        {"db": None},
        {"key": 1},
        {"key": None},
        {"key": {"base64": "?"}},
        {"key": {"base64": "YQ"}},
        {"key": {"base64": "ü"}},
        {"key": {"base64": 1}},
        {"key": {"base64": "YQ==", "more": 1}},
        {"key": {}},
        {"type": "strings"},
        {"type": "unknown"},
        {"type": "module"},
        {"type": []},
        {"type": None},
        {"expires_at": "never"},
        {"expires_at": 1.5},
        {"expires_at": 2**63},
        {"expires_at": 10**30},
        {"expires_att": 1},
        {"dump": "x"},
        {"value": None},
        {"value": None, "dump": 1},
        {"value": None, "dump": "x", "type": "strings"},
        {"value": 1},
        {"value": []},
        {"type": "list", "value": "v"},
        {"type": "list", "value": [1]},
        {"type": "list", "value": [["a"]]},
        {"type": "set", "value": {"a": 1}},
        {"type": "set", "value": {"base64": "YQ=="}},
        {"type": "zset", "value": "v"},
        {"type": "zset", "value": ["ab"]},
        {"type": "zset", "value": [["a"]]},
        {"type": "zset", "value": [["a", "1"]]},
        {"type": "zset", "value": [["a", None]]},
        {"type": "zset", "value": [["a", True]]},
        {"type": "zset", "value": [[1, 1]]},
        {"type": "hash", "value": {"a": "b"}},
        {"type": "hash", "value": [["a"]]},
        {"type": "hash", "value": [["a", "b", "c"]]},
        {"type": "hash", "value": [["a", "b", 1, 1]]},
        {"type": "hash", "value": [["a", 1]]},
        {"type": "stream", "value": []},
        {"type": "stream", "value": {}},
    ],
)
def test_an_entry_of_a_wrong_shape_is_refused(change: dict[str, Any]) -> None:
    assert refusal(with_row(**change)).startswith("Line 2 of the JSON document ")


@pytest.mark.parametrize(
    "change",
    [
        {"last_id": "1"},
        {"last_id": "1-"},
        {"last_id": "01-1"},
        {"last_id": "-1-1"},
        {"last_id": "1-18446744073709551616"},
        {"last_id": "٣-1"},
        {"last_id": None},
        {"max_deleted_id": "x"},
        {"entries_added": -1},
        {"entries_added": "1"},
        {"more": 1},
        {"entries": {}},
        {"entries": [["1-1"]]},
        {"entries": [["1-x", []]]},
        {"entries": [["1-1", [["a"]]]]},
        {"entries": [["1-1", [["a", 1]]]]},
        {"groups": 1},
        {"groups": [1]},
        {"groups": [{"name": "g"}]},
        {"groups": [{"name": 1, "last_id": "1-1", "entries_read": None, "consumers": []}]},
        {"groups": [{"name": "g", "last_id": "1-1", "entries_read": None, "consumers": "x"}]},
        {"groups": [{"name": "g", "last_id": "1-1", "entries_read": None, "consumers": [{}]}]},
    ],
)
def test_a_stream_of_a_wrong_shape_is_refused(change: dict[str, Any]) -> None:
    value: dict[str, Any] = {"last_id": "1-1", "max_deleted_id": None, "entries_added": None}
    value |= {"entries": [], "groups": []}
    assert len(read(with_row(type="stream", value=value))) == 1
    assert refusal(with_row(type="stream", value=value | change)).startswith("Line 2 of the JSON document must have ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"version":1', b'"version":2', "Line 1 of the JSON document is of version 2 of the format, and"),
        (b'"version":1', b'"version":true', "of version true"),
        (b'"version":1', b'"version":1.0', "of version 1.0"),
        (b"redis-backup", b"other", 'must say "format":"redis-backup"'),
        (b'"count":1', b'"count":2', "Line 4 of the JSON document says that there are 2 entries, and there are 1."),
        (b'"count":1', b'"count":true', "there are true entries"),
        (b'"count":1', b'"count":1,"more":1', 'exactly "functions" and "count"'),
        (b'"functions":[]', b'"functions":{}', 'exactly "functions" and "count"'),
        (b'"functions":[]', b'"functions":[1]', "must have a string"),
        (b'"v"}\n', b'"v"},\n', "Line 3 of the JSON document closes the keys although"),
        (b'"v"}\n', b'"v"}\n\n', "Line 3 of the JSON document is an entry although"),
        (b'"v"}', b'"v"', "Line 2 of the JSON document is not JSON"),
        (b'"v"', b"[" * 2000 + b"]" * 2000, "Line 2 of the JSON document is not JSON"),
        (b'"v"', b'"\xff"', "Line 2 of the JSON document is not JSON"),
        (b'"v"', b'"\\ud800"', "Line 2 of the JSON document is not JSON"),
        (b'"v"', b"[" * 1000 + b"]" * 1000, "Line 2 of the JSON document must have a string"),
        (b"\n", b"\r\n", "Line 1 of the JSON document must open"),
        (b"{", b"\xef\xbb\xbf{", "Line 1 of the JSON document is not JSON"),
    ],
)
def test_a_document_that_is_not_exactly_this_format_is_refused(old: bytes, new: bytes, said: str) -> None:
    assert said in refusal(with_row().replace(b'": ', b'":').replace(old, new, 1 if old == b"{" else -1))


def test_a_document_formatted_by_another_tool_is_refused() -> None:
    told = json.loads(document(ENTRIES))
    assert "another tool has re-formatted it" in refusal(json.dumps(told).encode() + b"\n")
    assert "Line 1 of the JSON document must open" in refusal(json.dumps(told, indent=2).encode() + b"\n")


@pytest.mark.parametrize("other", [b"", b"\n", b"REDIS0011\xfa\n", b"null\n", b"[]\n", b'[{"keys":[\n', bytes(1000)])
def test_what_is_no_such_document_is_refused(other: bytes) -> None:
    assert refusal(other)


def test_an_error_of_the_chunks_goes_up_as_it_is() -> None:
    packed = gzip.compress(document(ENTRIES))[:-10]
    with pytest.raises(EOFError):
        list(portable.Reader(map(gzip.decompress, [packed])).batches())
