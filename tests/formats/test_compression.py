"""zstd, gzip, none: what was cut, changed or prolonged is an error, and what comes out comes in pieces."""

import gzip
import subprocess
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from worker.config.settings import CompressionName
from worker.errors import ArtifactError, SourceUnavailableError
from worker.formats.compression import AHEAD_BYTES, COMPRESSIONS, PIECE_BYTES, detect

DATA = b"".join(b"%d, " % (number * number) for number in range(300))
SQUEEZING: list[CompressionName] = ["zstd", "gzip"]
NAMES: list[CompressionName] = [*SQUEEZING, "none"]

each = pytest.mark.parametrize("name", NAMES)
each_that_squeezes = pytest.mark.parametrize("name", SQUEEZING)


def compressed(name: CompressionName, *chunks: bytes) -> bytes:
    return b"".join(COMPRESSIONS[name].compress(iter(chunks)))


def decompressed(name: CompressionName, data: bytes, size: int = 1 << 20) -> bytes:
    chunks = (data[start : start + size] for start in range(0, len(data), size))
    return b"".join(COMPRESSIONS[name].decompress(chunks))


@cache
def packed(name: CompressionName) -> bytes:
    return compressed(name, DATA)


@each
@given(chunks=st.lists(st.binary(max_size=200), max_size=8), size=st.integers(1, 300))
def test_what_goes_in_comes_out(name: CompressionName, chunks: list[bytes], size: int) -> None:
    assert decompressed(name, compressed(name, *chunks), size) == b"".join(chunks)


@pytest.mark.slow
@each_that_squeezes
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_cut_at_any_byte_is_an_error(name: CompressionName, size: int) -> None:
    for end in range(1, len(packed(name))):
        with pytest.raises(ArtifactError, match=f"{name} data is cut short"):
            decompressed(name, packed(name)[:end], size)


@each_that_squeezes
def test_a_flipped_bit_is_an_error_or_changes_nothing(name: CompressionName) -> None:
    unnoticed = 0
    for bit in range(8 * len(packed(name))):
        flipped = bytearray(packed(name))
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert decompressed(name, bytes(flipped)) == DATA, f"bit {bit}"
        except ArtifactError:
            continue
        unnoticed += 1
    # The header of gzip has a time, flags and a system that nothing depends on; that of zstd a window and spare bits.
    assert unnoticed <= 80


@each_that_squeezes
@pytest.mark.parametrize("more", [b"\x00", b"x", b"\n", bytes(100), b"garbage" * 1000])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_whatever_follows_the_end_is_an_error(name: CompressionName, more: bytes, size: int) -> None:
    with pytest.raises(ArtifactError):
        decompressed(name, packed(name) + more, size)


@each_that_squeezes
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_frames_one_after_the_other_are_one_stream(name: CompressionName, size: int) -> None:
    twice = packed(name) + compressed(name) + packed(name)
    assert decompressed(name, twice, size) == DATA * 2
    with pytest.raises(ArtifactError, match="cut short"):
        decompressed(name, twice[:-1], size)


def endless() -> Iterator[bytes]:
    while True:
        yield DATA * 100


@each_that_squeezes
def test_no_thread_is_left_of_a_compression_that_was_abandoned(name: CompressionName) -> None:
    before = threading.active_count()
    smaller = COMPRESSIONS[name].compress(endless())
    assert next(piece for piece in smaller if piece)
    del smaller
    assert threading.active_count() == before


@each_that_squeezes
def test_no_thread_is_left_when_the_writer_fails(name: CompressionName) -> None:
    before = threading.active_count()

    def write() -> None:
        for _ in COMPRESSIONS[name].compress(endless()):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert threading.active_count() == before


