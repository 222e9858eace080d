"""What is shown of a value beside another: text as text, no more of it than there is room for, and where it differs."""

from typing import Any

import pytest

from worker.formats.compare.long_strings import LONG, PIECE, LongString, in_common
from worker.formats.compare.rows import BEFORE, LONGEST, moment, rows, text
from worker.formats.compare.values import Sides
from worker.formats.entries import Entry
from worker.formats.rdb.strings import length_of

SIDES = Sides(9, 9, 0)
HOUR = 3_600_000


def entry(value: Any, kind: str = "string", expires_at: int | None = None) -> Entry:
    return Entry(0, b"key", expires_at, kind, None, value)


def strings(backup: bytes | None, live: bytes | None, room: int = 0) -> dict[str, str | None]:
    """The one row of two texts."""
    there, here = (None if one is None else entry(one) for one in (backup, live))
    (row,), more = rows(there, here, SIDES, room=room)
    assert more == 0
    return row


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"", ""),
        (b"text", "text"),
        ("grüße 世界\t\r\n".encode(), "grüße 世界\t\r\n"),
        ("👨\u200d👩 \u0645\u06cc\u200c\u062e".encode(), "👨\u200d👩 \u0645\u06cc\u200c\u062e"),
        (b"\x00", "0x00"),
        (b"\x1b[31m", "0x1b5b33316d"),
        (b"\xff\xfe", "0xfffe"),
        (b"x" * LONGEST, "x" * LONGEST),
        (b"x" * (LONGEST + 1), "x" * LONGEST + "… (201 bytes)"),
        (b"\xff" * (LONGEST // 2), "0x" + "ff" * (LONGEST // 2)),
        (b"\xff" * (LONGEST // 2 + 1), "0x" + "ff" * (LONGEST // 2) + "… (101 bytes)"),
        (b"\xff" * 1234, "0x" + "ff" * (LONGEST // 2) + "… (1,234 bytes)"),
    ],
)
def test_text_is_text_and_all_else_is_hexadecimal(value: bytes, shown: str) -> None:
    assert text(value) == shown


@pytest.mark.parametrize("character", ["a", "ü", "世", "😀"])
def test_no_character_is_cut_in_two(character: str) -> None:
    value = character.encode() * 300
    for start in range(12):
        for longest in range(1, 12):
            shown = text(value, start, longest)
            assert set(shown.partition(" (")[0].strip("…")) <= {character}
            assert len(shown.partition(" (")[0].strip("…").encode()) <= longest + 3
            assert shown.startswith("…") == (start >= len(character.encode()) or longest < len(character.encode()))


@pytest.mark.parametrize(
    ("value", "start", "shown"),
    [
        (b"\x80" * 300, 10, "…0x80808080… (300 bytes)"),
        (b"a" + b"\x80" * 299, 4, "…0x80808080… (300 bytes)"),
        (b"\x80\x80\x80" + b"a" * 297, 2, "…0x80616161… (300 bytes)"),
    ],
)
def test_what_only_looks_like_the_middle_of_a_character_is_shown_from_where_it_was_asked_for(
    value: bytes, start: int, shown: str
) -> None:
    assert text(value, start, 8) == shown


@pytest.mark.parametrize(
    ("start", "longest", "shown"),
    [
        (0, 5, "01234… (10 bytes)"),
        (5, 5, "…56789 (10 bytes)"),
        (4, 5, "…45678… (10 bytes)"),
        (0, 10, "0123456789"),
        (9, 5, "…9 (10 bytes)"),
        (10, 5, "… (10 bytes)"),
    ],
)
def test_what_is_left_out_on_either_side_is_marked(start: int, longest: int, shown: str) -> None:
    assert text(b"0123456789", start, longest) == shown


@pytest.mark.parametrize("length", [LONGEST - 1, LONGEST, LONGEST + 1, 1000])
def test_long_texts_are_shown_from_shortly_before_they_differ(length: int) -> None:
    numbers = b"".join(b"%04d" % number for number in range(250))
    backup, live = numbers[: length - 1] + b"x", numbers[: length - 1] + b"y"
    row = strings(backup, live)
    begin = max(0, length - 1 - BEFORE) if length > LONGEST else 0
    mark, size = ("…", f" ({length:,} bytes)") if begin else ("", "")
    assert row == {
        "part": "value",
        "backup": f"{mark}{backup[begin:].decode()}{size}",
        "live": f"{mark}{live[begin:].decode()}{size}",
    }


def test_a_text_that_is_alone_is_shown_from_its_beginning_and_as_much_as_there_is_room_for() -> None:
    assert strings(b"x" * 300, None)["backup"] == "x" * LONGEST + "… (300 bytes)"
    assert strings(None, b"x" * 300)["live"] == "x" * LONGEST + "… (300 bytes)"
    assert strings(b"x" * 300, None, room=299)["backup"] == "x" * 299 + "… (300 bytes)"
    assert strings(b"x" * 300, None, room=300)["backup"] == "x" * 300
    assert strings(b"x" * 300, None, room=10)["backup"] == "x" * LONGEST + "… (300 bytes)"


def test_what_one_row_takes_is_no_room_for_the_next() -> None:
    backup = entry([(b"%d" % number, b"x" * 400, None) for number in range(3)], "hash")
    found, _ = rows(backup, None, SIDES, room=800)
    assert [len((row["backup"] or "").partition("…")[0]) for row in found] == [400, 399, LONGEST]


@pytest.mark.parametrize(("most", "shown", "more"), [(0, 0, 5), (4, 4, 1), (5, 5, 0), (6, 5, 0)])
def test_no_more_rows_are_shown_and_the_others_counted(most: int, shown: int, more: int) -> None:
    found, others = rows(entry([b"%d" % number for number in range(5)], "set"), None, SIDES, most)
    assert (len(found), others) == (shown, more)


@pytest.mark.parametrize(
    ("most", "shown", "more"), [(10, 1 + 5 + 3, 1), (11, 1 + 5 + 3, 1), (4, 1 + 2 + 2, 5), (1, 1, 9)]
)
def test_of_two_types_both_are_shown_each_with_half_of_the_rows(most: int, shown: int, more: int) -> None:
    backup = entry([b"%d" % number for number in range(6)], "set", HOUR)
    live = entry([b"%d" % number for number in range(3)], "list", HOUR)
    found, others = rows(backup, live, SIDES, most)
    assert found[0] == {"part": "type", "backup": "set", "live": "list"}
    assert (len(found), others) == (shown, more)


def test_another_expiry_comes_first() -> None:
    found, _ = rows(entry(b"a", expires_at=HOUR), entry(b"b"), SIDES)
    assert found == [
        {"part": "expires", "backup": "1970-01-01 01:00:00 UTC", "live": "never"},
        {"part": "value", "backup": "a", "live": "b"},
    ]


@pytest.mark.parametrize(
    ("expires_at", "words"),
    [
        (None, "never"),
        (0, "1970-01-01 00:00:00 UTC"),
        (1_701_787_822_123, "2023-12-05 14:50:22 UTC"),
        (2**62, "4,611,686,018,427,387,904 ms after 1970"),
    ],
)
def test_a_moment_is_told_in_utc_or_where_no_calendar_reaches_in_milliseconds(
    expires_at: int | None, words: str
) -> None:
    assert moment(expires_at) == words


def test_a_field_says_when_it_expires() -> None:
    found, _ = rows(entry([(b"f", b"v", HOUR)], "hash"), entry([(b"f", b"w", None), (b"g", b"x", HOUR)], "hash"), SIDES)
    assert found == [
        {"part": "f", "backup": "v (expires 1970-01-01 01:00:00 UTC)", "live": "w"},
        {"part": "g", "backup": None, "live": "x (expires 1970-01-01 01:00:00 UTC)"},
    ]


def long_string(length: int, *, head: bytes | None = None) -> bytes:
    return b"\x00" + (length_of(length) if head is None else head) + b"x" * length


def test_only_a_long_plain_string_is_looked_at_where_it_lies() -> None:
    held = LongString.of(long_string(LONG))
    assert held is not None
    assert (len(held), held[0], held[-1], held[2:4]) == (LONG, ord("x"), ord("x"), b"xx")
    assert LongString.of(long_string(LONG - 5)) is not None, "with its type and length it has that many bytes"
    assert LongString.of(long_string(LONG - 6 - 1)) is None
    assert LongString.of(b"\x01" + long_string(LONG)[1:]) is None, "a list"
    assert LongString.of(long_string(LONG) + b"x") is None
    assert LongString.of(long_string(LONG)[:-1]) is None
    assert LongString.of(long_string(LONG, head=b"\x81" + LONG.to_bytes(8, "big"))) is not None
    assert LongString.of(b"\x00\xc3" + bytes(LONG)) is None, "compressed"
    assert LongString.of(b"\x00\x82" + bytes(LONG)) is None, "no length"


@pytest.mark.parametrize("at", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 5])
def test_how_much_two_have_in_common_is_found_to_the_byte(at: int) -> None:
    one = b"x" * (2 * PIECE + 6)
    other = one[:at] + b"y" + one[at + 1 :]
    assert in_common(one, other) == in_common(other, one) == at
    assert in_common(one, one[:at]) == in_common(one[:at], one) == at
    first, second = LongString(memoryview(one)), LongString(memoryview(other))
    assert in_common(first, second) == at
    assert first == one
    assert first == LongString(memoryview(one))
    assert first != second
    assert first != other
    assert first != one + b"x"
    assert first != 5
