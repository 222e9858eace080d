import gzip
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import FormatError
from worker.formats.entries import Consumer, Element, EntriesAlone, Entry, Group, Opaque, Pending, Stream, VectorSet
from worker.formats.portable import document as portable
from worker.formats.portable import long_lines
from worker.formats.rdb.strings import length_of
from worker.formats.rdb.vectors import stored

STREAM = Stream(
    entries=[
        ("1-1", [(b"field", b"value"), (b"field", b"\xff")]),
        ("18446744073709551615-18446744073709551615", [(b"", b"")]),
    ],
    last_id="18446744073709551615-18446744073709551615",
    max_deleted_id="1-0",
    entries_added=7,
    groups=[
        Group(b"workers", "1-1", 3, [Consumer(b"ann", 5, 4, [Pending("1-1", 1701787822123, 2)]), Consumer(b"\x80")]),
        Group(b"idle", "0-0"),
    ],
)
SCORES = [(b"a", 0.1 + 0.2), (b"b", -0.0), (b"c", float("inf")), (b"d", float("-inf"))]
ENTRIES = [
    Entry(0, b"user:1", 1701787822123, "hash", None, [(b"name", b"Ann", None), (b"token", b"\xfe", 1701787899999)]),
    Entry(0, b"greeting", None, "string", None, b"hello\n\x00 \xe2\x80\xa8"),
    Entry(3, bytes(range(256)), None, "string", None, bytes(range(256))),
    Entry(3, b"", -1, "list", None, [b"a", b"", b"\xff"]),
    Entry(3, b"set", None, "set", None, [b"a", b"b"]),
    Entry(3, b"scores", None, "zset", None, SCORES),
    Entry(3, b"stream", None, "stream", None, STREAM),
    Entry(4, b"module", 5, "module", None, Opaque(b"\x07 what DUMP said")),
    Entry(4, b"new", None, "unknown", None, Opaque(b"text")),
]


@dataclass
class Given(EntriesAlone):
    """Entries of a test, as an EntryStream."""

    entries: list[Entry]
    libraries: list[bytes] = field(default_factory=list)
    rdb_version: int | None = None

    def batches(self) -> Iterator[list[Entry]]:
        yield []
        for start in range(0, len(self.entries), 4):
            yield self.entries[start : start + 4]


def document(entries: list[Entry], libraries: Iterable[bytes] = (), **header: object) -> bytes:
    return b"".join(portable.write(Given(entries, list(libraries)), header))


def read(*chunks: bytes) -> list[Entry]:
    return [entry for batch in portable.Reader(iter(chunks)).batches() for entry in batch]


def refusal(*chunks: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        read(*chunks)
    return str(caught.value)


def with_row(**changes: Any) -> bytes:
    """A document whose one entry has these words: as they are, or left out where they are None."""
    row: dict[str, Any] = {"db": 0, "key": "k", "type": "string", "value": "v"} | changes
    line = json.dumps({word: shown for word, shown in row.items() if shown is not None})
    return b'{"format":"redis-backup","version":1,"keys":[\n' + line.encode() + b'\n],\n"functions":[],"count":1}\n'


def test_the_document_is_one_json_value_with_one_entry_per_line() -> None:
    written = document(ENTRIES[:2], [b"#!lua name=lib"], created_at="2023-12-05")
    told = json.loads(written)
    assert told["format"] == "redis-backup"
    assert told["version"] == 1
    assert told["created_at"] == "2023-12-05"
    assert told["count"] == 2
    assert told["functions"] == ["#!lua name=lib"]
    assert written.count(b"\n") == 5
    assert json.loads(written.split(b"\n")[1].rstrip(b",")) == {
        "db": 0,
        "key": "user:1",
        "type": "hash",
        "expires_at": 1701787822123,
        "value": [["name", "Ann"], ["token", {"base64": "/g=="}, 1701787899999]],
    }


def test_what_was_written_is_read_again() -> None:
    assert read(document(ENTRIES)) == ENTRIES


def test_minus_zero_keeps_its_sign() -> None:
    scores = read(document([ENTRIES[5]]))[0].value
    assert str(scores) == str(SCORES)


def test_a_document_without_entries_is_whole() -> None:
    written = document([])
    assert json.loads(written)["keys"] == []
    assert read(written) == []


def test_an_empty_collection_survives() -> None:
    entries = [Entry(0, b"k", None, kind, None, []) for kind in ("list", "set", "zset", "hash")]
    assert read(document(entries)) == entries


def test_payloads_are_decoded() -> None:
    entry = Entry(0, b"k", None, "string", payload=b"\x00\x05hello")
    written = b"".join(portable.write(Given([entry], rdb_version=9), {}))
    assert [one.value for one in read(written)] == [b"hello"]


def test_a_payload_of_an_unknown_type_names_its_key() -> None:
    entry = Entry(7, b"strange\n" + b"x" * 200, None, "unknown", payload=b"\xc8\x05hello")
    with pytest.raises(FormatError, match=r"The unknown 'strange\\nx+'\.\.\. in database 7 .* type 200"):
        list(portable.write(Given([entry], rdb_version=9), {}))


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(FormatError, match="a score that is not a number"):
        document([Entry(0, b"k", None, "zset", None, [(b"m", float("nan"))])])


def test_an_entry_too_long_to_be_read_again_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "MAX_LINE", 1000)
    with pytest.raises(FormatError, match="too long for the portable format"):
        document([Entry(0, b"k", None, "string", None, b"x" * 1000)])


