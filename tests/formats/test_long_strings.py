"""Long strings in the portable document: piece by piece, and as a short one would be."""

import json

import pytest

from tests.formats.documents import ENTRIES, Given, document, read, refusal, with_row
from tests.support.payloads import length, string, strings
from worker.errors import FormatError
from worker.formats import portable
from worker.formats.entries import Entry
from worker.formats.portable import long_lines, writer

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
    monkeypatch.setattr(long_lines, "LONG", 200)
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
    monkeypatch.setattr(long_lines, "LONG", 1 << 30)
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
@pytest.mark.parametrize("elements", [[b"e" * 60] * 10, [b"\xff" * 300]])
def test_a_long_payload_that_is_no_string_is_written_as_what_it_is(elements: list[bytes]) -> None:
    """Only strings go in pieces, however long a payload is."""
    value: list[tuple[bytes, bytes, int | None]] = [(element, element, None) for element in elements]
    for kind, payload, told in (
        ("list", b"\x01" + strings(*elements), elements),
        ("hash", b"\x04" + length(len(elements)) + b"".join(string(one) * 2 for one in elements), value),
    ):
        assert len(payload) > long_lines.LONG
        entry = Entry(0, b"k", None, kind, payload)
        written = b"".join(portable.write(Given([entry], rdb_version=9), {}))
        assert read(written) == [entry._replace(payload=None, value=told)]


@pytest.mark.usefixtures("short_pieces")
def test_a_long_string_too_long_to_be_read_again_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_LINE", 1000)
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


@pytest.mark.slow
def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    header = document([])[: -len(b'],\n"functions":[],"count":0}\n')]
    part = b"x" * (64 << 20)
    assert "Line 2 of the JSON document is longer" in refusal(header, *[part] * 17)
    assert "Line 1 of the JSON document is longer" in refusal(b"[" * (1 << 20), b"[")
