"""Backups looked at, taken in and given out: verify, adopt, export."""

import gzip
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.formats.rdb import files as rdb
from tests.support.backups import (
    ANYWHERE,
    Given,
    bring_back,
    eventually,
    files,
    fill_all,
    killed,
    manifest_of,
    settings_for,
    take,
    wipe,
)
from tests.support.payloads import string
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments, PruneArguments, VerifyArguments
from worker.backups.adopt import adopt
from worker.backups.export import export
from worker.backups.prune import prune
from worker.backups.verify import verify
from worker.config.settings import CompressionName, Settings
from worker.errors import ArtifactError, BackupSystemError, FormatError, NotFoundError, UsageError
from worker.formats.compression import COMPRESSIONS
from worker.formats.entries import Entry
from worker.formats.portable import document as portable
from worker.formats.rdb.writer import write
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX, Size, to_json
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"
ENTRIES = [Entry(0, b"k%d" % number, None, "string", b"\x00" + string(b"value")) for number in range(20)]
DUMP = b"".join(write(Given(ENTRIES, rdb_version=9), {"redis-ver": "6.2.0"}))


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def settings(storage: Path) -> Settings:
    return Settings(backup_storage=str(storage))


def squeezed(name: CompressionName, data: bytes) -> bytes:
    return b"".join(COMPRESSIONS[name].compress(iter([data])))


def stored(storage: Path, content: bytes, **changes: Any) -> None:
    """A backup whose manifest fits its bytes, but for these changes."""
    manifest = manifest_of(NAME, content).model_copy(
        update={"keys": len(ENTRIES), "keys_by_db": {0: {"string": len(ENTRIES)}}, **changes}
    )
    Folder(storage).put(NAME, content)
    Folder(storage).put(NAME + MANIFEST_SUFFIX, to_json(manifest))


def checked(settings: Settings, name: str = NAME) -> dict[str, Any]:
    return verify(settings, VerifyArguments(name=name), silent)


# verify


@pytest.mark.parametrize("engine", ["replication", "scan", "typed"])
def test_a_good_backup_passes_and_the_time_is_noted(engine: str, source: Server, storage: Path) -> None:
    settings = settings_for(fill_all(source), storage)
    manifest = take(source, storage, engine=engine, format="json" if engine == "typed" else "rdb")
    assert manifest["verified_at"] is None
    report = checked(settings, "latest")
    assert (report["name"], report["keys"], report["sha256"]) == (
        manifest["name"],
        manifest["keys"],
        manifest["sha256"],
    )
    assert catalogue.get(Folder(storage), "latest", ANYWHERE).verified_at is not None
    assert len(files(storage)) == 3


def overwrite(content: bytes) -> Callable[[Path], object]:
    return lambda artifact: artifact.write_bytes(content)


def flip(artifact: Path) -> None:
    data = bytearray(artifact.read_bytes())
    data[len(data) // 2] ^= 64
    artifact.write_bytes(data)


DAMAGED: dict[str, tuple[Callable[[Path], object], type[BackupSystemError], str]] = {
    "missing": (os.unlink, NotFoundError, "."),
    "empty": (overwrite(b""), ArtifactError, "cut short"),
    "short": (overwrite(DUMP[:-1]), ArtifactError, "cut short"),
    "changed": (flip, ArtifactError, "has changed"),
    "extra": (overwrite(DUMP + b"\x00"), ArtifactError, "longer than it was"),
}


@pytest.mark.parametrize(("damage", "error", "words"), DAMAGED.values(), ids=DAMAGED)
def test_what_is_wrong_with_the_bytes_is_named(
    damage: Callable[[Path], object], error: type[BackupSystemError], words: str, settings: Settings, storage: Path
) -> None:
    stored(storage, DUMP)
    assert checked(settings)["keys"] == len(ENTRIES)
    before = catalogue.get(Folder(storage), NAME, ANYWHERE)
    damage(storage / NAME)
    with pytest.raises(error, match=words) as caught:
        checked(settings)
    assert NAME in str(caught.value)
    assert catalogue.get(Folder(storage), NAME, ANYWHERE) == before


FOREIGN: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "another kind of file": (b"\x89PNG\r\n\x1a\n" + bytes(200), {}, "no RDB file"),
    "cut before it was described": (DUMP[:-30], {}, "cut short"),
    "followed by more": (DUMP + b"more", {}, "4 bytes follow its end"),
    "of another compression": (DUMP, {"compression": "zstd"}, "damaged"),
    "compressed and not said": (squeezed("gzip", DUMP), {}, "no RDB file"),
    "cut and compressed": (
        squeezed("zstd", DUMP)[:-5],
        {"compression": "zstd", "bytes": Size(raw=9999, stored=0)},
        "cut short",
    ),
    "of another number of keys": (DUMP, {"keys": 21, "keys_by_db": {0: {"string": 21}}}, "holds 20 keys where"),
    "of keys of another type": (DUMP, {"keys_by_db": {0: {"list": 20}}}, "not its own"),
    "of keys in another database": (DUMP, {"keys_by_db": {1: {"string": 20}}}, "not its own"),
    "said to be json": (DUMP, {"data_format": "json"}, "JSON"),
}


