"""A run that is killed at any step leaves a whole backup or nothing, and a prune takes leftovers and nothing else."""

import os
from itertools import count
from typing import Any

import pytest

from tests.faults.sweeps import sweep as rows
from tests.storage.folders import NAME, OTHER, record
from tests.support.backups import ANYWHERE, files, kill_myself, killed, manifest_of
from worker.arguments.backups import DeleteArguments, PruneArguments
from worker.backups.prune import prune
from worker.backups.trash import delete
from worker.config.settings import Settings
from worker.errors import NotFoundError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.repository.notes import NOTES_SUFFIX
from worker.storage.local import Folder


def dying(call: str, nth: int) -> None:
    """From now on this process is killed right before the nth time that it calls this function of `os`."""
    real, calls = getattr(os, call), count(1)

    def instead(*arguments: Any, **more: Any) -> Any:
        if next(calls) == nth:
            kill_myself()
        return real(*arguments, **more)

    setattr(os, call, instead)


STEPS = ["link", "write", "open", "fsync", "rename", "unlink", "close"]


def sweep(folder: Folder) -> dict[str, Any]:
    return prune(settings_of(folder), PruneArguments(), silent)


def settings_of(folder: Folder) -> Settings:
    return Settings(backup_storage=str(folder.path))


@rows("call", STEPS, quick=2)
def test_a_run_killed_at_any_step_leaves_a_whole_backup_or_nothing(call: str, folder: Folder) -> None:
    record(folder, OTHER)
    deaths = 0
    for nth in range(1, 30):

        def work(nth: int = nth) -> None:
            dying(call, nth)
            record(folder, NAME)

        died = killed(work)
        deaths += died
        listed = [one.name for one in catalogue.read(folder).backups]
        assert listed in ([OTHER], [OTHER, NAME])
        sweep(folder)
        again = [one.name for one in catalogue.read(folder).backups]
        assert again == listed, f"sweeping after {call} {nth} took a backup away"
        assert files(folder.path) == sorted(part for name in listed for part in (name, name + MANIFEST_SUFFIX))
        if NAME in listed:
            catalogue.remove(folder, NAME)
        if not died:
            break
    assert deaths >= (call != "rename")
    assert not died


def test_what_a_killed_run_left_is_told_as_that_until_the_next_prune(folder: Folder) -> None:
    def backup() -> None:
        dying("link", 2)
        record(folder, NAME)

    def deletion() -> None:
        # The manifest has become the mark by then.
        dying("unlink", 4)
        catalogue.remove(folder, OTHER)

    record(folder, OTHER)
    assert killed(backup)
    assert killed(deletion)
    assert catalogue.read(folder).faults == {
        NAME: f"{NAME} has no manifest yet: the run that makes it is just ending, or was killed, and then a prune deletes what "
        "it left.",
        OTHER: f"{OTHER} has no manifest any more: it is being deleted, or whoever did that was killed, and then a prune ends it.",
    }
    with pytest.raises(NotFoundError, match="has no manifest yet"):
        catalogue.get(folder, NAME, ANYWHERE)
    sweep(folder)
    assert catalogue.read(folder).faults == {}
    (folder.path / NAME).touch()
    assert "take it in with" in catalogue.read(folder).faults[NAME]


@rows("call", STEPS, quick=2)
def test_a_deletion_killed_at_any_step_is_ended_by_the_next_prune(call: str, folder: Folder) -> None:
    record(folder, OTHER)
    deaths = 0
    for nth in range(1, 30):
        record(folder, NAME)

        def work(nth: int = nth) -> None:
            dying(call, nth)
            catalogue.remove(folder, NAME)

        died = killed(work)
        deaths += died
        listed = [one.name for one in catalogue.read(folder).backups]
        assert listed in ([OTHER], [OTHER, NAME])
        sweep(folder)
        assert [one.name for one in catalogue.read(folder).backups] == listed
        assert files(folder.path) == sorted(part for name in listed for part in (name, name + MANIFEST_SUFFIX))
        if NAME in listed:
            catalogue.remove(folder, NAME)
        if not died:
            break
    assert deaths >= (call in ("fsync", "rename", "unlink"))
    assert not died