def test_the_header_cannot_take_the_documents_own_words() -> None:
    written = document(ENTRIES, keys="mine", count=77, format="mine", version=9)
    assert read(written) == ENTRIES


def test_the_header_comes_back_as_facts() -> None:
    reader = portable.Reader(iter([document(ENTRIES, source="a", databases=[0, 3], keys_in_all=9, nothing=None)]))
    assert sum(map(len, reader.batches())) == len(ENTRIES)
    assert reader.facts == {"source": "a", "databases": "[0,3]", "keys_in_all": "9"}
    assert reader.rdb_version is None


def test_function_libraries_come_back() -> None:
    reader = portable.Reader(iter([document([], [b"#!lua name=a\n", b"\xff"])]))
    assert list(reader.batches())
    assert reader.libraries == [b"#!lua name=a\n", b"\xff"]


def test_every_chunk_gives_a_batch_and_batches_are_bounded() -> None:
    many = [Entry(0, b"k%d" % i, None, "string", None, b"v") for i in range(3000)]
    written = document(many)
    chunks = [written[start : start + 10] for start in range(0, len(written), 10)]
    assert len(list(portable.Reader(iter(chunks)).batches())) >= len(chunks)
    batches = list(portable.Reader(iter([written])).batches())
    assert max(map(len, batches)) == 500
    assert [entry for batch in batches for entry in batch] == many


def test_the_writer_gives_small_chunks() -> None:
    many = [Entry(0, b"k%d" % i, None, "string", None, b"v" * 1000) for i in range(6000)]
    chunks = list(portable.write(Given(many), {}))
    assert len(chunks) > 10
    assert max(map(len, chunks)) < 1_100_000
    assert read(b"".join(chunks)) == many


def test_a_huge_value_is_a_chunk_of_its_own() -> None:
    entries = [Entry(0, b"k%d" % i, None, "string", None, b"v" * 1_100_000) for i in range(3)]
    chunks = list(portable.write(Given(entries), {}))
    assert [chunk[-3:] for chunk in chunks[1:-2]] == [b'v"}', b",\n", b'v"}', b",\n", b'v"}']
    assert read(b"".join(chunks)) == entries