@each_that_squeezes
def test_what_the_source_raises_comes_through_as_it_was(name: CompressionName) -> None:
    before, gone = threading.active_count(), SourceUnavailableError("gone")

    def chunks() -> Iterator[bytes]:
        yield DATA
        raise gone

    with pytest.raises(SourceUnavailableError) as raised:
        list(COMPRESSIONS[name].compress(chunks()))
    assert raised.value is gone
    assert threading.active_count() == before


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("size", [1, AHEAD_BYTES + 1])
def test_what_the_compressor_raises_comes_through(place: int, size: int) -> None:
    chunks: list[Any] = [bytes(size)] * 3
    chunks[place] = "x" * size
    before = threading.active_count()
    with pytest.raises(TypeError):
        list(COMPRESSIONS["gzip"].compress(iter(chunks)))
    assert threading.active_count() == before


@pytest.mark.parametrize(("size", "waits"), [(AHEAD_BYTES, False), (AHEAD_BYTES + 1, True)])
def test_the_next_chunk_is_made_meanwhile_unless_this_one_is_huge(
    size: int, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, done = threading.Event(), []

    class Slow:
        """Compresses nothing, until it is asked for more or that has not come for a while."""

        def compress(self, chunk: bytes) -> bytes:
            asked.wait(0.2)
            done.append(len(chunk))
            return b""

        def flush(self) -> bytes:
            return b""

    def chunks() -> Iterator[bytes]:
        yield bytes(size)
        assert done == ([size] if waits else [])
        asked.set()
        yield b"more"

    monkeypatch.setattr(isal_zlib, "compressobj", lambda *_, **__: Slow())
    assert list(COMPRESSIONS["gzip"].compress(chunks())) == [b"", b""]
    assert done == [size, 4]


@each_that_squeezes
def test_what_expands_a_thousandfold_comes_in_pieces(name: CompressionName) -> None:
    data = compressed(name, *[bytes(1 << 20)] * 64)
    assert len(data) < 1 << 19
    sizes = [len(piece) for piece in COMPRESSIONS[name].decompress(iter([data]))]
    assert sum(sizes) == 64 << 20
    assert max(sizes) <= PIECE_BYTES


@each
def test_every_chunk_that_is_read_gives_a_piece(name: CompressionName) -> None:
    asked = 0

    def chunks() -> Iterator[bytes]:
        nonlocal asked
        for byte in packed(name) if name != "none" else DATA:
            asked += 1
            yield bytes((byte,))

    pieces = COMPRESSIONS[name].decompress(chunks())
    for number, _ in enumerate(pieces):
        assert asked <= number + 1


@each_that_squeezes
def test_the_usual_tools_open_it(name: CompressionName) -> None:
    if name == "gzip":
        assert gzip.decompress(packed(name)) == DATA
        told = subprocess.run(["gzip", "-dc"], input=packed(name), capture_output=True, check=True).stdout
        assert told == DATA
    else:
        # Magic number of a frame, and the flag for a checksum at its end.
        assert packed(name)[:4] == b"\x28\xb5\x2f\xfd"
        assert packed(name)[4] & 0b100


def test_what_the_usual_tools_write_is_opened() -> None:
    assert decompressed("gzip", gzip.compress(DATA), 10) == DATA
    assert (
        decompressed("gzip", subprocess.run(["gzip", "-9c"], input=DATA, capture_output=True, check=True).stdout)
        == DATA
    )


@each
def test_the_first_bytes_tell_which_it_is(name: CompressionName) -> None:
    assert detect((packed(name) if name != "none" else DATA)[:64]).name == name


@pytest.mark.parametrize("head", [b"", b"\x1f", b"REDIS0011", b"{", b"\x28\xb5\x2f"])
def test_anything_else_is_not_compressed(head: bytes) -> None:
    assert detect(head).name == "none"


@each_that_squeezes
def test_what_is_not_of_this_kind_is_an_error(name: CompressionName) -> None:
    for other in (b"REDIS0011", bytes(100), packed("gzip" if name == "zstd" else "zstd")):
        with pytest.raises(ArtifactError):
            decompressed(name, other)
