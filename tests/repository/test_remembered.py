"""A process reads no manifest twice, sees whatever has changed since, and says how far it has come where there are many."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from tests.support.backups import ANYWHERE, files, manifest_of
from worker.errors import StorageError, StorageUnavailableError, UnreadError
from worker.repository import catalogue, remembered
from worker.repository.manifest import MANIFEST_SUFFIX, Origin, Scope, artifact_name
from worker.repository.notes import NOTES_SUFFIX
from worker.repository.signing.ledger import is_ledger
from worker.storage.local import Folder

NAMES = [f"redis_backup_20231205_14302{second}.rdb.zst" for second in range(5)]
LATEST = NAMES[-1]


@dataclass(frozen=True)
class Counted(Folder):
    """A folder that knows what was read of it."""

    reads: list[str] = field(default_factory=list, compare=False)
    refused: set[str] = field(default_factory=set, compare=False)
    """Files that it cannot read at the moment."""

    def read(self, name: str, limit: int = 64 << 20) -> bytes:
        self.reads.append(name)
        if name in self.refused:
            raise StorageError(f"The file {name} cannot be read.")
        return super().read(name, limit)

    def since(self) -> list[str]:
        """What was read since somebody last asked, but for what tells what was deleted there."""
        found = sorted(name for name in self.reads if not is_ledger(name))
        self.reads.clear()
        return found


@pytest.fixture(autouse=True)
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written now was written long ago."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)


@pytest.fixture
def folder(tmp_path: Path) -> Counted:
    folder = Counted(tmp_path)
    for name in NAMES:
        keep(folder, name)
    # As after a start: what was read while these were made is forgotten.
    remembered._MEMORIES.pop(folder)
    folder.reads.clear()
    return folder


def keep(folder: Folder, name: str, address: str | None = None) -> None:
    folder.put(name, b"content")
    catalogue.add(folder, manifest_of(name, b"content").model_copy(update={"source": Origin(address=address)}))


def names(folder: Folder) -> list[str]:
    return [one.name for one in catalogue.read(folder).backups]


def manifests(*of: str) -> list[str]:
    return [name + MANIFEST_SUFFIX for name in of]


def test_the_second_time_nothing_is_read(folder: Counted) -> None:
    first = catalogue.read(folder)
    assert folder.since() == manifests(*NAMES)
    assert catalogue.read(Counted(folder.path, folder.reads)) == first
    assert folder.since() == []


def test_of_a_new_backup_its_manifest_is_read_and_no_other(folder: Counted) -> None:
    catalogue.read(folder)
    folder.since()
    keep(folder, new := "redis_backup_20231205_150000.rdb.zst")
    assert names(folder) == [new, *reversed(NAMES)]
    assert folder.since() == manifests(new)


def test_notes_are_read_with_their_manifest_and_no_other(folder: Counted) -> None:
    catalogue.read(folder)
    for pinned in (True, False, True):
        catalogue.note(folder, NAMES[1], pinned=pinned)
        folder.since()
        assert [one.name for one in catalogue.read(folder).backups if one.pinned] == NAMES[1:2] * pinned
        assert folder.since() == [*manifests(NAMES[1]), NAMES[1] + NOTES_SUFFIX]


def _deleted(folder: Folder) -> None:
    catalogue.remove(folder, LATEST)


def _lost(folder: Folder) -> None:
    (folder.path / LATEST).unlink()


def _cut(folder: Folder) -> None:
    (folder.path / LATEST).write_bytes(b"cont")


def _without_manifest(folder: Folder) -> None:
    (folder.path / (LATEST + MANIFEST_SUFFIX)).unlink()


def _replaced(folder: Folder) -> None:
    (folder.path / "new").write_bytes(b"{}")
    (folder.path / "new").rename(folder.path / (LATEST + MANIFEST_SUFFIX))


def _trashed(folder: Folder) -> None:
    catalogue.note(folder, LATEST, deleted_at=manifest_of(LATEST).created_at)


@pytest.mark.parametrize(
    ("change", "said", "read"),
    [
        (_deleted, None, []),
        (_lost, "is missing", []),
        (_cut, "4 bytes and not 7", []),
        (_without_manifest, "has no manifest", []),
        (_replaced, "is damaged", manifests(LATEST)),
        (_trashed, None, [*manifests(LATEST), LATEST + NOTES_SUFFIX]),
    ],
)
def test_what_others_do_is_seen_by_the_next_who_looks(
    change: Callable[[Folder], None], said: str | None, read: list[str], folder: Counted
) -> None:
    catalogue.read(folder)
    change(folder)
    folder.since()
    found = catalogue.read(folder)
    assert [one.name for one in found.backups] == NAMES[-2::-1]
    assert [said in problem for problem in found.faults.values() if said] == [True] * (said is not None)
    assert [*found.amiss] == [LATEST] * (change is _without_manifest)
    assert len(found.trash) == (change is _trashed)
    assert folder.since() == read, "what was said of the others still holds"
    assert (catalogue.read(folder), folder.since()) == (found, []), "a bad one is not read again either"


def test_what_was_wrong_and_is_whole_again_is_a_backup_again(folder: Counted) -> None:
    good = folder.read(LATEST + MANIFEST_SUFFIX)
    _cut(folder)
    assert names(folder) == NAMES[-2::-1]
    (folder.path / LATEST).write_bytes(b"content")
    assert names(folder) == NAMES[::-1]
    (folder.path / (LATEST + MANIFEST_SUFFIX)).write_bytes(b"{}")
    assert names(folder) == NAMES[-2::-1]
    folder.put(LATEST + MANIFEST_SUFFIX, good, replace=True)
    assert names(folder) == NAMES[::-1]


def test_what_cannot_be_read_now_is_tried_again(folder: Counted) -> None:
    folder.refused.update(manifests(LATEST))
    assert catalogue.read(folder).problems == [f"The file {LATEST}{MANIFEST_SUFFIX} cannot be read."]
    folder.since()
    folder.refused.clear()
    assert names(folder) == NAMES[::-1]
    assert folder.since() == manifests(LATEST)


def test_nobody_can_change_what_others_are_told(folder: Counted) -> None:
    found = catalogue.read(folder)
    for part in (found.backups, found.listed, found.faults, found.undos, found.trash):
        part.clear()
    assert names(folder) == NAMES[::-1]


def test_where_reading_takes_long_each_who_asks_goes_on_and_is_told_how_far_it_has_come(
    folder: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "AT_LEAST", 2)
    monkeypatch.setattr(remembered.Memory, "seconds", 0)
    for read in (2, 4):
        with pytest.raises(UnreadError, match=rf"is being read, {read} of 5 manifests by now: look again"):
            catalogue.read(folder)
        assert catalogue.unread(folder) == 5 - read
    assert names(folder) == NAMES[::-1]
    assert (catalogue.unread(folder), folder.since()) == (0, manifests(*NAMES))


def test_the_latest_ones_are_read_first(folder: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "AT_LEAST", 1)
    monkeypatch.setattr(remembered.Memory, "seconds", 0)
    with pytest.raises(UnreadError):
        catalogue.read(folder)
    assert folder.since() == manifests(LATEST)


def test_who_reads_ahead_waits_for_all_of_it(folder: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "AT_LEAST", 0)
    monkeypatch.setattr(remembered.Memory, "seconds", 0)
    catalogue.read_ahead(folder)
    folder.since()
    assert (names(folder), folder.since()) == (NAMES[::-1], [])


def test_for_the_latest_only_the_latest_are_read(folder: Counted) -> None:
    assert catalogue.get(folder, "latest", ANYWHERE).name == LATEST
    assert set(folder.since()) <= {*manifests(*NAMES[-2:])}


def test_the_latest_is_of_its_source_however_many_others_there_are(folder: Counted) -> None:
    keep(folder, mine := "redis_backup_20231205_140000.rdb.zst", "a:1")
    assert catalogue.get(folder, "latest", Scope("a:1", None)).name == mine


def test_the_latest_is_the_one_begun_last_where_its_name_had_been_taken(folder: Counted) -> None:
    """Two of a second: the later one's name is of a second that another was begun in."""
    at = manifest_of(LATEST).created_at
    begun_later = artifact_name(at + timedelta(seconds=1), "rdb", ".zst")
    later = manifest_of(begun_later, b"content").model_copy(update={"created_at": at + timedelta(seconds=1)})
    begun_before = artifact_name(at + timedelta(seconds=2), "rdb", ".zst")
    before = manifest_of(begun_before, b"content").model_copy(update={"created_at": at + timedelta(microseconds=5)})
    for one in (later, before):
        folder.put(one.name, b"content")
        catalogue.add(folder, one)
    assert catalogue.get(folder, "latest", ANYWHERE).name == begun_later
    assert files(folder.path)[-2] == begun_before


