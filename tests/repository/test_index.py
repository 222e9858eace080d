"""The index beside a backup: every key is found by it, and it is thrown away whenever it does not fit."""

import hashlib
import os
import random
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import Given, files, fill_all, kill_myself, killed, manifest_of, settings_for, take
from tests.support.given import stored, string
from tests.support.servers import Binary, Server
from worker.arguments.backups import DeleteArguments, PruneArguments
from worker.backups.prune import prune
from worker.backups.trash import delete
from worker.config.settings import CompressionName
from worker.errors import ArtifactError, NotFoundError, RefusedError
from worker.formats import portable
from worker.formats.encryption import NONE
from worker.formats.entries import Entry
from worker.formats.rdb import writer
from worker.progress import silent
from worker.repository import artifact, catalogue
from worker.repository.manifest import INDEX_SUFFIX, Manifest, Size
from worker.search.indexing import index, sorting
from worker.storage.local import Folder


def entries(count: int, seed: int = 1) -> list[Entry]:
    """Keys of two databases with values of all sizes, some of them larger than any window."""
    dice = random.Random(seed)  # noqa: S311
    made = [
        Entry(
            dice.choice((0, 3)) if number < count // 2 else 3,
            b"key:%d" % number,
            dice.choice((None, dice.randrange(1, 2**45))),
            "string",
            string(dice.randbytes(dice.choice((1, 5, 50, 3000))) if number % 500 else dice.randbytes(700_000)),
        )
        for number in range(count)
    ]
    return sorted(made, key=lambda entry: entry.db)


def value_of(folder: Path, manifest: Manifest, record: index.Record, key: bytes) -> Entry:
    """What is found there under that key, in whichever database."""
    with Folder(folder).open(manifest.name) as file:
        for batch in artifact.resumed(file, manifest, NONE, record.begins_at).batches():
            for entry in batch:
                if entry.key == key and record.fits(entry):
                    return entry
    raise AssertionError(f"{key!r} is not behind byte {record.begins_at}")


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_every_key_is_found_with_its_digest_its_expiry_and_its_place(
    compression: CompressionName, tmp_path: Path
) -> None:
    given = entries(3000)
    manifest = stored(tmp_path, given, compression)
    with index.opened(Folder(tmp_path), manifest, NONE, silent) as opened:
        assert len(opened) == len(given)
        places = set()
        for number, entry in enumerate(given):
            (record,) = opened.find(entry.db, entry.key)
            assert (record.digest, record.expires_at) == (index.digest(entry), entry.expires_at)
            places.add(record.begins_at)
            if number % 97 == 0 or number % 500 in (0, 1):
                assert value_of(tmp_path, manifest, record, entry.key).payload == entry.payload
                assert value_of(tmp_path, manifest, record, entry.key).expires_at == entry.expires_at
        assert len(places) > 5
        assert opened.find(0, b"key:nowhere") == []
        assert opened.find(7, given[0].key) == []


def test_a_place_lies_close_before_its_key(tmp_path: Path) -> None:
    given = [Entry(0, b"%06d" % number, None, "string", string(b"x" * 100)) for number in range(20_000)]
    manifest = stored(tmp_path, given, "none")
    with index.opened(Folder(tmp_path), manifest, NONE, silent) as opened:
        places = sorted({opened.find(0, entry.key)[0].begins_at for entry in given})
    assert places[0] == 0
    assert max(after - before for before, after in pairwise(places)) < 600_000