@pytest.mark.parametrize("call", STEPS)
@pytest.mark.parametrize("first", [True, False])
def test_notes_written_by_a_run_that_is_killed_are_the_old_or_the_new(first: bool, call: str, folder: Folder) -> None:
    record(folder, NAME)
    if not first:
        catalogue.note(folder, NAME, pinned=False)
    old = catalogue.get(folder, NAME, ANYWHERE)
    new = old.model_copy(update={"pinned": True, "pin_reason": "the last good one"})
    for nth in range(1, 30):

        def work(nth: int = nth) -> None:
            dying(call, nth)
            catalogue.note(folder, NAME, pinned=True, pin_reason="the last good one")

        died = killed(work)
        assert catalogue.get(folder, NAME, ANYWHERE) in (old, new)
        sweep(folder)
        assert set(files(folder.path)) - {NAME + NOTES_SUFFIX} == {NAME, NAME + MANIFEST_SUFFIX}
        assert catalogue.get(folder, NAME, ANYWHERE) in (old, new)
        if not died:
            break
    assert not died
    assert catalogue.get(folder, NAME, ANYWHERE) == new


def test_the_draft_of_a_run_that_lives_is_left_alone(folder: Folder) -> None:
    with folder.draft([NAME]) as draft:
        draft.write(b"still at it")
        assert sweep(folder)["swept"] == []
        draft.publish()
        assert sweep(folder)["swept"] == []
        catalogue.add(folder, manifest_of(NAME, b"still at it"))
    assert files(folder.path) == [NAME, NAME + MANIFEST_SUFFIX]
    assert folder.read(NAME) == b"still at it"


def test_a_dry_run_sweeps_nothing_and_says_the_same(folder: Folder) -> None:
    def work() -> None:
        with folder.draft([NAME]) as draft:
            draft.write(b"x")
            kill_myself()

    assert killed(work)
    before = files(folder.path)
    said = prune(settings_of(folder), PruneArguments(dry_run=True), silent)["swept"]
    assert files(folder.path) == before
    assert sweep(folder)["swept"] == said == [f".{NAME}.partial"]
    assert files(folder.path) == []


def test_a_killed_draft_of_a_name_that_was_taken_since_goes_alone(folder: Folder) -> None:
    def work() -> None:
        with folder.draft([NAME]) as draft:
            draft.write(b"x")
            kill_myself()

    assert killed(work)
    (folder.path / NAME).write_bytes(b"somebody else's")
    assert sweep(folder)["swept"] == [f".{NAME}.partial"]
    assert folder.read(NAME) == b"somebody else's"


OTHERS = ["dump.rdb", ".bashrc", ".notes.txt.swp", "notes.partial", "x.deleting", "photo.jpg", "redis_backup.rdb", "Z"]


def test_other_peoples_files_are_never_touched(folder: Folder) -> None:
    folder.path.mkdir()
    for name in OTHERS:
        (folder.path / name).write_bytes(name.encode())
    for minute in range(5):
        record(folder, f"redis_backup_20231205_14302{minute}.rdb")
    result = prune(settings_of(folder), PruneArguments(keep=1), silent)
    assert len(result["deleted"]) == 4
    assert result["swept"] == []
    kept = "redis_backup_20231205_143024.rdb"
    assert files(folder.path) == sorted([*OTHERS, kept, kept + MANIFEST_SUFFIX])
    assert all((folder.path / name).read_bytes() == name.encode() for name in OTHERS)


def test_a_deletion_by_hand_takes_exactly_that_backup(folder: Folder) -> None:
    record(folder, NAME)
    record(folder, OTHER)
    told = delete(settings_of(folder), DeleteArguments(name=NAME, now=True))
    assert (told["deleted"], told["trash_days"]) == (NAME, 0)
    assert files(folder.path) == [OTHER, OTHER + MANIFEST_SUFFIX]
    with pytest.raises(NotFoundError):
        delete(settings_of(folder), DeleteArguments(name=NAME, now=True))
