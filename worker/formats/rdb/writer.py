"""The server's own file, written: an RDB dump put together from payloads.

Source of the format: rdb.c of Redis (rdbSaveRio) and of Valkey 9.
"""

from collections.abc import Generator, Iterator
from itertools import chain
from struct import Struct

from worker.errors import FormatError
from worker.formats.entries import EntryStream
from worker.formats.rdb.codes import FIRST_VALKEY_VERSION
from worker.formats.rdb.payload import crc64
from worker.formats.rdb.reader.opcodes import AUX, END, EXPIRE_MS, FUNCTION, SELECT_DB
from worker.formats.rdb.reader.window import CHECKSUM_BYTES
from worker.formats.rdb.strings import length_of, string_of

_PIECE_BYTES = 1 << 20
_pack_i64 = Struct("<q").pack
_AUX, _END, _EXPIRE_MS, _FUNCTION, _SELECT_DB = (bytes([code]) for code in (AUX, END, EXPIRE_MS, FUNCTION, SELECT_DB))
_SHORT = [bytes([size]) for size in range(0x40)]


def write(stream: EntryStream, facts: dict[str, str]) -> Generator[bytes]:
    """Yield an RDB file of the stream's own version; every entry must have a payload. `facts` become AUX fields."""
    crc = 0
    for chunk in _body(stream, facts):
        crc = crc64(chunk, crc)
        yield chunk
    yield crc.to_bytes(CHECKSUM_BYTES, "little")


def _body(stream: EntryStream, facts: dict[str, str]) -> Iterator[bytes]:
    batches = stream.batches()
    first = next(batches, [])
    aux = [_AUX + string_of(name.encode()) + string_of(value.encode()) for name, value in facts.items()]
    yield header(stream.rdb_version) + b"".join(aux)
    db = None
    for batch in chain([first], batches):
        parts: list[bytes] = []
        for its_db, key, expires_at, _, value, *_ in batch:
            if its_db != db:
                db = its_db
                parts.append(_SELECT_DB + length_of(db))
            if expires_at is not None:
                parts += (_EXPIRE_MS, _pack_i64(expires_at))
            payload = value or b""
            size = len(key)
            # Most keys are short: for those a call of length_of would cost as much as all the rest.
            parts += (payload[:1], _SHORT[size] if size < 0x40 else length_of(size), key)
            if len(payload) <= _PIECE_BYTES:
                parts.append(payload[1:])
                continue
            # A large value goes in pieces, so that neither it nor its compressed form is held twice.
            yield b"".join(parts)
            parts.clear()
            for start in range(1, len(payload), _PIECE_BYTES):
                yield payload[start : start + _PIECE_BYTES]
        yield b"".join(parts)
    yield b"".join(_FUNCTION + string_of(library) for library in stream.libraries) + _END


def header(version: int | None) -> bytes:
    """How an RDB file of that version begins. FormatError where there is none."""
    if version is None:
        raise FormatError("An RDB file can only be written from a server's own payloads.")
    return b"VALKEY%03d" % version if version >= FIRST_VALKEY_VERSION else b"REDIS%04d" % version