def test_both_formats_of_a_real_server_are_indexed(start_server: StartServer, newest: Binary, tmp_path: Path) -> None:
    server = fill_all(start_server(newest))
    found = {}
    for data_format in ("rdb", "json"):
        manifest = catalogue.get(Folder(tmp_path), take(server, tmp_path, format=data_format)["name"])
        with (
            index.opened(Folder(tmp_path), manifest, NONE, silent) as opened,
            Folder(tmp_path).open(manifest.name) as file,
        ):
            assert len(opened) == manifest.keys
            chunks = artifact.raw_chunks(file, manifest, NONE)
            for batch in artifact.reader(chunks, manifest.data_format, values=True).batches():
                for number, entry in enumerate(batch):
                    (record,) = opened.find(entry.db, entry.key)
                    assert record.fits(entry)
                    # Each is read from where it lies: some of them will do.
                    if number % 7 == 0 or entry.type == "stream":
                        again = value_of(tmp_path, manifest, record, entry.key)
                        assert (index.content(again), again.expires_at) == (index.content(entry), entry.expires_at)
                    found[data_format, entry.db, entry.key] = entry.type
    assert {of[1:] for of in found if of[0] == "rdb"} == {of[1:] for of in found if of[0] == "json"}
    assert set(found.values()) >= {"string", "list", "set", "zset", "hash", "stream"}


def test_a_json_line_that_is_longer_than_many_chunks_has_its_place(tmp_path: Path) -> None:
    given = [
        Entry(0, b"a", None, "string", None, b"1"),
        Entry(0, b"long", None, "string", None, b"x" * 2_000_000),
        *(Entry(0, b"%d" % number, None, "string", None, b"small") for number in range(10_000)),
        Entry(0, b"z", 123, "string", None, b"2"),
    ]
    content = b"".join(portable.write(Given(given, rdb_version=None), {}))
    manifest = manifest_of("redis_backup_20231205_143022.json", content).model_copy(
        update={"data_format": "json", "rdb_version": None, "keys": len(given)}
    )
    Folder(tmp_path).put(manifest.name, content)
    with index.opened(Folder(tmp_path), manifest, NONE, silent) as opened:
        for entry in (*given[:3], *given[-3:]):
            (record,) = opened.find(0, entry.key)
            assert value_of(tmp_path, manifest, record, entry.key) == entry
            assert record.digest == index.digest(entry)
        assert opened.find(0, b"z")[0].begins_at > 2_000_000


@pytest.mark.parametrize(
    ("expires_at", "kept"),
    [
        (None, None),
        (0, 0),
        (1, 1),
        (index.LATEST_EXPIRY - 1, index.LATEST_EXPIRY - 1),
        (index.LATEST_EXPIRY + 5, index.LATEST_EXPIRY),
        (2**63 - 1, index.LATEST_EXPIRY),
        (-5, 0),
    ],
)
def test_an_expiry_that_no_record_has_room_for_is_kept_as_the_nearest(
    expires_at: int | None, kept: int | None, tmp_path: Path
) -> None:
    manifest = stored(tmp_path, [Entry(0, b"k", expires_at, "string", string(b"v"))])
    with index.opened(Folder(tmp_path), manifest, NONE, silent) as opened:
        assert opened.find(0, b"k")[0].expires_at == kept


def test_an_empty_backup_has_an_index_too(tmp_path: Path) -> None:
    manifest = stored(tmp_path, [])
    for _ in range(2):
        with index.opened(Folder(tmp_path), manifest, NONE, silent) as opened:
            assert (len(opened), opened.find(0, b"k")) == (0, [])


def test_two_keys_of_one_hash_are_both_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [Entry(0, b"%d" % number, None, "string", string(b"%d" % number)) for number in range(50)]
    manifest = stored(tmp_path, given)
    real = hashlib.blake2b

    def poor(data: bytes, digest_size: int) -> Any:
        # Of a key only whether its last character is odd counts.
        return real(b"%d" % (data[-1] % 2) if digest_size == index._HASH else data, digest_size=digest_size)

    monkeypatch.setattr(index, "blake2b", poor)
    with index.opened(Folder(tmp_path), manifest, NONE, silent) as opened:
        assert len(opened.find(0, b"7")) == len(opened.find(0, b"8")) == 25
        assert {record.digest for record in opened.find(0, b"7")} == {
            index.digest(one) for one in given if int(one.key) % 2
        }


