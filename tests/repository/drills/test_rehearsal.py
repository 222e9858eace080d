"""What came of a drill is noted beside its backup, and old notes are read as before."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.backups import format_1, manifest_of
from worker.repository import catalogue, digest, notes
from worker.repository.drills.rehearsal import Rehearsal
from worker.repository.manifest import MANIFEST_SUFFIX, Copied
from worker.repository.notes import NOTES_SUFFIX
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"
NOON = datetime(2023, 12, 5, 12, tzinfo=UTC)
GOOD = Rehearsal(
    at=NOON,
    way="mirror",
    server="valkey 9.1.0",
    storage="/backups",
    seconds=1.5,
    keys=3437,
    bytes=500_000_000,
    compared="sample",
    sampled=200,
    seed=7,
)
READ = GOOD.model_copy(update={"at": NOON + timedelta(days=1), "way": "read", "server": None, "compared": "none"})


@pytest.fixture
def noted(folder: Folder) -> Folder:
    """A folder with one backup."""
    folder.put(NAME, b"content")
    catalogue.add(folder, manifest_of(NAME, b"content"))
    return folder


def test_a_rehearsal_lies_beside_the_backup(noted: Folder) -> None:
    catalogue.note(noted, NAME, rehearsed=GOOD)
    assert catalogue.get(noted, NAME).rehearsed == GOOD
    assert [backup.rehearsed for backup in catalogue.read(noted).listed] == [GOOD]


def test_one_that_was_only_read_takes_nothing_from_an_earlier_rehearsal(noted: Folder) -> None:
    catalogue.note(noted, NAME, rehearsed=GOOD)
    catalogue.note(noted, NAME, decoded=READ)
    manifest = catalogue.get(noted, NAME)
    assert (manifest.rehearsed, manifest.drilled) == (GOOD, READ)


def test_a_drill_of_a_copy_is_noted_with_that_copy(noted: Folder) -> None:
    catalogue.note(noted, NAME, copies={"/there": Copied(copied_at=NOON, rehearsed=GOOD)})
    manifest = catalogue.get(noted, NAME)
    assert (manifest.rehearsed, manifest.copies["/there"].rehearsed) == (None, GOOD)


@pytest.mark.parametrize(
    ("change", "good", "failed"),
    [
        ({}, True, False),
        ({"way": "keys"}, True, False),
        ({"way": "read"}, False, False),
        ({"differs": ["2 keys are missing."]}, False, True),
    ],
)
def test_good_is_only_what_came_back_as_it_was(change: dict[str, object], good: bool, failed: bool) -> None:
    drill = GOOD.model_copy(update=change)
    assert (drill.is_good, drill.has_failed) == (good, failed)


def test_how_long_a_gigabyte_takes() -> None:
    assert (GOOD.seconds_per_gb, GOOD.model_copy(update={"bytes": 0}).seconds_per_gb) == (3.0, None)


def test_notes_of_earlier_versions_are_read(noted: Folder) -> None:
    old = {"format": 1, "name": NAME, "drilled_at": NOON.isoformat(), "pinned": True, "pin_reason": "why"}
    noted.put(NAME + NOTES_SUFFIX, digest.sealed(json.dumps(old, indent=2)))
    known = catalogue.get(noted, NAME)
    assert (known.pinned, known.rehearsed, known.drilled) == (True, None, None)
    catalogue.note(noted, NAME, rehearsed=GOOD)
    assert catalogue.get(noted, NAME).pin_reason == "why"


def test_a_backup_of_format_1_can_be_rehearsed(folder: Folder) -> None:
    folder.put(NAME, b"content")
    text = format_1(manifest_of(NAME, b"content"))
    folder.put(NAME + MANIFEST_SUFFIX, text)
    catalogue.note(folder, NAME, rehearsed=GOOD)
    assert catalogue.read(folder).listed[0].rehearsed == GOOD


def test_what_is_noted_is_read_as_it_was_written() -> None:
    known = notes.Notes(name=NAME, rehearsed=GOOD, decoded=READ)
    assert notes.from_json(NAME, notes.to_json(known)) == known
