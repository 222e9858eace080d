"""A stored file, by itself: whether its bytes are those that were written, what a foreign one is, and its rest from any byte."""

import gzip
import io
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.backups import manifest_of
from tests.support.payloads import string
from worker.errors import ArtifactError, FormatError
from worker.formats import portable
from worker.formats.compression import COMPRESSIONS
from worker.formats.encryption import NONE
from worker.formats.rdb.payload import crc64
from worker.progress import silent
from worker.repository import artifact
from worker.repository.manifest import Manifest, Origin

NAME = "redis_backup_20231205_143022.rdb"
BODY = (
    b"REDIS0011"
    + b"\xfe\x00"
    + b"".join(b"\x00" + string(b"key:%d" % number) + string(b"v" * number) for number in range(9))
    + b"\xff"
)
DUMP = BODY + int(crc64(BODY)).to_bytes(8, "little")
DOCUMENT = b'{"format":"redis-backup"'


def written(content: bytes, **changes: Any) -> Manifest:
    return manifest_of(NAME, content).model_copy(update=changes)


def test_the_bytes_that_were_written_are_told_from_all_others() -> None:
    file, passed = io.BytesIO(b"content"), list[tuple[Any, ...]]()
    file.seek(3)
    artifact.check_bytes(file, written(b"content"), lambda *words: passed.append(words))
    assert file.tell() == 0
    assert passed[-1] == ("checking", 7, 7, "bytes")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"conten", f"{NAME} is cut short: 6 bytes and not 7. Use another backup."),
        (b"", f"{NAME} is cut short: 0 bytes and not 7. Use another backup."),
        (b"contents", f"{NAME} is longer than it was: 8 bytes and not 7. Use another backup."),
        (b"CONTENT", f"{NAME} has changed since it was written: its sha256 differs. Use another backup."),
    ],
)
def test_what_is_wrong_with_a_file_is_said(content: bytes, said: str) -> None:
    with pytest.raises(ArtifactError) as raised:
        artifact.check_bytes(io.BytesIO(content), written(b"content"), silent)
    assert (str(raised.value), raised.value.of) == (said, NAME)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize(
    ("dump", "data_format"),
    [
        (DUMP, "rdb"),
        (b"VALKEY080" + b"x" * 99, "rdb"),
        (DOCUMENT, "json"),
        (b"\n \t{}", "json"),
        (b"{" + b" " * 500, "json"),
    ],
    ids=["redis", "valkey", "document", "indented", "long"],
)
def test_a_foreign_file_is_known_by_its_first_bytes(dump: bytes, data_format: str, compression: Any) -> None:
    stored = b"".join(COMPRESSIONS[compression].compress(iter([dump])))
    file = io.BytesIO(stored)
    file.seek(2)
    assert artifact.sniff(file, None) == (data_format, compression)
    assert file.tell() == 0
    found = artifact.foreign(io.BytesIO(stored), NONE, None, silent)
    assert (found.size, found.data_format, found.compression, found.keys) == (
        len(stored),
        data_format,
        compression,
        None,
    )
    assert b"".join(found.dump(found.stored(silent, "reading"), found.allowance)) == dump
    assert b"".join(found.dump(found.stored(silent, "reading"), found.allowance)) == dump, "as often as one likes"


@pytest.mark.parametrize("stored", [b"", gzip.compress(b"", mtime=0)])
def test_nothing_is_no_backup(stored: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"The file is empty\.|The file is neither"):
        artifact.sniff(io.BytesIO(stored), None)


@pytest.mark.parametrize(
    "stored", [b"x", b"REDI", b"<html>", b"[1]", gzip.compress(b"text", mtime=0), b"x" * 500 + b"REDIS"]
)
def test_what_is_neither_is_refused(stored: bytes) -> None:
    with pytest.raises(ArtifactError, match="The file is neither an RDB dump nor a portable JSON backup"):
        artifact.sniff(io.BytesIO(stored), None)


def test_a_foreign_file_that_is_squeezed_is_unpacked_once_to_see_what_it_becomes() -> None:
    damaged = gzip.compress(DUMP)[:-1]
    with pytest.raises(ArtifactError, match="cut short"):
        artifact.foreign(io.BytesIO(damaged), NONE, None, silent)
    assert artifact.foreign(io.BytesIO(DUMP[:-1]), NONE, None, silent).compression == "none"
    with pytest.raises(ArtifactError):
        artifact.foreign(io.BytesIO(gzip.compress(DUMP)), NONE, len(DUMP) - 1, silent)
    assert artifact.foreign(io.BytesIO(gzip.compress(DUMP)), NONE, len(DUMP), silent).most == len(DUMP)


def read(reader: Any) -> list[bytes]:
    return [entry.key for batch in reader.batches() for entry in batch]


def test_what_is_read_whole_is_checked_when_it_has_been_read() -> None:
    manifest = written(DUMP, compression="none")
    with artifact.whole(io.BytesIO(DUMP), manifest, NONE) as reader:
        assert read(reader) == [b"key:%d" % number for number in range(9)]
    with (
        pytest.raises(ArtifactError, match="has changed since it was written"),
        artifact.whole(io.BytesIO(DUMP), manifest.model_copy(update={"sha256": "0" * 64}), NONE) as reader,
    ):
        read(reader)


def test_the_rest_of_a_dump_is_read_from_where_a_batch_ended() -> None:
    sizes = [1 + 6 + 1 + number for number in range(9)]
    manifest = written(DUMP, compression="none", rdb_version=11)
    begin = len(b"REDIS0011\xfe\x00")
    for number, size in enumerate(sizes):
        rest = artifact.resumed(io.BytesIO(DUMP), manifest, NONE, begin)
        assert read(rest) == [b"key:%d" % place for place in range(number, 9)]
        begin += size
    assert read(artifact.resumed(io.BytesIO(DUMP), manifest, NONE, 0)) == [b"key:%d" % number for number in range(9)]


@pytest.mark.parametrize("size", [1, 4, 7, 1000])
def test_what_lies_behind_a_byte_is_the_same_however_it_comes(size: int) -> None:
    for begins_at in range(len(DUMP) + 2):
        chunks = (DUMP[start : start + size] for start in range(0, len(DUMP), size))
        assert b"".join(artifact._behind(chunks, begins_at)) == DUMP[begins_at:]


def test_what_a_dump_holds_is_counted_and_a_broken_one_refused() -> None:
    assert artifact.count(iter([DUMP]), "rdb").keys == 9
    with pytest.raises(FormatError):
        artifact.count(iter([DUMP[:-1]]), "rdb")
    manifest = written(DUMP, compression="none")
    file = io.BytesIO(DUMP)
    file.seek(5)
    artifact.check_end(file, manifest, NONE)
    with pytest.raises(FormatError):
        artifact.check_end(io.BytesIO(DUMP[:-1] + b"x"), manifest, NONE)


@pytest.mark.parametrize(
    ("data_format", "version", "has"), [("rdb", 5, True), ("rdb", 4, False), ("rdb", None, False), ("json", 11, False)]
)
def test_dumps_of_redis_end_with_a_checksum_since_their_fifth_version(
    data_format: Any, version: int | None, has: bool
) -> None:
    assert artifact.has_checksum(data_format, version) == has


def test_a_document_says_when_it_was_made_and_of_whom() -> None:
    at = datetime(2023, 12, 5, 14, 30, 22, tzinfo=UTC)
    assert artifact.header(at, Origin(address="a:1")) == {
        "created_at": "2023-12-05T14:30:22+00:00",
        "source": {"address": "a:1"},
    }
    assert isinstance(artifact.reader(iter([]), "json", values=True), portable.Reader)