@pytest.mark.parametrize(("content", "changes", "words"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_not_what_its_manifest_says_is_named(
    content: bytes, changes: dict[str, Any], words: str, settings: Settings, storage: Path
) -> None:
    if "bytes" in changes:
        changes = {**changes, "bytes": Size(raw=changes["bytes"].raw, stored=len(content))}
    stored(storage, content, **changes)
    with pytest.raises(ArtifactError, match=words):
        checked(settings)
    assert catalogue.get(Folder(storage), NAME, ANYWHERE).verified_at is None


def test_a_dump_larger_than_its_manifest_says_is_not_read_to_its_end(settings: Settings, storage: Path) -> None:
    content = squeezed("zstd", bytes(50 << 20))
    stored(storage, content, compression="zstd")
    with pytest.raises(ArtifactError):
        checked(settings)


# adopt


@pytest.mark.parametrize("name", rdb.NAMES)
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_an_rdb_file_of_any_server_is_taken_in(
    name: str, compression: CompressionName, settings: Settings, storage: Path, tmp_path: Path
) -> None:
    suffix = COMPRESSIONS[compression].suffix
    path = tmp_path / f"dump.rdb{suffix}"
    path.write_bytes(squeezed(compression, rdb.data(name)))
    manifest = adopt(settings, AdoptArguments(file=path), silent)
    expected = rdb.expected(name)
    assert (manifest["kind"], manifest["pinned"], manifest["keys"]) == ("adopted", True, len(expected))
    assert manifest["expiring"] == sum(one.expires_at is not None for one in expected)
    assert set(manifest["keys_by_db"]) == {"0", "3"}
    assert manifest["name"].endswith(suffix or ".zst")
    assert manifest["bytes"]["raw"] == len(rdb.data(name))
    if name != "redis-2.8.17":
        assert manifest["source"]["version"] == name.removeprefix("redis-")
    assert checked(settings, manifest["name"])["keys"] == len(expected)
    content = (storage / manifest["name"]).read_bytes()
    assert b"".join(COMPRESSIONS[manifest["compression"]].decompress(iter([content]))) == rdb.data(name)
    if compression != "none":
        assert content == path.read_bytes()


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_portable_document_is_taken_in_and_restored(
    compression: CompressionName, newest: Binary, start_server: StartServer, storage: Path, tmp_path: Path
) -> None:
    source = start_server(newest)
    before = state(fill_all(source), times=False)
    original = take(source, tmp_path / "elsewhere", format="json", compression=compression)
    manifest = adopt(
        settings_for(source, storage), AdoptArguments(file=tmp_path / "elsewhere" / original["name"]), silent
    )
    assert (manifest["data_format"], manifest["keys_by_db"]) == ("json", original["keys_by_db"])
    assert manifest["functions"] == original["functions"]
    wipe(source)
    assert bring_back(source, storage)["restored"] == original["keys"]
    assert_same(source, before)


def test_a_real_servers_own_dump_is_taken_in_and_restored(source: Server, storage: Path) -> None:
    before = state(fill_all(source))
    source.client().save()
    manifest = adopt(settings_for(source, storage), AdoptArguments(file=source.folder / "dump.rdb"), silent)
    saved_at = source.client().lastsave().astimezone()
    assert abs(catalogue.get(Folder(storage), "latest", ANYWHERE).age_seconds(saved_at)) < 5
    wipe(source)
    bring_back(source, storage, manifest["name"])
    assert_same(source, before)


def test_what_was_adopted_is_pinned_and_survives_every_prune(source: Server, storage: Path) -> None:
    settings = settings_for(source, storage)
    names = []
    for name in rdb.NAMES[:3]:
        path = storage.parent / f"{name}.rdb"
        path.write_bytes(rdb.data(name))
        names.append(adopt(settings, AdoptArguments(file=path), silent)["name"])
    source.client().set("k", "v")
    taken = [take(source, storage)["name"] for _ in range(3)]
    result = prune(settings, PruneArguments(keep=1), silent)
    assert [one["name"] for one in result["deleted"]] == taken[1::-1]
    listed = [manifest.name for manifest in catalogue.read(Folder(storage)).backups]
    assert sorted(listed) == sorted([*names, taken[2]])


def test_two_files_of_one_moment_are_both_taken_in(settings: Settings, storage: Path, tmp_path: Path) -> None:
    path = tmp_path / "dump.rdb"
    path.write_bytes(DUMP)
    assert (
        adopt(settings, AdoptArguments(file=path), silent)["name"]
        != adopt(settings, AdoptArguments(file=path), silent)["name"]
    )
    assert len(catalogue.read(Folder(storage)).backups) == 2


DOCUMENT = b"".join(portable.write(Given(ENTRIES, rdb_version=9), {}))
UNKNOWN = DUMP[:9] + b"\xfe\x00\xc8\x01k" + bytes(50) + b"\xff" + bytes(8)
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "one byte": (b"R", "neither"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(200), "neither"),
    "an AOF": (b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n", "neither"),
    "another JSON": (b'{"keys": []}\n', "JSON"),
    "a type to come": (UNKNOWN, "RDB type 200, which this program does not know"),
    "rdb and more": (DUMP + b"\x00", "1 byte follows its end"),
    "json and more": (DOCUMENT + b"x", "follows the end"),
    "gzip and more": (squeezed("gzip", DUMP) + b"x", "."),
    "zstd and more": (squeezed("zstd", DUMP) + b"x", "."),
    "gzip of nothing": (squeezed("gzip", b""), "."),
    "zstd of nothing": (squeezed("zstd", b""), "."),
    "gzip of a picture": (squeezed("gzip", b"\x89PNG\r\n\x1a\n" + bytes(200)), "neither"),
    "gzip of gzip": (squeezed("gzip", squeezed("gzip", DUMP)), "neither"),
    "a header alone": (b"REDIS0009", "cut short"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_a_backup_is_refused_and_leaves_nothing(
    content: bytes, words: str, settings: Settings, storage: Path, tmp_path: Path
) -> None:
    path = tmp_path / "dump.rdb"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=words) as caught:
        adopt(settings, AdoptArguments(file=path), silent)
    assert str(caught.value).endswith(".")
    assert files(storage) == []
    assert path.read_bytes() == content


WHOLE: dict[str, bytes] = {
    "rdb": DUMP,
    "json": DOCUMENT,
    "rdb.gz": squeezed("gzip", DUMP),
    "json.zst": squeezed("zstd", DOCUMENT),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_a_file_cut_anywhere_is_refused_and_leaves_nothing(
    content: bytes, settings: Settings, storage: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut"
    for end in range(0, len(content), 3):
        path.write_bytes(content[:end])
        with pytest.raises(ArtifactError):
            adopt(settings, AdoptArguments(file=path), silent)
        assert files(storage) == []


@pytest.mark.parametrize("name", ["rdb", "rdb.gz", "json.zst"])
def test_a_flipped_file_is_refused_or_means_the_same(
    name: str, settings: Settings, storage: Path, tmp_path: Path
) -> None:
    path = tmp_path / "flipped"
    for place in range(0, len(WHOLE[name]), 5):
        data = bytearray(WHOLE[name])
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        try:
            manifest = adopt(settings, AdoptArguments(file=path), silent)
        except ArtifactError:
            assert files(storage) == []
            continue
        # In the header of gzip and zstd, and where a byte is filled up, there are bits that nothing depends on.
        assert name != "rdb"
        stored_chunks = iter([(storage / manifest["name"]).read_bytes()])
        held = b"".join(COMPRESSIONS[manifest["compression"]].decompress(stored_chunks))
        assert held == (DUMP if name == "rdb.gz" else DOCUMENT)
        shutil.rmtree(storage)


def test_a_file_that_is_not_there_or_is_a_folder_is_said(settings: Settings, storage: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no file"):
        adopt(settings, AdoptArguments(file=tmp_path / "missing.rdb"), silent)
    with pytest.raises(ArtifactError, match="cannot be read"):
        adopt(settings, AdoptArguments(file=tmp_path), silent)
    assert files(storage) == []


def zeros(gigabytes: float) -> Iterator[bytes]:
    return iter([bytes(1 << 20)] * int(gigabytes * 1024))


def quote(gigabytes: float) -> Iterator[bytes]:
    """A document with one key that does not end."""
    yield DOCUMENT.partition(b"\n")[0] + b'\n{"db":0,"key":"'
    yield from [b"x" * (1 << 20)] * int(gigabytes * 1024)


def one_string(gigabytes: float) -> Iterator[bytes]:
    """An RDB file with one key of so many bytes, which ends there."""
    yield DUMP[:9] + b"\xfe\x00\x00\x01k\x81" + int(gigabytes * (1 << 30)).to_bytes(8, "big")
    yield from zeros(gigabytes)


def one_key(gigabytes: float) -> Iterator[bytes]:
    """An RDB file whose only key has a name of so many bytes."""
    yield DUMP[:9] + b"\xfe\x00\x00\x81" + int(gigabytes * (1 << 30)).to_bytes(8, "big")
    yield from zeros(gigabytes)


# What is held whole is bounded by what a server can hold: a key of 512 MB, and a line of 1 GiB in the portable format.
BOMBS = [
    pytest.param("zstd", zeros, 100 << 20, id="zeros of zstd"),
    pytest.param("gzip", zeros, 100 << 20, id="zeros of gzip"),
    pytest.param("zstd", one_string, 100 << 20, id="one string"),
    pytest.param("zstd", one_key, 1536 << 20, id="one key", marks=pytest.mark.slow),
    pytest.param("zstd", quote, 1536 << 20, id="a line without end", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("compression", "bomb", "bound"), BOMBS)
def test_a_bomb_is_refused_within_bounded_memory_and_leaves_nothing(
    compression: CompressionName,
    bomb: Callable[[float], Iterator[bytes]],
    bound: int,
    settings: Settings,
    tmp_path: Path,
) -> None:
    path, said = tmp_path / "bomb", tmp_path / "said"
    with path.open("wb") as file:
        file.writelines(COMPRESSIONS[compression].compress(bomb(1.1)))
    assert path.stat().st_size < 10 << 20

    def work() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            adopt(settings, AdoptArguments(file=path), silent)
        except ArtifactError as error:
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            said.write_text(json.dumps([str(error), grown * 1024]))

    assert not killed(work)
    words, grown = json.loads(said.read_text())
    assert words
    assert grown < bound
    assert files(tmp_path / "backups") == []


# export


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
    assert files(tmp_path) == ["backups"]


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


def test_a_backup_in_the_future_is_kept_and_pushes_out_nothing(settings: Settings, storage: Path) -> None:
    for name in (NAME, "redis_backup_20231204_143022.rdb", "redis_backup_20991231_235959.rdb"):
        Folder(storage).put(name, DUMP)
        catalogue.add(Folder(storage), manifest_of(name, DUMP))
    told = prune(settings, PruneArguments(keep=1), silent)
    assert [one["name"] for one in told["deleted"]] == ["redis_backup_20231204_143022.rdb"]
    assert [one["name"] for one in told["kept"]] == ["redis_backup_20991231_235959.rdb", NAME]
    assert "redis_backup_20991231_235959.rdb is dated in the future" in told["warnings"][0]


def test_prune_deletes_nothing_while_the_newest_backup_is_damaged(settings: Settings, storage: Path) -> None:
    stored(storage, DUMP)
    newer = "redis_backup_20231206_143022.rdb"
    Folder(storage).put(newer, DUMP)
    catalogue.add(Folder(storage), manifest_of(newer, DUMP))
    flip(storage / newer)
    before = files(storage)
    with pytest.raises(ArtifactError, match=newer):
        prune(settings, PruneArguments(keep=1), silent)
    assert files(storage) == before


def test_a_dry_run_says_what_the_real_one_does(settings: Settings, storage: Path) -> None:
    for day in range(1, 6):
        name = f"redis_backup_2023120{day}_143022.rdb"
        Folder(storage).put(name, DUMP)
        catalogue.add(Folder(storage), manifest_of(name, DUMP))
    before = files(storage)
    dry = prune(settings, PruneArguments(keep=2, dry_run=True), silent)
    assert files(storage) == before
    real = prune(settings, PruneArguments(keep=2), silent)
    assert {**dry, "dry_run": False} == real
    assert len(real["deleted"]) == 3
    assert real["freed_bytes"] == 3 * len(DUMP)
    assert eventually(lambda: len(files(storage)) == 4)