LONG_STRINGS = {
    "text": b"plain ",
    "escapes": b'a"\\\n\x00\x1f\x7f/',
    "backslashes": b"\\",
    "characters": "aé日😀".encode(),
    "bytes": bytes(range(256)),
    "bytes at the end": b"",
}


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A string is long, and goes in many pieces, from a few bytes on."""
    monkeypatch.setattr(portable, "LONG", 200)
    monkeypatch.setattr(long_lines, "_PIECE", 21)
    monkeypatch.setattr(long_lines, "_PIECE_READ", 20)


def long_string(kind: str, size: int) -> Entry:
    part = LONG_STRINGS[kind] or b"x"
    value = part * (size // len(part)) + (b"\xe2\x82" if not LONG_STRINGS[kind] else b"")
    return Entry(0, b'"value":"\xff', 5, "string", None, value)


@pytest.mark.usefixtures("short_pieces")
@pytest.mark.parametrize("kind", LONG_STRINGS)
def test_a_long_string_is_written_as_a_short_one_would_be(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [long_string(kind, size) for size in range(300, 340)]
    chunks = list(portable.write(Given([ENTRIES[0], *entries, ENTRIES[1]]), {}))
    assert max(map(len, chunks)) < 250
    monkeypatch.setattr(portable, "LONG", 1 << 30)
    assert b"".join(chunks) == document([ENTRIES[0], *entries, ENTRIES[1]])


@pytest.mark.usefixtures("short_pieces")
@pytest.mark.parametrize("kind", LONG_STRINGS)
def test_a_long_string_is_read_as_a_short_one_would_be(kind: str) -> None:
    entries = [long_string(kind, size) for size in range(300, 340)]
    assert read(document(entries)) == entries
    told = json.loads(document(entries))["keys"]
    for ascii_only in (True, False):
        lines = ",\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in told)
        assert (
            read(with_row().split(b"\n")[0] + b"\n" + lines.encode() + b'\n],\n"functions":[],"count":40}\n') == entries
        )


@pytest.mark.usefixtures("short_pieces")
@pytest.mark.parametrize("value", [b"v" * 300, bytes([255]) * 300])
def test_a_long_payload_is_written_as_its_value(value: bytes) -> None:
    payload = b"\x00\x41\x2c" + value
    written = b"".join(portable.write(Given([Entry(0, b"k", None, "string", payload)], rdb_version=9), {}))
    assert written == document([Entry(0, b"k", None, "string", None, value)])
    for damaged, said in ((payload[:-1], "breaks off at byte 302"), (payload + b"x", "ends at byte 303, and 1 more")):
        with pytest.raises(FormatError, match=said):
            list(portable.write(Given([Entry(0, b"k", None, "string", damaged)], rdb_version=9), {}))


@pytest.mark.usefixtures("short_pieces")
def test_a_long_string_too_long_to_be_read_again_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "MAX_LINE", 1000)
    with pytest.raises(FormatError, match=r"The string 'k' in database 0 .* too long for the portable format"):
        document([Entry(0, b"k", None, "string", None, b"x" * 1000)])


@pytest.mark.usefixtures("short_pieces")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"x" * 300, b"x" * 150 + b'"' + b"x" * 150),
        (b"x" * 300, b"x" * 150 + b"\xff" + b"x" * 150),
        (b"x" * 300, b"x" * 150 + b"\\ud83d" + b"x" * 150),
        (b"x" * 300, b"x" * 150 + b"\t" + b"x" * 150),
        (b"x" * 300, b"x" * 300 + b"\\"),
        (b'"value":', b'"other":'),
        (b'"type": "string"', b'"type": "list"'),
        (b'"type": "string"', b'"type": "module"'),
        (b'"value": "' + b"x" * 300 + b'"', b'"value": {"base64": "' + b"eHh4" * 50 + b"eA==" + b"eHh4" * 50 + b'"}'),
        (b'"value": "' + b"x" * 300 + b'"', b'"value": {"base64": "' + b"eHh4" * 50 + b'eA"}'),
        (b'"value": "' + b"x" * 300 + b'"', b'"value": {"value": "' + b"x" * 300 + b'"}'),
        (b'"value": "' + b"x" * 300 + b'"', b'"more": {"value": "' + b"x" * 300 + b'"}'),
    ],
)
def test_a_long_string_of_a_wrong_shape_is_refused(old: bytes, new: bytes) -> None:
    written = with_row(value="x" * 300)
    assert old in written
    assert refusal(written.replace(old, new)).startswith("Line 2 of the JSON document ")


@pytest.mark.usefixtures("short_pieces")
def test_a_long_string_may_stand_anywhere_in_its_line() -> None:
    written = with_row(value="x" * 300)
    for value in (b'"' + b"x" * 300 + b'"', b'{"base64": "' + b"eHh4" * 100 + b'"}'):
        line = b'{"value": ' + value + b', "db": 0, "key": "k", "type": "string"}'
        lines = [line if b"xxx" in one else one for one in written.split(b"\n")]
        assert [one.value for one in read(b"\n".join(lines))] == [b"x" * 300]


def test_a_long_line_in_many_chunks_takes_no_quadratic_time() -> None:
    entry = Entry(0, b"k", None, "string", None, b"x" * 20_000_000)
    written = document([entry])
    # 300,000 chunks: joined at each, they would be 3 TB of copies, and run into pytest's timeout.
    assert read(*(written[start : start + 64] for start in range(0, len(written), 64))) == [entry]


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    header = document([])[: -len(b'],\n"functions":[],"count":0}\n')]
    part = b"x" * (64 << 20)
    assert "Line 2 of the JSON document is longer" in refusal(header, *[part] * 17)
    assert "Line 1 of the JSON document is longer" in refusal(b"[" * (1 << 20), b"[")


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


INT64 = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(0, 2**63 - 1)
BYTES = st.binary(max_size=20) | st.text(max_size=10).map(lambda text: text.encode("utf-8", "surrogatepass"))
IDS = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)).map(lambda id_: f"{id_[0]}-{id_[1]}")
CONSUMERS = st.builds(
    Consumer, BYTES, st.none() | INT64, st.none() | INT64, st.lists(st.builds(Pending, IDS, INT64, COUNT), max_size=3)
)
GROUPS = st.builds(Group, BYTES, IDS, st.none() | COUNT, st.lists(CONSUMERS, max_size=3))
FLOATS = st.floats(width=32, allow_nan=False)
NUMBERS = {"none": FLOATS, "q8": st.integers(-128, 127), "binary": st.sampled_from((-1, 1))}
GRAPHS = st.lists(st.integers(0, 2**64 - 1), max_size=4).map(
    lambda told: b"".join(b"\x02" + length_of(number) for number in (len(told) + 1, *told))
)


@st.composite
def vector_sets(draw: st.DrawFn) -> VectorSet:
    dimensions, quantisation = draw(st.integers(1, 70)), draw(st.sampled_from(sorted(NUMBERS)))
    projected = draw(st.none() | st.integers(1, 3))
    size = 4 * dimensions * (projected or 0)
    projection = (projected, draw(st.binary(min_size=size, max_size=size))) if projected else None
    vectors = st.lists(NUMBERS[quantisation], min_size=dimensions, max_size=dimensions)
    graphs = GRAPHS if projected else GRAPHS | st.just(b"")
    elements = st.builds(
        Element, BYTES, vectors.map(lambda told: stored(told, quantisation)), FLOATS, FLOATS, BYTES, graphs
    )
    return VectorSet(
        dimensions, quantisation, draw(st.integers(1, 4096)), projection, draw(st.lists(elements, max_size=3))
    )


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": BYTES,
    "list": st.lists(BYTES),
    "set": st.lists(BYTES),
    "zset": st.lists(st.tuples(BYTES, st.floats(allow_nan=False))),
    "hash": st.lists(st.tuples(BYTES, BYTES, st.none() | INT64)),
    "stream": st.builds(
        Stream,
        st.lists(st.tuples(IDS, st.lists(st.tuples(BYTES, BYTES), max_size=3)), max_size=3),
        IDS,
        st.none() | IDS,
        st.none() | COUNT,
        st.lists(GROUPS, max_size=3),
    ),
    "vectorset": vector_sets(),
    "module": st.builds(Opaque, BYTES),
    "unknown": st.builds(Opaque, BYTES),
}
ANY_ENTRY = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: st.builds(
        Entry, st.integers(0, 2**31 - 1), BYTES, st.none() | INT64, st.just(kind), st.none(), VALUES[kind], st.none()
    )
)


@given(st.lists(ANY_ENTRY, max_size=8), st.lists(BYTES, max_size=3), st.randoms(use_true_random=False))
def test_any_entries_come_back_over_any_chunks(entries: list[Entry], libs: list[bytes], chance: random.Random) -> None:
    written = document(entries, libs)
    assert json.loads(written)["count"] == len(entries)
    cuts = sorted(chance.choices(range(len(written) + 1), k=chance.randrange(20)))
    reader = portable.Reader(written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True))
    # repr tells -0.0 from 0.0.
    assert repr([entry for batch in reader.batches() for entry in batch]) == repr(entries)
    assert reader.libraries == libs


def read_or_refused(changed: bytes) -> bool:
    """Whether a changed document is either read with all its entries, or refused in one sentence."""
    try:
        return len(read(changed)) == len(ENTRIES)
    except FormatError as error:
        return str(error).endswith(".")


@given(st.integers(0, 1 << 30), st.binary(max_size=4), st.integers(0, 4))
def test_a_changed_document_is_read_or_refused_in_plain_words(place: int, put: bytes, cut: int) -> None:
    written = document(ENTRIES, [b"lib"], source="a")
    place %= len(written)
    assert read_or_refused(written[:place] + put + written[place + cut :])


@given(st.sampled_from([*b'"[]{},:1-\n', "null", "true", "1e999", '"a"', "[]"]), st.data())
def test_a_document_with_json_words_exchanged_is_read_or_refused(word: int | str, data: st.DataObject) -> None:
    written = document(ENTRIES, [b"lib"])
    marks = [place for place, byte in enumerate(written) if byte in b'"[]{},:\n0123456789']
    place = data.draw(st.sampled_from(marks))
    put = word.encode() if isinstance(word, str) else bytes([word])
    assert read_or_refused(written[:place] + put + written[place + 1 :])
