"""zstd, gzip, none: a table by name. A frame that was cut, changed or prolonged is always an error; that whole frames are
missing at the end is known by the dump, and by the sha256 of the file.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from isal import igzip_lib, isal_zlib

from worker.config.settings import CompressionName, FormatName
from worker.errors import ArtifactError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_LEVEL = 3
GZIP_LEVEL = 2
FRAME_BYTES = 4 << 20
"""Bytes of the dump in each frame of zstd: so much is decompressed for one key, and may have to be fetched. A single frame would
be smaller by half a percent, and has to be read from its beginning.
"""
_SQUEEZERS = 2
PIECE_BYTES = 32 * 1024
"""What is handed on at once, however far a chunk expands: little enough for a server to be asked
for the keys of one piece while the next is being read."""
AHEAD_BYTES = 2 << 20
"""A chunk larger than this is waited for, so that two huge values are never held at once."""

_DAMAGED: Any = (zstd.ZstdError, igzip_lib.IsalError)
_GZIP = 31
"""zlib's window bits for a gzip header and trailer."""


Ended = Callable[[int, int], None]
"""Hears of each frame that ends: how many bytes of the last chunk are behind it, and how many the dump has had by then."""


def unheard(_left: int, _raw: int) -> None:
    """Nobody wants to know."""


class Decompress(Protocol):
    """Yields the dump, in pieces of PIECE_BYTES at the most."""

    def __call__(self, chunks: Iterator[bytes], ended: Ended = unheard) -> Iterator[bytes]:
        """Each chunk is done with before the next is asked for."""
        ...


@dataclass(frozen=True)
class Compression:
    """One way to make chunks smaller and back."""

    name: CompressionName
    suffix: str
    magic: bytes
    compress: Callable[[Iterator[bytes]], Iterator[bytes]]
    decompress: Decompress


def _zstd_compress(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Compress frames side by side: zstd's own threads do no better, and take twice the memory."""
    # Whatever ends this generator waits for the frames at hand, and no thread is left.
    with ThreadPoolExecutor(_SQUEEZERS, "compression") as threads:
        begun: deque[Future[bytes]] = deque()
        for frame in _framed(chunks):
            begun.append(threads.submit(zstd_frame, frame))
            if len(begun) > _SQUEEZERS:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


def _framed(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield what goes into each frame: FRAME_BYTES, but for the last. Of nothing there is one frame, too."""
    held: list[bytes] = []
    room = FRAME_BYTES
    for chunk in chunks:
        if len(chunk) <= room:
            held.append(chunk)
            room -= len(chunk)
            continue
        for piece in _cut(chunk, room):
            if room == 0:
                yield held
                held, room = [], FRAME_BYTES
            held.append(piece)
            room -= len(piece)
    yield held


def _cut(chunk: bytes, first: int) -> Iterator[bytes]:
    """Yield copies of its parts, so that a huge value is not kept for the sake of its end."""
    yield chunk[:first]
    for at in range(first, len(chunk), FRAME_BYTES):
        yield chunk[at : at + FRAME_BYTES]


def zstd_frame(pieces: list[bytes]) -> bytes:
    """One frame of all of these."""
    parameter = zstd.CompressionParameter
    options: dict[int, int] = {parameter.compression_level: ZSTD_LEVEL, parameter.checksum_flag: 1}
    return zstd.compress(b"".join(pieces), options=options)


def _gzip_compress(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Compress on a thread of its own while the next chunk is made: zlib holds no lock of Python's, so two cores work."""
    compressor = isal_zlib.compressobj(GZIP_LEVEL, wbits=_GZIP)
    # Whatever ends this generator waits for the chunk at hand, and no thread is left.
    with ThreadPoolExecutor(1, "compression") as thread:
        before = thread.submit(bytes)
        for chunk in chunks:
            if smaller := before.result():
                yield smaller
            before = thread.submit(compressor.compress, chunk)
            if len(chunk) > AHEAD_BYTES:
                before.result()
        yield before.result()
        yield compressor.flush()


def _zstd_decompress(chunks: Iterator[bytes], ended: Ended = unheard) -> Iterator[bytes]:
    yield from _members("zstd", zstd.ZstdDecompressor, _zstd_pieces, chunks, ended)


def _gzip_decompress(chunks: Iterator[bytes], ended: Ended = unheard) -> Iterator[bytes]:
    yield from _members("gzip", lambda: isal_zlib.decompressobj(wbits=_GZIP), _gzip_pieces, chunks, ended)


def _zstd_pieces(decompressor: Any, chunk: bytes) -> Iterator[bytes]:
    piece = decompressor.decompress(chunk, PIECE_BYTES)
    while piece or not (decompressor.eof or decompressor.needs_input):
        yield piece
        piece = b"" if decompressor.eof or decompressor.needs_input else decompressor.decompress(b"", PIECE_BYTES)


def _gzip_pieces(decompressor: Any, chunk: bytes) -> Iterator[bytes]:
    while piece := decompressor.decompress(chunk, PIECE_BYTES):
        yield piece
        chunk = decompressor.unconsumed_tail


def _members(
    name: str,
    new: Callable[[], Any],
    pieces: Callable[[Any, bytes], Iterator[bytes]],
    chunks: Iterator[bytes],
    ended: Ended,
) -> Iterator[bytes]:
    """Yield what the members (frames) hold, one after the other: both formats may be concatenated."""
    decompressor, begun, raw = new(), False, 0
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                begun = True
                for piece in pieces(decompressor, rest):
                    raw += len(piece)
                    yield piece
                rest = decompressor.unused_data if decompressor.eof else b""
                if decompressor.eof:
                    ended(len(rest), raw)
                    decompressor, begun = new(), False
            # An empty piece for each chunk, so that meters and progress see that a chunk has passed.
            yield b""
    except _DAMAGED as error:
        raise ArtifactError(
            f"The {name} data is damaged: it was changed, or something follows its end ({error})."
        ) from None
    if begun:
        raise ArtifactError(f"The {name} data is cut short.")


def _unchanged(chunks: Iterator[bytes], ended: Ended = unheard) -> Iterator[bytes]:  # noqa: ARG001 - it has no frames
    yield from chunks


COMPRESSIONS: dict[CompressionName, Compression] = {
    "zstd": Compression("zstd", ".zst", b"\x28\xb5\x2f\xfd", _zstd_compress, _zstd_decompress),
    "gzip": Compression("gzip", ".gz", b"\x1f\x8b", _gzip_compress, _gzip_decompress),
    "none": Compression("none", "", b"", _unchanged, _unchanged),
}

DEFAULT_COMPRESSION: dict[FormatName, CompressionName] = {"rdb": "zstd", "json": "gzip"}
"""For rdb the best one for machines; for json the one that everybody's tools open."""


def detect(head: bytes) -> Compression:
    """The compression whose magic number the first bytes are; `none` where they are no magic number."""
    return next(
        (each for each in COMPRESSIONS.values() if each.magic and head.startswith(each.magic)), COMPRESSIONS["none"]
    )
