"""One RDB value, decoded: what DUMP answers, less its footer, becomes a value of formats/entries.py.

All encodings that Redis 2.6 to 8.6 and Valkey 7.2 to 9 write, and the streams of Redis 8.8 and newer.
Source of the format: rdb.c, rdbSaveObject and rdbLoadObject.
"""

from contextlib import suppress
from struct import error as StructError  # noqa: N812 - an exception's name

from worker.errors import FormatError
from worker.formats.entries import Entry, Opaque, Value
from worker.formats.key_text import key_text
from worker.formats.rdb.codes import BUILT_IN, TYPE_OF, known
from worker.formats.rdb.payload import seal
from worker.formats.rdb.strings import view_string
from worker.formats.rdb.vectors import MODULE_2, name_at
from worker.formats.types import UNKNOWN

STRING = 0
"""The type byte of a string, whichever way it is encoded."""
_KEY_CHARACTERS = 80


def kind_at(data: bytes, pos: int, code: int) -> str:
    """The name of the type of a value at `pos`, behind its type byte. IndexError where that is cut."""
    if code != MODULE_2:
        return TYPE_OF.get(code, UNKNOWN)
    try:
        name = name_at(data, pos)
    except FormatError:
        return TYPE_OF[code]
    return name if name in BUILT_IN else TYPE_OF[code]


def kind_of(payload: bytes) -> str:
    """The name of the type of a payload, which begins with its type byte."""
    try:
        return kind_at(payload, 1, payload[0])
    except IndexError:
        return UNKNOWN


def decode(payload: bytes, rdb_version: int) -> Value:
    """The value of an RDB type byte and RDB value; `rdb_version` is that of the file, or of DUMP's footer.

    A module's value is kept whole, and so is a stream with entries that only Redis 8.8 and newer can express, and a vector
    set that is damaged or of a later kind. Raises FormatError for an unknown type and for damage of any other kind.
    """
    if not payload:
        raise FormatError("The value is empty: not even its type is there, at byte 0.")
    code = payload[0]
    row = known(code, rdb_version)
    if row is None:
        raise FormatError(f"This program does not know the RDB type {code} of version {rdb_version}, at byte 0.")
    if row.read is None:
        return built_in(payload) or Opaque(seal(payload, rdb_version))
    try:
        value, end = row.read(payload, 1)
    except (IndexError, StructError):
        raise _breaks_off(payload) from None
    if end != len(payload):
        raise _goes_on(payload, end)
    return Opaque(seal(payload, rdb_version)) if value is None else value


def built_in(payload: bytes) -> Value | None:
    """The value of a type in BUILT_IN; None for other types, and where it is damaged or of an unknown version."""
    with suppress(FormatError):
        if read := BUILT_IN.get(kind_of(payload)):
            return read(payload)
    return None


def value_of(entry: Entry, rdb_version: int) -> Value:
    """The value of an entry that came with its payload. FormatError says which key it is that cannot be decoded."""
    try:
        return decode(entry.payload or b"", rdb_version)
    except FormatError as error:
        raise FormatError(f"{str(error).rstrip('.')}, in {key_in_words(entry.type, entry.key, entry.db)}.") from None


def key_in_words(kind: str, key: bytes, db: int) -> str:
    """Names a value that is wrong, to be read after "in"."""
    return f"the {kind} {key_text(key)[:_KEY_CHARACTERS]!r} of database {db}"


def view(payload: bytes) -> memoryview:
    """The value of a payload whose type is STRING, without a copy unless it is compressed. Raises FormatError."""
    try:
        value, end = view_string(payload, 1)
    except IndexError:
        raise _breaks_off(payload) from None
    if end != len(payload):
        raise _goes_on(payload, end)
    return value


def _breaks_off(payload: bytes) -> FormatError:
    return FormatError(f"The value breaks off at byte {len(payload)}.")


def _goes_on(payload: bytes, end: int) -> FormatError:
    return FormatError(f"The value ends at byte {end}, and {len(payload) - end} more bytes follow.")
