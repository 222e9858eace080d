"""What was missed is made up for: which copies are queued, and which are not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.copies.given import copied, folder, settings_of, take, take_ago
from tests.support.servers import Binary
from worker.arguments.backups import DeleteArguments
from worker.backups.copies.missing import MOST_UNDER_WAY, Missing, to_be_made
from worker.backups.trash import delete
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.runs.run import Run, new
from worker.runs.store import open_runs
from worker.storage.local import Folder


@pytest.fixture
def settings(newest: Binary, start_server: StartServer, home: Folder, there: Folder) -> Settings:
    return settings_of(home, there, celery_broker_url=start_server(newest).url)


def remembered(settings: Settings, name: str, to: str | None, **more: object) -> None:
    """A run of a copy."""
    run: Run = new("a-run", "copy", {"name": name, "to": to}, "beat, to catch up").model_copy(update=more)
    with open_runs(settings) as runs:
        assert runs.add(run)


def test_what_is_missing_is_queued_the_newest_first_to_each_storage(
    settings: Settings, home: Folder, there: Folder, tmp_path: Path
) -> None:
    second = folder(tmp_path / "second")
    settings = settings.model_copy(update={"backup_copies": (str(there), str(second))})
    old, young = take_ago(home, 5), take_ago(home, 1)
    copied(settings, young, str(there))
    assert to_be_made(settings) == [Missing(young, str(second)), Missing(old, str(there)), Missing(old, str(second))]
    copied(settings, old)
    copied(settings, young)
    assert to_be_made(settings) == []


def test_what_is_no_good_backup_is_not_queued(settings: Settings, home: Folder) -> None:
    for hours, kind in enumerate(("undo", "partial", "part"), start=2):
        take_ago(home, hours, kind=kind, warnings=["why"], restored="of.rdb")
    take_ago(home, -30)
    delete(settings, DeleteArguments(name=take_ago(home, 8)))
    assert to_be_made(settings) == []


def test_what_only_lies_half_there_is_queued_and_what_is_something_else_is_not(
    settings: Settings, home: Folder, there: Folder
) -> None:
    bare, other, deleted = take_ago(home, 3), take_ago(home, 2), take_ago(home, 1)
    there.put(bare, home.read(bare))
    take(there, other, b"something else")
    copied(settings, deleted)
    delete(settings_of(there), DeleteArguments(name=deleted))
    assert to_be_made(settings) == [Missing(bare, str(there))]
    assert there.read(other + MANIFEST_SUFFIX) != home.read(other + MANIFEST_SUFFIX)


@pytest.mark.parametrize("spelt", ["as set", "with a detour", "for all"])
def test_what_somebody_is_at_is_not_queued_again(spelt: str, settings: Settings, home: Folder, there: Folder) -> None:
    name, other = take_ago(home, 1), take_ago(home, 2)
    remembered(settings, name, {"as set": str(there), "with a detour": f"{there}/../copies", "for all": None}[spelt])
    assert to_be_made(settings) == [Missing(other, str(there))]


def test_what_failed_is_queued_again_after_an_hour(settings: Settings, home: Folder, there: Folder) -> None:
    name, now = take_ago(home, 3), datetime.now(UTC)
    ago = {"queued_at": now - timedelta(minutes=50), "due_at": now - timedelta(minutes=50)}
    remembered(settings, name, str(there), state="FAILURE", ended_at=now, **ago)
    assert to_be_made(settings) == []
    with open_runs(settings) as runs:
        runs.forget("a-run")
    ago = {"queued_at": now - timedelta(minutes=70), "due_at": now - timedelta(minutes=70)}
    remembered(settings, name, str(there), state="FAILURE", ended_at=now - timedelta(minutes=61), **ago)
    assert to_be_made(settings) == [Missing(name, str(there))]


def test_so_many_at_a_time(settings: Settings, home: Folder, there: Folder) -> None:
    taken = [take_ago(home, hours) for hours in range(1, MOST_UNDER_WAY + 4)]
    assert [each.name for each in to_be_made(settings)] == taken[:MOST_UNDER_WAY]
    remembered(settings, taken[0], str(there))
    assert [each.name for each in to_be_made(settings)] == taken[1:MOST_UNDER_WAY]


def test_a_storage_that_is_away_is_not_asked_for_anything(settings: Settings, home: Folder, tmp_path: Path) -> None:
    take_ago(home, 1)
    away = settings.model_copy(update={"backup_copies": (str(tmp_path / "not" / "mounted"),)})
    assert to_be_made(away) == []
    with pytest.raises(BrokerUnavailableError):
        to_be_made(settings.model_copy(update={"celery_broker_url": "redis://127.0.0.1:1/0"}))
