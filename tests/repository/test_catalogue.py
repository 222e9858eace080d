"""What is in storage: a backup is an artifact with its manifest, and everything else is a problem or none of ours."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import ANYWHERE, files, format_1, manifest_of, partial_of
from worker.config.settings import Settings
from worker.errors import ArtifactError, NotFoundError, StorageError
from worker.repository import catalogue, digest
from worker.repository.manifest import (
    MANIFEST_SUFFIX,
    Manifest,
    Origin,
    Scope,
    artifact_name,
    free_names,
    from_json,
    to_json,
)
from worker.repository.notes import NOTES_SUFFIX
from worker.repository.scope import scope_of
from worker.storage.local import Folder

NAMES = [f"redis_backup_20231205_14302{second}.rdb.zst" for second in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def stored(folder: Folder, name: str, content: bytes = b"content") -> Manifest:
    manifest = manifest_of(name, content)
    folder.put(name, content)
    return catalogue.add(folder, manifest)


def names(folder: Folder) -> list[str]:
    return [manifest.name for manifest in catalogue.read(folder).backups]


def problem(folder: Folder) -> str:
    """The one thing that is wrong; what it is about is no backup."""
    found = catalogue.read(folder)
    assert (found.backups, len(found.problems)) == ([], 1)
    return found.problems[0]


def test_backups_are_listed_newest_first(folder: Folder) -> None:
    for name in (NAMES[1], NAMES[2], NAMES[0]):
        stored(folder, name)
    assert names(folder) == NAMES[::-1]
    assert catalogue.get(folder, "latest", ANYWHERE).name == NAMES[2]


def test_a_partial_backup_is_listed_apart_found_by_its_name_and_never_the_latest(folder: Folder) -> None:
    stored(folder, NAMES[0])
    folder.put(NAMES[1], b"content")
    partial = catalogue.add(folder, partial_of(NAMES[1], b"content"))
    found = catalogue.read(folder)
    assert ([one.name for one in found.backups], found.partials) == (NAMES[:1], [partial])
    assert [one.name for one in found.listed] == NAMES[1::-1]
    assert catalogue.get(folder, NAMES[1]) == partial
    assert catalogue.get(folder, "latest", ANYWHERE).name == NAMES[0]
    catalogue.remove(folder, NAMES[0])
    with pytest.raises(NotFoundError, match="There is no backup in"):
        catalogue.get(folder, "latest", ANYWHERE)


def test_latest_is_of_the_same_source_where_there_is_one(folder: Folder) -> None:
    for name, address in zip(NAMES, ("a:1", "b:1", "b:1"), strict=True):
        manifest = manifest_of(name, b"content").model_copy(update={"source": Origin(address=address)})
        folder.put(name, b"content")
        catalogue.add(folder, manifest)
    assert catalogue.get(folder, "latest", Scope("a:1", None)).name == NAMES[0]
    assert catalogue.get(folder, "latest", Scope("b:1", None)).name == NAMES[2]
    assert catalogue.get(folder, "latest", Scope("c:1", None)).name == NAMES[2]


def test_an_undo_needs_the_backup_that_was_restored_until_it_is_made(folder: Folder) -> None:
    for name, restored in zip(NAMES, ("this", "this", "another"), strict=True):
        undo = {"kind": "undo", "undoes": f"run-{name}", "restored": restored}
        folder.put(name, b"content")
        catalogue.add(folder, manifest_of(name, b"content").model_copy(update=undo))
    catalogue.note(folder, NAMES[0], undone_at=datetime.now(UTC))
    assert [undo.name for undo in catalogue.undos_with(folder, "this")] == [NAMES[1]]


def test_an_ipv6_source_is_the_same_that_an_older_version_named_without_brackets(folder: Folder) -> None:
    older = Origin.model_construct(address="::1:6379")
    manifest = manifest_of(NAMES[0], b"content").model_copy(update={"source": older})
    folder.put(NAMES[0], b"content")
    folder.put(NAMES[0] + MANIFEST_SUFFIX, to_json(manifest))
    scope = scope_of(Settings(redis_url="redis://[::1]:6379/0"))
    assert b'"::1:6379"' in folder.read(NAMES[0] + MANIFEST_SUFFIX)
    assert [one.source.address for one in catalogue.own(catalogue.read(folder).backups, scope)] == ["[::1]:6379"]


def test_a_backup_comes_back_as_it_was_described(folder: Folder) -> None:
    manifest = stored(folder, NAMES[0])
    assert catalogue.get(folder, NAMES[0], ANYWHERE) == manifest
    assert catalogue.read(folder).backups == [manifest]


def test_a_manifest_is_written_once(folder: Folder) -> None:
    manifest = stored(folder, NAMES[0])
    with pytest.raises(StorageError):
        catalogue.add(folder, manifest)
    written = folder.read(NAMES[0] + MANIFEST_SUFFIX)
    catalogue.note(folder, NAMES[0], pinned=True)
    assert catalogue.get(folder, NAMES[0], ANYWHERE).pinned
    assert folder.read(NAMES[0] + MANIFEST_SUFFIX) == written
    assert files(folder.path) == [NAMES[0], NAMES[0] + MANIFEST_SUFFIX, NAMES[0] + NOTES_SUFFIX]


def test_an_artifact_without_a_manifest_is_a_problem_and_no_backup(folder: Folder) -> None:
    folder.put(NAMES[0], b"content")
    assert "no manifest" in problem(folder)
    with pytest.raises(NotFoundError, match=f"python -m worker adopt {folder}/{NAMES[0]}"):
        catalogue.get(folder, NAMES[0], ANYWHERE)


def test_a_manifest_without_its_artifact_is_a_problem_and_no_backup(folder: Folder) -> None:
    catalogue.add(folder, manifest_of(NAMES[0]))
    assert problem(folder) == f"The artifact {NAMES[0]} is missing, only its manifest is there."


@pytest.mark.parametrize("content", [b"", b"conten", b"content+"])
def test_an_artifact_of_another_size_is_a_problem_and_no_backup(content: bytes, folder: Folder) -> None:
    stored(folder, NAMES[0])
    (folder.path / NAMES[0]).write_bytes(content)
    assert f"{len(content)} bytes and not 7" in problem(folder)


@pytest.mark.parametrize("text", [b"", b"{", b"null", b"[]", b"\xff", b'{"format":1}', b"{" * 100_000])
def test_a_damaged_manifest_is_a_problem_and_no_backup(text: bytes, folder: Folder) -> None:
    folder.put(NAMES[0], b"content")
    folder.put(NAMES[0] + MANIFEST_SUFFIX, text)
    assert "damaged" in problem(folder)
    with pytest.raises(ArtifactError, match="damaged"):
        catalogue.get(folder, NAMES[0], ANYWHERE)


@pytest.mark.parametrize(
    "told",
    [
        {"sha256": "$(touch /tmp/x)"},
        {"sha256": "A" * 64},
        {"sha256": "a" * 64 + "\n"},
        {"duration_seconds": -1},
        {"duration_seconds": float("inf")},
        {"duration_seconds": float("nan")},
        {"duration_seconds": 1e300},
        {"keys": 10**400},
        {"keys": -1},
        {"expiring": -1},
        {"functions": 2**63 + 1},
        {"keys_by_db": {"0": {"string": -5}}},
        {"keys_by_db": {"-1": {"string": 5}}},
        {"bytes": {"raw": 10**30, "stored": 7}},
    ],
)
def test_a_manifest_that_tells_what_cannot_be_is_damaged(told: dict[str, Any], folder: Folder) -> None:
    folder.put(NAMES[0], b"content")
    manifest = json.loads(format_1(manifest_of(NAMES[0], b"content")))
    folder.put(NAMES[0] + MANIFEST_SUFFIX, json.dumps(manifest | told).encode())
    assert "damaged" in problem(folder)
    sealed = digest.sealed(json.dumps(manifest | told | {"format": 2}, indent=2))
    folder.put(NAMES[0] + MANIFEST_SUFFIX, sealed, replace=True)
    assert "damaged" in problem(folder)


@pytest.mark.parametrize("name", ["evil", "latest", NAMES[0] + MANIFEST_SUFFIX])
def test_what_cannot_be_asked_for_is_not_listed(name: str, folder: Folder) -> None:
    folder.put(name, b"content")
    folder.put(name + MANIFEST_SUFFIX, to_json(manifest_of(NAMES[0], b"content").model_copy(update={"name": name})))
    assert (
        f"The file {name}{MANIFEST_SUFFIX} is of no backup: none can have that name." in catalogue.read(folder).problems
    )
    assert names(folder) == []


def test_a_manifest_that_cannot_be_read_is_a_problem_and_hides_no_other_backup(folder: Folder) -> None:
    for name in NAMES:
        stored(folder, name)
    os.truncate(folder.path / (NAMES[1] + MANIFEST_SUFFIX), (64 << 20) + 1)
    found = catalogue.read(folder)
    assert [one.name for one in found.backups] == [NAMES[2], NAMES[0]]
    assert found.problems == [
        f"The file {NAMES[1]}{MANIFEST_SUFFIX} in {folder} is larger than any of its kind can be."
    ]
    assert catalogue.get(folder, "latest", ANYWHERE).name == NAMES[2]


def test_what_is_wrong_is_known_by_the_name_of_the_backup(folder: Folder) -> None:
    longer = f"{NAMES[0]}.age"
    stored(folder, NAMES[0])
    stored(folder, longer)
    os.truncate(folder.path / longer, 1)
    folder.put(NAMES[1], b"content")
    assert {name: name in sentence for name, sentence in catalogue.read(folder).faults.items()} == {
        longer: True,
        NAMES[1]: True,
    }, "the one whose name is a part of another's is whole"


def test_a_manifest_of_a_format_to_come_is_not_taken_for_one_of_ours(folder: Folder) -> None:
    folder.put(NAMES[0], b"content")
    document = digest.opened(to_json(manifest_of(NAMES[0], b"content"))) or b""
    later = document.decode().replace('"format": 2', '"format": 5,\n  "colour": "blue"')
    folder.put(NAMES[0] + MANIFEST_SUFFIX, digest.sealed(later))
    assert "of a later version of this program" in problem(folder)
    assert catalogue.read(folder).damaged == []


@pytest.mark.parametrize("written", [to_json, format_1])
def test_a_field_that_a_format_does_not_have_is_damage(written: Callable[[Manifest], bytes], folder: Folder) -> None:
    folder.put(NAMES[0], b"content")
    document = written(manifest_of(NAMES[0], b"content"))
    changed = (digest.opened(document) or document.rstrip()).decode().replace('"pinned": false', '"qinned": false')
    for text in (digest.sealed(changed), changed.encode()):
        folder.put(NAMES[0] + MANIFEST_SUFFIX, text)
        assert "damaged" in problem(folder)
        (folder.path / (NAMES[0] + MANIFEST_SUFFIX)).unlink()


def test_a_manifest_that_was_swapped_is_a_problem(folder: Folder) -> None:
    stored(folder, NAMES[0])
    (folder.path / NAMES[0]).rename(folder.path / NAMES[1])
    (folder.path / (NAMES[0] + MANIFEST_SUFFIX)).rename(folder.path / (NAMES[1] + MANIFEST_SUFFIX))
    contents = catalogue.read(folder)
    assert "describes another backup" in contents.faults[NAMES[1]]
    assert ([*contents.amiss], contents.listed) == ([NAMES[0]], [])


def test_one_bad_backup_hides_no_good_one(folder: Folder) -> None:
    for name in NAMES:
        stored(folder, name)
    (folder.path / NAMES[2]).unlink()
    assert names(folder) == [NAMES[1], NAMES[0]]
    assert catalogue.get(folder, "latest", ANYWHERE).name == NAMES[1]


@pytest.fixture
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written now was written long ago."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)


@pytest.mark.usefixtures("an_hour_later")
def test_a_manifest_that_nobody_has_touched_is_not_read_again(folder: Folder) -> None:
    stored(folder, NAMES[0])
    (first,), (second,) = catalogue.read(folder).backups, catalogue.read(Folder(folder.path)).backups
    assert second is first


def test_one_that_has_just_been_written_is_read_again(folder: Folder) -> None:
    stored(folder, NAMES[0])
    (first,), (second,) = catalogue.read(folder).backups, catalogue.read(folder).backups
    assert second == first
    assert second is not first


@pytest.mark.usefixtures("an_hour_later")
def test_a_large_one_is_read_again(folder: Folder) -> None:
    folder.put(NAMES[0], b"content")
    catalogue.add(folder, manifest_of(NAMES[0], b"content").model_copy(update={"warnings": ["much " * 10_000]}))
    (first,), (second,) = catalogue.read(folder).backups, catalogue.read(folder).backups
    assert second is not first


def _in_place(path: Path, text: bytes) -> None:
    path.write_bytes(text)


def _replaced(path: Path, text: bytes) -> None:
    path.with_suffix(".new").write_bytes(text)
    path.with_suffix(".new").rename(path)


@pytest.mark.usefixtures("an_hour_later")
@pytest.mark.parametrize("write", [_in_place, _replaced])
def test_a_change_is_seen_at_once_even_under_the_old_size_and_time(
    write: Callable[[Path, bytes], None], folder: Folder
) -> None:
    folder.put(NAMES[0], b"content")
    path = folder.path / (NAMES[0] + MANIFEST_SUFFIX)
    path.write_bytes(to_json(manifest_of(NAMES[0], b"content")))
    (before,) = catalogue.read(folder).backups
    told = path.stat()
    time.sleep(0.02)  # a file system's clock goes in steps of a few milliseconds
    # As long as the other: `true` is a character shorter than `false`.
    write(path, to_json(before.model_copy(update={"pinned": True, "duration_seconds": 0.25})))
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert path.stat().st_size == told.st_size
    (after,) = catalogue.read(folder).backups
    assert (before.pinned, after.pinned) == (False, True)


@pytest.mark.usefixtures("an_hour_later")
def test_damage_and_deletion_are_seen_at_once(folder: Folder) -> None:
    for name in NAMES:
        stored(folder, name)
    assert names(folder) == NAMES[::-1]
    time.sleep(0.02)
    (folder.path / (NAMES[2] + MANIFEST_SUFFIX)).write_bytes(b"{")
    catalogue.remove(folder, NAMES[0])
    for _ in range(2):
        found = catalogue.read(folder)
        assert [one.name for one in found.backups] == [NAMES[1]]
        assert ["damaged" in problem for problem in found.problems] == [True]


def test_other_files_are_neither_backups_nor_problems(folder: Folder) -> None:
    for name in ("notes.txt", "dump.rdb", "redis_backup.rdb"):
        (folder.path / name).write_bytes(b"x")
    (folder.path / NAMES[0]).mkdir()
    found = catalogue.read(folder)
    assert (found.backups, found.problems) == ([], [])


def test_a_storage_that_is_not_there_holds_no_backups(tmp_path: Path) -> None:
    missing = Folder(tmp_path / "missing")
    assert catalogue.read(missing).backups == []
    with pytest.raises(NotFoundError, match=r"no backup in .* yet"):
        catalogue.get(missing, "latest", ANYWHERE)
    assert not missing.path.exists()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "", "x", NAMES[0] + "\n", "redis_backup_1.rdb", NAMES[0] + MANIFEST_SUFFIX]
)
def test_a_name_that_none_of_ours_can_be_is_not_found(name: str, folder: Folder) -> None:
    stored(folder, NAMES[0])
    with pytest.raises(NotFoundError, match="There is no backup"):
        catalogue.get(folder, name, ANYWHERE)


def test_removing_takes_the_backup_and_its_manifest(folder: Folder) -> None:
    stored(folder, NAMES[0])
    stored(folder, NAMES[1])
    catalogue.remove(folder, NAMES[0])
    assert files(folder.path) == [NAMES[1], NAMES[1] + MANIFEST_SUFFIX]
    with pytest.raises(NotFoundError):
        catalogue.remove(folder, NAMES[0])


def test_a_manifest_is_text_that_people_read(folder: Folder) -> None:
    manifest = stored(folder, NAMES[0])
    text = folder.read(NAMES[0] + MANIFEST_SUFFIX)
    assert text.startswith(b'{\n  "format": 4,\n')
    assert from_json(NAMES[0], text) == manifest


def test_names_are_in_utc_and_never_the_same() -> None:
    at = datetime.fromisoformat("2023-12-31T23:59:59-02:00")
    assert artifact_name(at, "json", ".gz") == "redis_backup_20240101_015959.json.gz"
    several = list(free_names(at.astimezone(UTC), "rdb", ""))
    assert several[:2] == ["redis_backup_20240101_015959.rdb", "redis_backup_20240101_020000.rdb"]
    assert len(set(several)) == len(several)
