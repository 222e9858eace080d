"""What an undo holds at once is bounded: in keys, in bytes, and to one database; and what waits on disk is what went there."""

from collections.abc import Iterator

import pytest

from worker.formats.entries import Entry
from worker.restore.undo.merge import CHUNK_BYTES, CHUNK_KEYS, Pair, chunks
from worker.restore.undo.spool import PIECE_BYTES, Aside


def pair(
    number: int, db: int = 0, before: int | None = None, wrote: int | None = None, aside: int | None = None
) -> Pair:
    """One with values of so many bytes; None where there is none."""
    key = b"key:%d" % number
    there, sent = (None if size is None else Entry(db, key, None, "string", bytes(size)) for size in (before, wrote))
    return Pair(db, key, there, sent, None if aside is None else Aside(bytes(aside)))


def sizes(pairs: list[Pair]) -> list[int]:
    return [len(chunk) for chunk in chunks(iter(pairs))]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (0, []),
        (1, [1]),
        (CHUNK_KEYS - 1, [CHUNK_KEYS - 1]),
        (CHUNK_KEYS, [CHUNK_KEYS]),
        (CHUNK_KEYS + 1, [CHUNK_KEYS, 1]),
        (3 * CHUNK_KEYS, [CHUNK_KEYS] * 3),
    ],
)
def test_a_chunk_has_no_more_keys(keys: int, expected: list[int]) -> None:
    assert sizes([pair(number, wrote=0) for number in range(keys)]) == expected


def test_a_chunk_is_of_one_database() -> None:
    pairs = [pair(number, db) for number, db in enumerate((0, 0, 1, 1, 1, 2, 0))]
    assert sizes(pairs) == [2, 3, 1, 1]
    assert [one for chunk in chunks(iter(pairs)) for one in chunk] == pairs


@pytest.mark.parametrize("place", ["before", "wrote", "aside"])
def test_a_chunk_ends_with_the_byte_that_fills_it_whatever_holds_that(place: str) -> None:
    almost, rest = pair(0, **{place: CHUNK_BYTES - 1}), [pair(1, wrote=1), pair(2, wrote=1)]
    assert sizes([almost, *rest]) == [2, 1]
    assert sizes([pair(0, **{place: CHUNK_BYTES}), *rest]) == [1, 2]
    assert sizes([pair(0, before=CHUNK_BYTES // 2, wrote=CHUNK_BYTES // 2), *rest]) == [1, 2]
    assert sizes([almost, pair(1), *rest]) == [3, 1], "a key without a value takes no room"


def test_a_chunk_that_is_full_does_not_wait_for_the_next_key() -> None:
    def endless() -> Iterator[Pair]:
        yield pair(0, wrote=CHUNK_BYTES)
        raise AssertionError("The next one may be huge.")

    assert len(next(chunks(endless()))) == 1


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES])
def test_what_is_set_aside_comes_back_and_is_told_from_all_else(size: int) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    aside = Aside(payload)
    assert aside.size == size
    for _ in range(2):
        assert aside.payload() == payload
        assert aside.equals(payload)
    assert not aside.equals(payload + b"x")
    for at in {0, size // 2, size - 1} if size else ():
        other = bytearray(payload)
        other[at] ^= 1
        assert not aside.equals(bytes(other))
        assert not aside.equals(payload[:at])