def _index_file(folder: Path, manifest: Manifest) -> Path:
    return folder / (manifest.name + INDEX_SUFFIX)


def test_it_is_made_once_and_used_from_then_on(tmp_path: Path) -> None:
    manifest = stored(tmp_path, entries(500))
    told: list[tuple[str, int, int | None, str]] = []
    index.opened(Folder(tmp_path), manifest, NONE, lambda *words: told.append(words)).__exit__(None, None, None)
    assert told[-1] == ("indexing", 500, 500, "keys")
    path = _index_file(tmp_path, manifest)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size == 60 + 25 * 500 + 48 + 32
    (tmp_path / manifest.name).write_bytes(b"")
    del told[:]
    with index.opened(Folder(tmp_path), manifest, NONE, lambda *words: told.append(words)) as opened:
        assert len(opened) == 500
    assert told == []


def _cut(content: bytes) -> bytes:
    return content[:-1]


def _turned(at: int) -> Callable[[bytes], bytes]:
    def turn(content: bytes) -> bytes:
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return turn


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        lambda content: content[:30],
        lambda _: b"",
        lambda content: content + b"x",
        *(_turned(at) for at in (0, 11, 15, 23, 30, 60, 5000, -1)),
    ],
)
def test_one_that_was_damaged_is_made_anew(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    given = entries(400)
    manifest = stored(tmp_path, given)
    index.opened(Folder(tmp_path), manifest, NONE, silent).__exit__(None, None, None)
    path = _index_file(tmp_path, manifest)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with index.opened(Folder(tmp_path), manifest, NONE, silent) as opened:
        assert len(opened.find(given[7].db, given[7].key)) == 1
    assert path.read_bytes() == whole


def test_one_of_other_bytes_under_the_same_name_is_made_anew(tmp_path: Path) -> None:
    manifest = stored(tmp_path, entries(100, seed=1))
    index.opened(Folder(tmp_path), manifest, NONE, silent).__exit__(None, None, None)
    other = tmp_path / "other"
    foreign = _index_file(tmp_path, manifest).read_bytes()
    manifest = stored(other, entries(90, seed=2))
    _index_file(other, manifest).write_bytes(foreign)
    with index.opened(Folder(other), manifest, NONE, silent) as opened:
        assert len(opened) == 90


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    manifest = stored(tmp_path / "storage", entries(100))
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    _index_file(tmp_path / "storage", manifest).symlink_to(outside)
    with index.opened(Folder(tmp_path / "storage"), manifest, NONE, silent) as opened:
        assert len(opened) == 100
    assert outside.read_bytes() == b"precious"


def test_an_artifact_that_has_changed_gets_none(tmp_path: Path) -> None:
    manifest = stored(tmp_path, entries(300), "none")
    path = tmp_path / manifest.name
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError):
        index.opened(Folder(tmp_path), manifest, NONE, silent)
    assert not _index_file(tmp_path, manifest).exists()
    # Whole by its own checksum, and not what was written.
    path.write_bytes(b"".join(writer.write(Given(entries(300, seed=5)), {})))
    with pytest.raises(ArtifactError):
        index.opened(Folder(tmp_path), manifest.model_copy(update={"bytes": Size(raw=1 << 30, stored=1)}), NONE, silent)
    assert not _index_file(tmp_path, manifest).exists()


def test_a_backup_that_nobody_can_count_gets_none(tmp_path: Path) -> None:
    manifest = stored(tmp_path, entries(10)).model_copy(update={"keys": None})
    with pytest.raises(RefusedError, match="cannot read, so it was not searched"):
        index.opened(Folder(tmp_path), manifest, NONE, silent)


def test_where_it_cannot_be_kept_it_serves_this_once(tmp_path: Path) -> None:
    given = entries(100)
    manifest = stored(tmp_path, given)
    _index_file(tmp_path, manifest).mkdir()
    for _ in range(2):
        with index.opened(Folder(tmp_path), manifest, NONE, silent) as opened:
            assert len(opened.find(given[0].db, given[0].key)) == 1
    assert not list(tmp_path.glob(".*"))


