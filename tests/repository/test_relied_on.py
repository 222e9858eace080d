"""Who only shows what lies in a bucket relies on the last look for a while, and on what another process has read there."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.backups import eventually, manifest_of
from tests.support.bucket import S3
from tests.support.obstacle import Obstacle, before
from worker.errors import StorageError
from worker.repository import catalogue, remembered
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.repository.remembered import Memory
from worker.storage import open_storage
from worker.storage.remote import Remote

NAMES = [f"redis_backup_20231205_14302{second}.rdb" for second in range(3)]


@pytest.fixture
def obstacle(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Obstacle]:
    with before(s3.endpoint) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.endpoint)
        yield found


@pytest.fixture
def far(in_s3: Remote, obstacle: Obstacle) -> Remote:
    """The same bucket behind the obstacle, with three backups."""
    for name in NAMES:
        keep(in_s3, name)
    another_process()
    storage = open_storage(in_s3.place)
    assert isinstance(storage, Remote)
    obstacle.clear()
    return storage


@pytest.fixture(autouse=True)
def afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("shows", "relied_on"):
        monkeypatch.setattr(Memory, name, getattr(Memory, name))


def another_process() -> None:
    """One that has looked at nothing yet."""
    remembered._MEMORIES.clear()


def keep(storage: Remote, name: str) -> None:
    storage.put(name, b"content")
    catalogue.add(storage, manifest_of(name, b"content"))


def names(storage: Remote) -> list[str]:
    return [backup.name for backup in catalogue.read(storage).backups]


def asked(obstacle: Obstacle) -> tuple[int, int]:
    """How often for a list and for a file, since somebody last asked."""
    lists = [line for line in obstacle.seen if "list-type" in line]
    files = len(obstacle.seen) - len(lists)
    obstacle.seen.clear()
    return len(lists), files


def test_a_new_process_reads_nothing_again_that_another_has_read(far: Remote, obstacle: Obstacle) -> None:
    catalogue.show_only()
    assert names(far) == NAMES[::-1]
    assert asked(obstacle) == (1, 3)
    another_process()
    assert names(far) == NAMES[::-1]
    assert asked(obstacle) == (1, 0)


def test_what_has_changed_is_read_again_and_what_is_gone_is_gone(
    far: Remote, in_s3: Remote, s3: S3, obstacle: Obstacle
) -> None:
    catalogue.show_only()
    names(far)
    catalogue.note(in_s3, NAMES[0], pinned=True)
    s3.put(in_s3, NAMES[1] + MANIFEST_SUFFIX, b"{}")
    catalogue.remove(in_s3, NAMES[2])
    another_process()
    obstacle.seen.clear()
    found = catalogue.read(far)
    assert [(backup.name, backup.pinned) for backup in found.backups] == [(NAMES[0], True)]
    assert [damaged.name for damaged in found.damaged] == [NAMES[1]]
    # The third is what tells others what was signed and deleted there.
    assert asked(obstacle) == (1, 3)


@pytest.mark.parametrize("harm", ["a byte", "half", "another file"])
def test_texts_that_are_damaged_are_read_anew(harm: str, far: Remote, obstacle: Obstacle, tmp_path: Path) -> None:
    catalogue.show_only()
    names(far)
    (kept,) = (tmp_path / "cache/texts").iterdir()
    assert [oct(path.stat().st_mode)[-3:] for path in (kept, kept.parent)] == ["600", "700"]
    content = kept.read_bytes()
    harmed = {"a byte": content.replace(b"redis_backup", b"redis-backup", 1), "half": content[: len(content) // 2]}
    kept.write_bytes(harmed.get(harm, b"[]"))
    another_process()
    asked(obstacle)
    assert names(far) == NAMES[::-1]
    assert asked(obstacle) == (1, 3)


def test_many_may_look_at_once(far: Remote) -> None:
    catalogue.show_only()
    with ThreadPoolExecutor(8) as threads:
        looks = [threads.submit(names, far) for _ in range(8)]
        latest = [threads.submit(lambda: catalogue.get(far, "latest").name) for _ in range(8)]
    assert [look.result() for look in looks] == [NAMES[::-1]] * 8
    assert {look.result() for look in latest} == {NAMES[2]}


def test_whoever_may_change_something_relies_on_nothing(far: Remote, obstacle: Obstacle) -> None:
    catalogue.show_only()
    names(far)
    another_process()
    Memory.shows = False
    asked(obstacle)
    assert names(far) == NAMES[::-1]
    assert asked(obstacle) == (1, 3)
    assert catalogue.read(far).seen_at is None
    assert asked(obstacle) == (1, 0)


def test_the_last_look_is_relied_on_until_this_machine_writes(far: Remote, in_s3: Remote, obstacle: Obstacle) -> None:
    catalogue.show_only(1000)
    assert catalogue.read(far).seen_at is None
    asked(obstacle)
    for _ in range(3):
        again = catalogue.read(far)
        assert [backup.name for backup in again.backups] == NAMES[::-1]
        assert again.seen_at is not None
    assert asked(obstacle) == (0, 0)
    assert catalogue.read_ahead(far).seen_at is None
    assert asked(obstacle) == (1, 0), "who asks for all of it is given no earlier look"
    keep(in_s3, new := "redis_backup_20231206_000000.rdb")
    assert names(far) == [new, *NAMES[::-1]]
    catalogue.remove(in_s3, new)
    assert names(far) == NAMES[::-1]


def test_a_look_is_renewed_before_it_is_too_old_and_nobody_waits_for_it(
    far: Remote, s3: S3, obstacle: Obstacle, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.show_only(1000)
    catalogue.read(far)
    s3.delete(far, NAMES[2] + MANIFEST_SUFFIX)
    s3.delete(far, NAMES[2])
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + 500)
    assert names(far) == NAMES[::-1], "as it was seen"
    assert eventually(lambda: names(far) == NAMES[1::-1])
    monkeypatch.setattr(time, "monotonic", lambda: now() + 5000)
    assert catalogue.read(far).seen_at is None, "too old to be relied on"


def test_a_bucket_that_is_away_is_said_once_nobody_may_rely_on_the_last_look(
    far: Remote, obstacle: Obstacle, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.show_only(1000)
    catalogue.read(far)
    obstacle.from_on(0, 403)
    assert names(far) == NAMES[::-1]
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + 5000)
    with pytest.raises(StorageError, match="s3:ListBucket"):
        catalogue.read(far)
