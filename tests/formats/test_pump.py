"""A library that reads a file and writes another, as a generator: whatever either end does, neither waits for ever."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from worker.formats.encryption.pump import PIECE_BYTES, Work, pumped

CHUNKS = (b"abc", b"", b"defg", b"h")


def copying(size: int) -> Work:
    """A library that copies what it reads, and reads once more than it would have to."""

    def work(source: Any, sink: Any) -> None:
        while piece := source.read(size):
            assert sink.write(piece) == len(piece)
            sink.flush()
        assert source.read(size) == b""
        sink.write(b".")

    return work


def drained(work: Work, chunks: Iterator[bytes]) -> list[bytes]:
    """All that it yields. Raises what it raises."""
    made: list[bytes] = []
    failed: list[BaseException] = []

    def drain() -> None:
        try:
            made.extend(pumped(work, chunks))
        except BaseException as error:
            failed.append(error)

    within(drain)
    if failed:
        raise failed[0]
    return made


def within(act: Callable[[], object]) -> None:
    """Do it beside us: one that waits for ever fails the test, and goes with this process."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "it waits for ever"


def at_work() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "encryption"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100, -1])
def test_what_goes_in_comes_out_however_it_is_read(size: int) -> None:
    assert b"".join(drained(copying(size), iter(CHUNKS))) == b"abcdefgh."
    assert b"".join(drained(copying(size), iter(()))) == b"."
    assert at_work() == []


def test_what_is_made_of_a_chunk_comes_out_before_the_next_one_goes_in() -> None:
    asked: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        for chunk in (b"a", b"b", b"c"):
            asked.append(chunk)
            yield chunk

    def steps() -> None:
        pump = pumped(copying(100), chunks())
        seen.extend((next(pump), len(asked)) for _ in range(5))
        pump.close()

    seen: list[tuple[bytes, int]] = []
    within(steps)
    assert seen == [(b"", 1), (b"a", 2), (b"b", 3), (b"c", 3), (b".", 3)]
    assert at_work() == []


@pytest.mark.parametrize(
    ("size", "pieces"),
    [(PIECE_BYTES, [PIECE_BYTES]), (PIECE_BYTES + 1, [PIECE_BYTES, 1]), (2 * PIECE_BYTES, [PIECE_BYTES] * 2)],
)
def test_a_large_chunk_goes_in_by_pieces(size: int, pieces: list[int]) -> None:
    read: list[int] = []

    def work(source: Any, _: Any) -> None:
        while piece := source.read():
            read.append(len(piece))

    assert b"".join(drained(work, iter([bytes(size)]))) == b""
    assert read == pieces


def test_a_library_that_ends_before_its_input_does_is_given_all_of_it() -> None:
    def work(source: Any, sink: Any) -> None:
        sink.write(source.read(2))

    left = iter(CHUNKS)
    assert b"".join(drained(work, left)) == b"ab"
    assert [*left] == []


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_what_the_library_raises_is_raised_here_and_its_thread_is_gone(after: int) -> None:
    def work(source: Any, sink: Any) -> None:
        for _ in range(after):
            sink.write(source.read(3))
        raise ValueError("It is damaged.")

    with pytest.raises(ValueError, match="It is damaged"):
        drained(work, iter(CHUNKS))
    assert at_work() == []


def test_what_the_chunks_raise_ends_the_library_as_well() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"abc"
        raise OSError("The line is cut.")

    with pytest.raises(OSError, match="The line is cut"):
        drained(copying(2), chunks())
    assert at_work() == []


@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_who_wants_no_more_leaves_no_thread(taken: int) -> None:
    def leave() -> None:
        pump = pumped(copying(2), iter(CHUNKS))
        for _ in range(taken):
            next(pump)
        pump.close()

    within(leave)
    assert at_work() == []
