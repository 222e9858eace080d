"""A server's own file with something of ours in it: an AUX field, which every server reads and passes over."""

from collections.abc import Generator, Iterator

from worker.formats.rdb.payload import crc64
from worker.formats.rdb.reader.opcodes import AUX
from worker.formats.rdb.reader.window import CHECKSUM_BYTES
from worker.formats.rdb.strings import string_of

HEADER_BYTES = 9


def noted(chunks: Iterator[bytes], name: str, value: str) -> Generator[bytes]:
    """Yield the RDB file of these chunks with that field behind its header, and the checksum that is right then.

    Whether its own was right is for whoever reads it before.
    """
    crc, held, begun = 0, b"", False
    for chunk in chunks:
        held += chunk
        if not begun and len(held) >= HEADER_BYTES:
            field = bytes([AUX]) + string_of(name.encode()) + string_of(value.encode())
            held, begun = held[:HEADER_BYTES] + field + held[HEADER_BYTES:], True
        if begun and len(held) > CHECKSUM_BYTES:
            # The last ones may be its own checksum.
            passed, held = held[:-CHECKSUM_BYTES], held[-CHECKSUM_BYTES:]
            crc = crc64(passed, crc)
            yield passed
    yield crc.to_bytes(CHECKSUM_BYTES, "little")