@dataclass(frozen=True)
class Away(Counted):
    """The same far away, where three answers are on their way at once: each comes when all of them do."""

    together: Barrier | None = field(default_factory=lambda: Barrier(3), compare=False)

    @property
    def readers(self) -> int:
        return 3

    def read(self, name: str, limit: int = 64 << 20) -> bytes:
        if name.endswith(MANIFEST_SUFFIX) and self.together:
            self.together.wait(60)
        return super().read(name, limit)


@pytest.fixture
def away(folder: Counted) -> Away:
    keep(folder, "redis_backup_20231205_143000.rdb.zst")
    remembered._MEMORIES.clear()
    folder.reads.clear()
    return Away(folder.path)


def test_from_far_away_as_many_are_read_at_once_as_it_has_readers_and_each_once(away: Away) -> None:
    assert len(catalogue.read(away).backups) == 6
    assert len(away.since()) == 6
    assert (len(catalogue.read(away).backups), away.since()) == (6, [])


def test_what_came_from_far_away_before_a_request_had_to_end_is_not_read_again(
    away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Away(away.path, together=None)  # of those that have begun when a request ends there may be one or two
    monkeypatch.setattr(remembered, "AT_LEAST", 2)
    monkeypatch.setattr(remembered.Memory, "seconds", 0)
    with pytest.raises(UnreadError, match="2 of 6 manifests by now"):
        catalogue.read(away)
    assert len(catalogue.read_ahead(away).backups) == 6
    assert len(away.since()) == 6


def test_where_one_cannot_be_read_and_then_nothing_can_the_next_look_lacks_none(
    folder: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, read = Away(folder.path, refused={*manifests(LATEST)}, together=None), Away.read

    def unavailable(self: Away, name: str, limit: int = 64 << 20) -> bytes:
        if name in manifests(NAMES[0]):
            raise StorageUnavailableError("It does not answer.")
        return read(self, name, limit)

    monkeypatch.setattr(Away, "read", unavailable)
    with pytest.raises(StorageUnavailableError):
        catalogue.read(away)
    monkeypatch.setattr(Away, "read", read)
    away.refused.clear()
    assert [one.name for one in catalogue.read(away).backups] == NAMES[::-1]
