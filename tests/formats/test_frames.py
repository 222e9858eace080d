"""A file in frames: each of them opens by itself, whatever the reader's pieces, and says what its bytes were."""

import hashlib
import io
import random
from collections.abc import Iterator

import pytest

from worker.config.settings import CompressionName
from worker.formats.compression import COMPRESSIONS, FRAME_BYTES
from worker.formats.frames import LEAST_BYTES, Frames
from worker.storage import chunks_of

DATA = random.Random(7).randbytes(2 * FRAME_BYTES + 12345)  # noqa: S311


def compressed(name: CompressionName, *chunks: bytes) -> bytes:
    return b"".join(COMPRESSIONS[name].compress(iter(chunks)))


def learnt(name: CompressionName, packed: bytes, size: int = 1 << 18) -> Frames:
    frames = Frames(io.BytesIO(packed))

    def chunks() -> Iterator[bytes]:
        while chunk := frames.read(size):
            yield chunk

    for _ in COMPRESSIONS[name].decompress(chunks(), frames.ended):
        pass
    return frames


@pytest.mark.parametrize("chunk", [1000, FRAME_BYTES, FRAME_BYTES + 1, len(DATA)])
@pytest.mark.parametrize("piece", [65_537, 1 << 18, 64 << 20])
def test_what_we_write_is_in_frames_that_open_by_themselves(chunk: int, piece: int) -> None:
    packed = compressed("zstd", *(DATA[at : at + chunk] for at in range(0, len(DATA), chunk)))
    frames = learnt("zstd", packed, piece).all()
    assert [frame.raw_at for frame in frames] == [0, FRAME_BYTES, 2 * FRAME_BYTES]
    assert [frame.is_last for frame in frames] == [False, False, True]
    assert (frames[0].at, sum(frame.size for frame in frames)) == (0, len(packed))
    for frame in frames:
        stored = packed[frame.at : frame.at + frame.size]
        assert hashlib.sha256(stored).digest() == frame.sha256
        raw = b"".join(COMPRESSIONS["zstd"].decompress(iter([stored])))
        assert raw == DATA[frame.raw_at : frame.raw_at + FRAME_BYTES]


@pytest.mark.parametrize("name", ["zstd", "gzip"])
def test_small_frames_are_taken_together(name: CompressionName) -> None:
    size = LEAST_BYTES // 3
    packed = b"".join(compressed(name, DATA[at : at + size]) for at in range(0, 7 * size, size))
    frames = learnt(name, packed).all()
    assert [frame.raw_at for frame in frames] == [0, 4 * size]
    assert sum(frame.size for frame in frames) == len(packed)
    last = b"".join(COMPRESSIONS[name].decompress(iter([packed[frames[1].at :]])))
    assert last == DATA[4 * size : 7 * size]
    assert hashlib.sha256(packed[frames[1].at :]).digest() == frames[1].sha256


@pytest.mark.parametrize("name", ["zstd", "gzip", "none"])
def test_a_small_file_has_one_frame_or_none(name: CompressionName) -> None:
    assert learnt(name, compressed(name, DATA[:1000])).all() == []


def test_nothing_is_a_frame_as_well() -> None:
    packed = compressed("zstd")
    assert b"".join(COMPRESSIONS["zstd"].decompress(chunks_of(io.BytesIO(packed)))) == b""
