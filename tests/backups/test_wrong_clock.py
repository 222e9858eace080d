"""A clock that is wrong: a backup that is dated in the future stops neither backups nor pruning, and everybody is told."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import dated, files, settings_for
from tests.support.dashboard import Browser, Web
from tests.support.processes import Shell
from tests.support.servers import Binary, Server
from worker.arguments.backups import BackupArguments, PruneArguments
from worker.backups.backup import backup
from worker.backups.prune import prune
from worker.backups.stats import stats
from worker.config.settings import Settings
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import CLOCKS_APART, Manifest, Scope
from worker.repository.scope import scope_of
from worker.storage.local import Folder

SAID = "the clock of this machine was set back, or that backup was made with a wrong clock"


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    started = start_server(newest)
    started.client().set("key", "value")
    return started


def fresh(settings: Settings) -> bool:
    """Whether the interval finds a young enough backup, and makes none."""
    return "skipped" in backup(settings, BackupArguments(unless_younger_than_hours=6), silent)


def test_freshness_looks_at_the_newest_whose_date_has_come(server: Server, tmp_path: Path) -> None:
    settings = settings_for(server, tmp_path)
    dated(settings, -24)
    assert [fresh(settings) for _ in range(3)] == [False, True, True]


def test_machines_may_disagree_about_the_time_by_moments(server: Server, tmp_path: Path) -> None:
    settings = settings_for(server, tmp_path)
    dated(settings, -CLOCKS_APART.total_seconds() / 3600 / 2)
    assert fresh(settings)


def test_pruning_goes_on_and_leaves_what_is_dated_in_the_future(server: Server, tmp_path: Path) -> None:
    settings = settings_for(server, tmp_path)
    ahead = [dated(settings, -hours) for hours in (24, 9000)]
    rest = [dated(settings, hours) for hours in (1, 2, 3, 4)]
    told = prune(settings, PruneArguments(keep=2), silent)
    assert [one["name"] for one in told["deleted"]] == rest[2:]
    assert [one["name"] for one in told["kept"]] == [*ahead[::-1], *rest[:2]]
    assert sorted(told["warnings"]) == sorted(catalogue.of_ahead(one) for one in catalogue.read(Folder(tmp_path)).ahead)
    assert set(ahead) < set(files(tmp_path))


def test_the_newest_is_one_whose_date_has_come_unless_there_is_no_other(tmp_path: Path, server: Server) -> None:
    settings, storage = settings_for(server, tmp_path), Folder(tmp_path)
    ahead = dated(settings, -24)
    assert catalogue.get(storage, "latest", scope_of(settings)).name == ahead
    other = dated(settings, 30)
    assert catalogue.get(storage, "latest", scope_of(settings)).name == other
    assert catalogue.get(storage, "latest", Scope("elsewhere:1", None)).name == other
    assert catalogue.get(storage, ahead).name == ahead


def test_the_numbers_are_those_of_the_newest_whose_date_has_come(server: Server, tmp_path: Path) -> None:
    settings = settings_for(server, tmp_path)
    ahead, newest = dated(settings, -24), dated(settings, 5)
    told = stats(settings)
    assert (told["count"], told["newest"], told["ahead"]) == (1, newest, [ahead])
    assert 4.9 * 3600 < told["last_good_age_seconds"] < 5.1 * 3600
    assert SAID in told["warnings"][0]
    due = datetime.fromisoformat(told["next_runs"]["interval"])
    assert timedelta(hours=18) < due - datetime.now(UTC) < timedelta(hours=20)


def test_pages_api_and_metrics_tell_of_it_and_of_the_age_without_it(web_app: Web, admin: Browser) -> None:
    ahead, newest = dated(web_app.settings, -24), dated(web_app.settings, 5)
    overview = admin.get("/").text
    assert "A backup is dated in the future" in overview
    assert SAID in overview
    assert re.search(r"Last good backup\s+5 hours ago", overview)
    for page in ("/backups", "/schedule"):
        assert SAID in admin.get(page).text
    assert "dated in the future: until then it neither counts nor goes" in admin.get("/schedule").text
    listed = admin.get("/api/backup/list").get_json()
    assert [one["name"] for one in listed["backups"]] == [ahead, newest]
    assert SAID in listed["warnings"][0]
    assert admin.get("/api/backup/manifest/latest").get_json()["name"] == newest
    numbers = admin.get("/metrics").text
    assert "redis_backup_backups_ahead 1.0" in numbers
    at = float(re.findall(r"^redis_backup_last_success_timestamp_seconds (\S+)$", numbers, re.MULTILINE)[0])
    assert abs(datetime.now(UTC).timestamp() - 5 * 3600 - at) < 600


def test_an_undo_of_the_future_is_told_and_can_undo(tmp_path: Path, server: Server) -> None:
    settings, storage = settings_for(server, tmp_path), Folder(tmp_path)
    name = dated(settings, -24)
    undo = catalogue.get(storage, name).model_copy(update={"kind": "undo", "undoes": "some-run"})
    catalogue.remove(storage, name)
    storage.put(name, b"content")
    catalogue.add(storage, undo)
    assert catalogue.read(storage).warnings == [catalogue.of_ahead(undo)]
    assert catalogue.undo_of(storage, "some-run").name == name


@pytest.mark.slow
def test_a_machine_whose_clock_was_a_day_ahead_goes_on_when_it_is_right_again(
    server: Server, tmp_path: Path, faketime: Callable[..., dict[str, str]]
) -> None:
    shell = Shell(server.url, tmp_path / "backups", tmp_path)
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d %H:%M:%S}"
    deceived = faketime({"TZ": "UTC"}, tomorrow)
    ahead = shell("backup", "--json", LD_PRELOAD=deceived["LD_PRELOAD"], FAKETIME=deceived["FAKETIME"]).data
    assert datetime.fromisoformat(ahead["created_at"]) > datetime.now(UTC) + timedelta(hours=23)
    again = [Manifest.model_validate(shell("backup", "--json").data) for _ in range(2)]
    listed = shell("list")
    assert f"Note: {ahead['name']} is dated in the future: {SAID}" in listed.err
    pruned = shell("prune", "--keep-manual", "1", "--json").data
    assert [one["name"] for one in pruned["deleted"]] == [again[0].name]
    assert shell("verify", "latest", "--json").data["name"] == again[1].name
