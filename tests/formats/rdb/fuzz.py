"""A fuzzer of all that reads RDB files and values: `python -m tests.formats.rdb.fuzz CORPUS -runs=N`, libFuzzer's options.

What it is given is a value, or the body of a file with a checksum that is right; only our own refusals may come of it.
"""

import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["worker.formats"]):
    from worker.errors import FormatError
    from worker.formats.rdb import writer
    from worker.formats.rdb.payload import crc64
    from worker.formats.rdb.reader import Reader
    from worker.formats.rdb.reader.census import Census
    from worker.formats.rdb.reader.soundness import check
    from worker.formats.rdb.reader.window import CHECKSUM_BYTES
    from worker.formats.rdb.values import decode, value_of
    from worker.formats.tally import Tally

VERSIONS = (9, 11, 12, 80)


def look(data: bytes) -> None:
    """One example: its first byte says what it stands for."""
    if not data:
        return
    version, rest = VERSIONS[data[0] % len(VERSIONS)], data[1:]
    if data[0] & 0x80:
        _look_at_value(rest, version)
    else:
        _look_at_file(rest, version)


def _look_at_value(payload: bytes, version: int) -> None:
    with suppress(FormatError):
        decode(payload, version)
        check(payload, version)


def _look_at_file(body: bytes, version: int) -> None:
    file = writer.header(version) + body
    file += int(crc64(file)).to_bytes(CHECKSUM_BYTES, "little")
    with suppress(FormatError):
        for batch in Reader(iter([file]), values=True).batches():
            for entry in batch:
                with suppress(FormatError):
                    value_of(entry, version)
    with suppress(FormatError):
        for _ in Census(iter([file]), Tally()).chunks():
            pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, look)
    atheris.Fuzz()
