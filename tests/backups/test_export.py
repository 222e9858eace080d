"""A backup is given out as a document, which overwrites nothing and can be taken in again."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from tests.backups.given import DUMP, ENTRIES, NAME, flip, stored
from tests.conftest import StartServer
from tests.formats.rdb import files as rdb
from tests.support.backups import Given, bring_back, files, fill_all, settings_for, take, wipe
from tests.support.payloads import string
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments
from worker.backups.adopt import adopt
from worker.backups.export import export
from worker.config.settings import Settings
from worker.errors import ArtifactError, FormatError, NotFoundError, UsageError
from worker.formats.compression import COMPRESSIONS
from worker.formats.entries import Entry
from worker.formats.rdb.writer import write
from worker.progress import silent


@pytest.fixture
def filled(newest: Binary, start_server: StartServer) -> Server:
    return fill_all(start_server(newest))


@pytest.mark.parametrize("out", ["copy.json", "copy.json.gz", "copy.json.zst"])
@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_a_backup_is_given_out_as_one_json_document(
    data_format: str, out: str, filled: Server, storage: Path, tmp_path: Path
) -> None:
    settings = settings_for(filled, storage)
    manifest = take(filled, storage, format=data_format)
    result = export(settings, manifest["name"], tmp_path / out, silent)
    content = (tmp_path / out).read_bytes()
    assert (result["keys"], result["bytes"]) == (manifest["keys"], len(content))
    document = json.loads(opened(tmp_path / out))
    keys = {(row["db"], row["key"]) for row in document["keys"] if isinstance(row["key"], str)}
    assert len(document["keys"]) == document["count"] == manifest["keys"]
    assert {(0, "text"), (3, "hash:big"), (0, "")} <= keys
    assert len(document["functions"]) == manifest["functions"]
    times = {row["key"]: row["expires_at"] for row in document["keys"] if "expires_at" in row and row["db"] == 0}
    assert set(times) == {"ttl:ms", "ttl:years", "hash:big"}


def opened(path: Path) -> bytes:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return b"".join(COMPRESSIONS["zstd"].decompress(iter([path.read_bytes()])))
    return path.read_bytes()


@pytest.mark.parametrize("name", rdb.NAMES)
def test_any_rdb_file_is_given_out_and_what_comes_out_is_taken_in(
    name: str, settings: Settings, tmp_path: Path
) -> None:
    path, out = tmp_path / "dump.rdb", tmp_path / "copy.json.gz"
    path.write_bytes(rdb.data(name))
    expected = rdb.expected(name)
    assert export(settings, str(path), out, silent)["keys"] == len(expected)
    document = json.loads(opened(out))
    assert sorted((row["db"], row["type"]) for row in document["keys"]) == sorted(
        (one.db, one.type) for one in expected
    )
    assert adopt(settings, AdoptArguments(file=out), silent)["keys"] == len(expected)


@pytest.mark.slow
def test_a_document_given_out_restores_to_the_same_data(source: Server, storage: Path, tmp_path: Path) -> None:
    before = state(fill_all(source), times=False)
    settings = settings_for(source, storage)
    export(settings, take(source, storage)["name"], tmp_path / "copy.json.gz", silent)
    shutil.rmtree(storage)
    adopt(settings, AdoptArguments(file=tmp_path / "copy.json.gz"), silent)
    wipe(source)
    bring_back(source, storage)
    assert_same(source, before)


def test_nothing_is_ever_overwritten(settings: Settings, storage: Path, tmp_path: Path) -> None:
    stored(storage, DUMP)
    out = tmp_path / "copy.json"
    out.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        export(settings, NAME, out, silent)
    assert out.read_text() == "mine"


def test_the_default_is_a_gzip_file_here(
    settings: Settings, storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(storage, DUMP)
    monkeypatch.chdir(tmp_path)
    assert export(settings, "latest", None, silent)["file"] == "redis_backup_20231205_143022.json.gz"
    assert json.loads(opened(tmp_path / "redis_backup_20231205_143022.json.gz"))["count"] == len(ENTRIES)


def test_standard_output_takes_the_plain_document(
    settings: Settings, storage: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stored(storage, DUMP)
    assert export(settings, NAME, Path("-"), silent)["file"] == "-"
    written = next(part for part in [capfdbinary.readouterr().out] if part)
    assert len(json.loads(written)["keys"]) == len(ENTRIES)


BAD = {"cut": DUMP[:-20], "changed": DUMP[:60] + b"\xff" + DUMP[61:], "foreign": b"hello", "empty": b""}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_file_that_is_broken_gives_no_document(content: bytes, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "dump.rdb"
    path.write_bytes(content)
    with pytest.raises(ArtifactError):
        export(settings, str(path), tmp_path / "copy.json", silent)
    assert files(tmp_path) == ["dump.rdb"]


def test_a_backup_that_is_broken_gives_no_document(settings: Settings, storage: Path, tmp_path: Path) -> None:
    stored(storage, DUMP)
    flip(storage / NAME)
    with pytest.raises(ArtifactError, match="has changed"):
        export(settings, NAME, tmp_path / "copy.json", silent)
    assert files(tmp_path) == ["storage"]


@pytest.mark.parametrize("name", ["nonsense", "redis_backup_20010101_000000.rdb", "latest"])
def test_what_is_not_there_cannot_be_given_out(name: str, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no backup"):
        export(settings, name, tmp_path / "copy.json", silent)
    assert files(tmp_path) == []


def test_a_value_that_cannot_be_decoded_names_its_key(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "dump.rdb"
    bad = Entry(4, b"odd", None, "set", b"\x0b" + string(b"no intset"))
    path.write_bytes(b"".join(write(Given([*ENTRIES, bad], rdb_version=9), {})))
    with pytest.raises(FormatError, match="'odd' in database 4"):
        export(settings, str(path), tmp_path / "copy.json", silent)
    assert files(tmp_path) == ["dump.rdb"]
