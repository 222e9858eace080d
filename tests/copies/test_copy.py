"""A backup in other storages: the same bytes, whole or not at all, and never over anything else."""

from pathlib import Path

import pytest

from tests.copies.given import CONTENT, NAME, OTHER, both_files, copied, folder, names, settings_of, take
from tests.support.bucket import S3
from tests.support.processes import Shell
from worker.arguments.backups import CopyArguments, DeleteArguments
from worker.backups.copies.copy import copy
from worker.backups.trash import delete
from worker.config.settings import Settings
from worker.errors import ArtifactError, NotFoundError, RefusedError, StorageError, StorageUnavailableError, UsageError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.storage import Storage
from worker.storage.local import Folder
from worker.storage.remote import Remote


@pytest.fixture(params=["folder", "s3"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return folder(tmp_path / "copies") if request.param == "folder" else request.getfixturevalue("in_s3")


@pytest.fixture
def settings(home: Folder, there: Storage) -> Settings:
    return settings_of(home, there)


def test_a_copy_is_the_same_bytes_and_is_noted_at_home(settings: Settings, home: Folder, there: Storage) -> None:
    take(home)
    (made,) = copied(settings)
    assert (made["to"], made["new"], made["warnings"]) == (str(there), True, [])
    assert both_files(there) == both_files(home)
    assert names(there) == [NAME]
    noted = catalogue.get(home, NAME).copies
    assert (list(noted), noted[there.place].versions) == ([there.place], {})
    assert catalogue.get(there, NAME).copies == {}


def test_a_second_copy_does_nothing(settings: Settings, home: Folder, there: Storage) -> None:
    take(home)
    copied(settings)
    versions = {file.name: file.version for file in there.files()}
    (again,) = copied(settings)
    assert (again["new"], {file.name: file.version for file in there.files()}) == (False, versions)


def test_an_empty_machine_that_knows_the_copies_alone_sees_all_of_them(
    settings: Settings, home: Folder, there: Storage
) -> None:
    for name in (NAME, OTHER):
        take(home, name)
        copied(settings, name)
    assert sorted(names(there)) == [NAME, OTHER]
    assert catalogue.get(there, "latest").name == OTHER


@pytest.mark.parametrize("left", ["artifact", "manifest"])
def test_what_a_killed_copy_left_is_completed(left: str, settings: Settings, home: Folder, there: Storage) -> None:
    take(home)
    artifact, manifest = both_files(home)
    there.put(*{"artifact": (NAME, artifact), "manifest": (NAME + MANIFEST_SUFFIX, manifest)}[left])
    assert copied(settings)[0]["new"]
    assert (both_files(there), names(there)) == ((artifact, manifest), [NAME])


@pytest.mark.parametrize("size", ["the same", "another"])
def test_another_backup_of_that_name_is_left_alone_and_told(
    size: str, settings: Settings, home: Folder, there: Storage
) -> None:
    take(home)
    take(there, NAME, CONTENT[::-1] if size == "the same" else b"other")
    before = both_files(there)
    with pytest.raises(RefusedError, match="holds something else under the name"):
        copied(settings)
    assert both_files(there) == before
    assert catalogue.get(home, NAME).copies == {}


@pytest.mark.parametrize("content", [CONTENT[::-1], b"other"], ids=["of its size", "of another size"])
def test_a_file_of_somebody_else_under_its_name_is_left_alone(
    content: bytes, settings: Settings, home: Folder, there: Storage
) -> None:
    take(home)
    there.put(NAME, content)
    with pytest.raises(RefusedError, match="nothing is ever written over it"):
        copied(settings)
    assert [(file.name, there.read(file.name)) for file in there.files()] == [(NAME, content)]


@pytest.mark.parametrize("damaged", [CONTENT[::-1], CONTENT[:-1], CONTENT + b"!"], ids=["changed", "short", "longer"])
def test_what_is_damaged_at_home_is_not_copied(
    damaged: bytes, settings: Settings, home: Folder, there: Storage
) -> None:
    take(home)
    (home.path / NAME).write_bytes(damaged)
    with pytest.raises(ArtifactError, match=f"so it was not copied: `python -m worker verify {NAME}`"):
        copied(settings)
    assert there.files() == []


def test_what_is_no_backup_stays_at_home(settings: Settings, home: Folder, there: Storage) -> None:
    for kind in ("undo", "partial", "part"):
        name = take(home, NAME, kind=kind, restored=OTHER, warnings=["why"])
        with pytest.raises(RefusedError, match="only whole backups are copied"):
            copied(settings, name)
        catalogue.remove(home, name)
    with pytest.raises(NotFoundError):
        copied(settings, OTHER)
    take(home, OTHER)
    delete(settings, DeleteArguments(name=OTHER))
    with pytest.raises(RefusedError, match="lies in the trash"):
        copied(settings, OTHER)
    assert there.files() == []


def test_what_was_deleted_there_is_not_brought_back_behind_somebodys_back(
    settings: Settings, home: Folder, there: Storage
) -> None:
    take(home)
    copied(settings)
    delete(settings_of(there), DeleteArguments(name=NAME))
    with pytest.raises(
        RefusedError, match=f"put it back with `BACKUP_STORAGE={there} python -m worker put-back {NAME}`"
    ):
        copied(settings)


def test_a_bucket_is_copied_to_a_folder_as_well(tmp_path: Path, s3: S3, in_s3: Remote) -> None:
    there = folder(tmp_path / "copies")
    take(in_s3)
    assert copied(settings_of(in_s3, there))[0]["new"]
    assert (both_files(there), names(there)) == (both_files(in_s3), [NAME])


def test_each_storage_is_tried_and_the_error_says_where_it_lies(tmp_path: Path, home: Folder) -> None:
    there, unmounted = folder(tmp_path / "copies"), Folder(tmp_path / "mount" / "copies")
    settings = settings_of(home, unmounted, there)
    take(home)
    with pytest.raises(StorageUnavailableError) as raised:
        copied(settings)
    assert str(raised.value).endswith(f"mount what belongs there, or make it. It lies in {there}.")
    assert (names(there), unmounted.exists()) == ([NAME], False)
    assert [made["to"] for made in copied(settings, NAME, str(there))] == [str(there)]


def test_one_of_several_is_named_by_its_address(tmp_path: Path, home: Folder) -> None:
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    settings = settings_of(home, first, second)
    take(home)
    copied(settings, NAME, f"{second.path}/../second")
    assert (first.files(), names(second)) == ([], [NAME])
    for address in ("s3://somewhere/else", str(home), str(tmp_path)):
        with pytest.raises(UsageError, match="No such storage is set, but "):
            copied(settings, NAME, address)
    with pytest.raises(UsageError, match="set BACKUP_COPIES"):
        copied(settings_of(home))


def test_progress_is_told_in_bytes_of_the_backup(settings: Settings, home: Folder, there: Storage) -> None:
    take(home)
    told: list[tuple[str, int, int | None, str]] = []
    copy(settings, CopyArguments(name=NAME), lambda *report: told.append(report))
    assert told[0] == ("reading", len(CONTENT), len(CONTENT), "bytes")
    if isinstance(there, Remote):
        assert told[-1] == ("uploading", len(CONTENT), len(CONTENT), "bytes")


def test_a_folder_that_cannot_be_written_to_is_said_in_a_sentence(tmp_path: Path, home: Folder) -> None:
    full = Folder(tmp_path / "full")
    full.path.write_text("a file")
    take(home)
    with pytest.raises(StorageError, match="check the folder and its rights"):
        copy(settings_of(home, full), CopyArguments(name=NAME), silent)


def test_a_shell_copies_and_says_what_was_done(tmp_path: Path, home: Folder) -> None:
    there = folder(tmp_path / "copies")
    shell = Shell("redis://127.0.0.1:1", home.path, tmp_path)
    take(home)
    settings = {"BACKUP_COPIES": str(there)}
    for words in (f"{NAME} is copied to {there}: 19 B", f"{NAME} lies in {there} already"):
        done = shell("copy", "latest", preexec=None, **settings)
        assert (done.code, words in done.out, done.err) == (0, True, "")
    refused = shell("copy", NAME, preexec=None)
    assert (refused.code, refused.err) == (
        2,
        "Error: There is no other storage to copy to: set BACKUP_COPIES to the address of one.\n",
    )
    twice = shell("copy", NAME, preexec=None, BACKUP_COPIES=f"{there},{there.path}/")
    assert (twice.code, "BACKUP_COPIES is wrong: must name each storage once" in twice.err) == (2, True)
    same = shell("list", preexec=None, BACKUP_COPIES=str(home))
    assert (same.code, "must not name BACKUP_STORAGE itself" in same.err) == (2, True)
