"""A folder is looked at no more than must be, and what somebody does to it is seen all the same."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.storage.folders import shown
from worker.storage import StoredFile, listing
from worker.storage.local import Folder

ARTIFACTS = [f"redis_backup_20231205_14302{second}.rdb" for second in range(6)]
DOCUMENT = "redis_backup_20231205_143020.rdb.notes.json"


@pytest.fixture(autouse=True)
def a_large_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files are many, and whatever is written now was written long ago."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)
    monkeypatch.setattr(listing, "LOOKED_AT", 2)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    for name in (*ARTIFACTS, DOCUMENT):
        (tmp_path / name).write_bytes(b"content")
    found = Folder(tmp_path)
    assert shown(found) == sorted((*ARTIFACTS, DOCUMENT))
    return found


def sizes(folder: Folder) -> dict[str, int]:
    return {file.name: file.size for file in folder.files()}


@pytest.mark.parametrize("name", ARTIFACTS)
def test_what_is_cut_in_place_is_seen_when_all_have_had_their_turn(name: str, folder: Folder) -> None:
    (folder.path / name).write_bytes(b"cont")
    assert 4 in [sizes(folder)[name] for _ in range(4)]


def test_what_nobody_has_touched_is_the_same_object(folder: Folder) -> None:
    before = folder.files()
    (folder.path / "another").write_bytes(b"")
    after = folder.files()
    assert [one for one in after if not any(one is other for other in before)] == [
        StoredFile("another", 0, after[0].version)
    ]


def _twice(path: Path) -> None:
    """So that it may have its first inode again."""
    for content in (b"1", b"four"):
        (path.parent / "new").write_bytes(content)
        (path.parent / "new").rename(path)


def _anew(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"four")


@pytest.mark.parametrize("replace", [_twice, _anew])
def test_a_document_that_another_took_the_place_of_is_seen_at_once(
    replace: Callable[[Path], None], folder: Folder
) -> None:
    version = {file.name: file.version for file in folder.files()}
    replace(folder.path / DOCUMENT)
    assert sizes(folder)[DOCUMENT] == 4
    assert {file.name for file in folder.files() if file.version != version[file.name]} == {DOCUMENT}


@pytest.mark.parametrize("number", range(6))
def test_what_is_gone_or_new_is_seen_at_once(number: int, folder: Folder) -> None:
    (folder.path / ARTIFACTS[number]).unlink()
    assert ARTIFACTS[number] not in shown(folder)
    (folder.path / ARTIFACTS[number]).write_bytes(b"four")
    assert sizes(folder)[ARTIFACTS[number]] == 4


def test_what_was_a_folder_and_is_a_file_now_is_seen_at_once(folder: Folder) -> None:
    (folder.path / "novelty").mkdir()
    assert "novelty" not in shown(folder)
    (folder.path / "novelty").rmdir()
    (folder.path / "novelty").write_bytes(b"content")
    assert "novelty" in shown(folder)


def test_a_file_whose_place_a_folder_took_is_gone(folder: Folder) -> None:
    for name in (ARTIFACTS[0], DOCUMENT):
        (folder.path / name).unlink()
        (folder.path / name).mkdir()
    for _ in range(4):
        found = shown(folder)
    assert found == ARTIFACTS[1:]


def test_another_folder_under_the_same_path_is_looked_at_anew(folder: Folder, tmp_path: Path) -> None:
    aside = tmp_path.parent / f"{tmp_path.name}-aside"
    tmp_path.rename(aside)
    tmp_path.mkdir()
    for name in ARTIFACTS:
        (tmp_path / name).write_bytes(b"four")
    assert sizes(folder) == dict.fromkeys(ARTIFACTS, 4)


def test_a_folder_that_is_away_holds_nothing_and_all_of_it_when_it_is_back(folder: Folder, tmp_path: Path) -> None:
    tmp_path.rename(tmp_path.parent / f"{tmp_path.name}-aside")
    assert shown(folder) == []
    (tmp_path.parent / f"{tmp_path.name}-aside").rename(tmp_path)
    assert shown(folder) == sorted((*ARTIFACTS, DOCUMENT))


def test_of_many_folders_those_looked_at_last_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_FOLDERS", 2)
    one, two, three = (Folder(tmp_path / name) for name in ("one", "two", "three"))
    for each in (one, two, three):
        each.path.mkdir()
        (each.path / DOCUMENT).write_bytes(b"content")
    first = {each.path: each.files()[0] for each in (one, two)}
    assert one.files()[0] is first[one.path]
    three.files()
    assert one.files()[0] is first[one.path]
    assert two.files()[0] is not first[two.path]
