"""Where a file ends too early for what it says, and what of a long string is held meanwhile."""

import pytest

from worker.errors import FormatError
from worker.formats.rdb import writer
from worker.formats.rdb.payload import crc64
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.reader.soundness import Examiner
from worker.formats.rdb.strings import read_string

BEGUN = b"\x00\x01k\x40\xff" + b"x" * 20
"""A string of 255 bytes, of which there are twenty."""
LONG = 1 << 16
PLAIN = b"\x80" + LONG.to_bytes(4, "big") + b"x" * LONG
# One x, and what refers to the x before it, over and over: 264 at a time.
PACKED = b"\x00x" + b"\xe0\xff\x00" * (LONG // 264) + b"\x00x" * (LONG % 264 - 1)
LZF = b"\xc3\x80" + len(PACKED).to_bytes(4, "big") + b"\x80" + LONG.to_bytes(4, "big") + PACKED


def file(body: bytes) -> bytes:
    begun = writer.header(12) + body
    return begun + int(crc64(begun)).to_bytes(8, "little")


def test_a_file_whose_checksum_is_right_is_not_called_cut() -> None:
    with pytest.raises(FormatError, match="nothing of it is missing"):
        list(Reader(iter([file(BEGUN)]), values=True).batches())


def test_a_file_that_is_cut_is() -> None:
    with pytest.raises(FormatError, match="cut short"):
        list(Reader(iter([file(BEGUN)[:-1]]), values=True).batches())


def test_of_long_strings_only_those_are_held_in_which_something_can_be_wrong() -> None:
    assert read_string(LZF, 0)[0] == b"x" * LONG
    whole = file(b"\x00\x05plain" + PLAIN + b"\x00\x06packed" + LZF + b"\xff")
    pieces = (whole[start : start + 100] for start in range(0, len(whole), 100))
    found = {entry.key: entry.payload for batch in Examiner(pieces).batches() for entry in batch}
    assert found == {b"plain": None, b"packed": b"\x00" + LZF}