def test_while_another_search_makes_it_this_one_makes_its_own(tmp_path: Path) -> None:
    given = entries(100)
    manifest = stored(tmp_path, given)
    storage = Folder(tmp_path)
    with storage.draft([manifest.name + INDEX_SUFFIX]) as other:
        other.write(b"half of it")
        with index.opened(storage, manifest, NONE, silent) as opened:
            assert len(opened.find(given[0].db, given[0].key)) == 1
        other.publish()
    with index.opened(storage, manifest, NONE, silent) as opened:
        assert len(opened) == 100


def test_it_is_no_backup_and_goes_with_its_own(tmp_path: Path) -> None:
    manifest = stored(tmp_path, entries(50))
    index.opened(Folder(tmp_path), manifest, NONE, silent).__exit__(None, None, None)
    read = catalogue.read(Folder(tmp_path))
    assert ([one.name for one in read.backups], read.problems) == ([manifest.name], [])
    with pytest.raises(NotFoundError):
        catalogue.get(Folder(tmp_path), manifest.name + INDEX_SUFFIX)
    catalogue.remove(Folder(tmp_path), manifest.name)
    assert files(tmp_path) == []


@pytest.fixture
def source_settings(start_server: StartServer, newest: Binary, tmp_path: Path) -> Any:
    server: Server = start_server(newest)
    return settings_for(server, tmp_path / "storage")


def test_one_whose_backup_is_gone_is_pruned(source_settings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    manifest = stored(folder, entries(50))
    index.opened(Folder(folder), manifest, NONE, silent).__exit__(None, None, None)
    lonely = "redis_backup_20200101_000000.rdb.zst" + INDEX_SUFFIX
    for name in (lonely, "mine.index", ".hidden.index"):
        (folder / name).write_bytes(b"x")
    looked = prune(source_settings, PruneArguments(dry_run=True), silent)
    assert looked["swept"] == [lonely]
    assert (folder / lonely).exists()
    assert prune(source_settings, PruneArguments(), silent)["swept"] == [lonely]
    delete(source_settings, DeleteArguments(name=manifest.name, now=True))
    assert files(folder) == [".hidden.index", "mine.index"]


@pytest.mark.slow
def test_a_deletion_that_is_killed_leaves_no_index_behind_for_long(source_settings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    catalogue.remove(Folder(folder), stored(folder, entries(20)).name)
    # The artifact, the index, notes, three texts of a damaged manifest, and the marker of the deletion; before these come the
    # drafts of what was signed, here and for others, which now says that it is deleted.
    for step in range(4, 12):
        manifest = stored(folder, entries(20))
        index.opened(Folder(folder), manifest, NONE, silent).__exit__(None, None, None)

        def work(step: int = step, manifest: Manifest = manifest) -> None:
            calls, real = iter(range(1, 100)), os.unlink

            def unlink(path: Any, **more: Any) -> None:
                if next(calls) == step:
                    kill_myself()
                real(path, **more)

            os.unlink = unlink
            catalogue.remove(Folder(folder), manifest.name)

        was_killed = killed(work)
        assert was_killed == (step <= 10)
        prune(source_settings, PruneArguments(), silent)
        assert files(folder) == []


@pytest.mark.slow
def test_making_it_takes_the_same_memory_however_many_keys_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "_HELD_BYTES", 128 << 10)
    peaks = []
    for count in (8_000, 50_000):
        value = string(b"v" * 200)
        manifest = stored(tmp_path / str(count), [Entry(0, b"%d" % n, None, "string", value) for n in range(count)])
        tracemalloc.start()
        index.opened(Folder(tmp_path / str(count)), manifest, NONE, silent).__exit__(None, None, None)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert 42_000 * index.RECORD_BYTES > 1 << 20
    assert peaks[1] < peaks[0] + (1 << 19)
