"""The portable document: what is written is read again, in chunks that are bounded."""

import json
import re

import pytest

from tests.formats.documents import ENTRIES, SCORES, Given, document, read
from worker.errors import FormatError
from worker.formats import portable
from worker.formats.entries import Entry
from worker.formats.portable import writer


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


@pytest.mark.parametrize(("length", "shown"), [(80, "x" * 80), (81, "x" * 80)])
def test_a_long_key_is_named_by_its_first_eighty_bytes(length: int, shown: str) -> None:
    cut = "..." if length > 80 else ""
    entry = Entry(0, b"x" * length, None, "zset", None, [(b"m", float("nan"))])
    with pytest.raises(FormatError, match=rf"The zset '{shown}'{re.escape(cut)} in database 0 "):
        document([entry])


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(FormatError, match="a score that is not a number"):
        document([Entry(0, b"k", None, "zset", None, [(b"m", float("nan"))])])


def test_an_entry_too_long_to_be_read_again_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_LINE", 1000)
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
