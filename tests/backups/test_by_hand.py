"""What is made by hand or over a token pushes out nothing of the schedule's, and a token deletes only its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import dated, manifest_of, settings_for
from tests.support.dashboard import Browser, Script, Web
from tests.support.processes import CELERY, Background, Shell, eventually
from tests.support.servers import Binary, Server
from worker import tasks
from worker.arguments.backups import PruneArguments
from worker.backups.prune import prune
from worker.broker import audit
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.behalf import trigger_of
from worker.repository.manifest import Manifest
from worker.runs.store import open_runs
from worker.storage.local import Folder


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    started = start_server(newest)
    started.client().set("key", "value")
    return started


def scheduled(web: Web, hours: float) -> str:
    """A backup of the web's source that the schedule made so many hours ago."""
    return dated(web.settings, hours, asked_by="beat daily")


@contextmanager
def working(web: Web, **settings: str) -> Iterator[Background]:
    command = (*CELERY, "worker", "--concurrency", "1", "--without-gossip", "--without-mingle")
    worker = Background(*command, env=web.env | settings, cwd=web.folder, name="worker")
    try:
        worker.wait_until_it_says("ready")
        yield worker
    finally:
        worker.stop()


def ended(web: Web, identity: str) -> dict[str, Any]:
    """What came of that run."""
    with open_runs(web.settings) as runs:

        def over() -> bool:
            run = runs.get(identity)
            return run is not None and run.ended

        eventually(over, "the run to end")
        run = runs.get(identity)
    assert run is not None
    assert run.state == "SUCCESS", run.error
    return dict(run.value)


def pruned_after(web: Web, backups: int) -> list[dict[str, Any]]:
    """The prunes that followed so many backups, newest first."""
    with open_runs(web.settings) as runs:

        def all_over() -> bool:
            found = list(runs.each("prune"))
            return len(found) == backups and all(run.ended for run in found)

        eventually(all_over, "the prunes to end")
        return [run.arguments | {"asked_by": run.asked_by, "value": run.value} for run in runs.each("prune")]


def create(web: Web, client: Script | Browser) -> str:
    answer = client.post("/api/backup/create", json={})
    assert answer.status_code == 202, answer.text
    return str(ended(web, answer.get_json()["result_id"])["name"])


def listed(web: Web) -> dict[str, Manifest]:
    return {one.name: one for one in catalogue.read(Folder(web.storage)).backups}


@pytest.mark.slow
def test_a_token_and_a_button_push_out_nothing_that_the_schedule_made(web_app: Web, admin: Browser) -> None:
    web_app.source.client().set("key", "value")
    # One more than is kept: the next prune of the schedule's own will take it, and no other.
    good = [scheduled(web_app, hours) for hours in (20, 30, 40)]
    script = web_app.with_token("backup", name="ci")
    with working(web_app, BACKUP_KEEP="2", BACKUP_KEEP_MANUAL="2"):
        mine = [create(web_app, script) for _ in range(4)]
        prunes = pruned_after(web_app, 4)
        assert [one["made_by"] for one in prunes] == ["token ci"] * 4
        assert {one["asked_by"] for one in prunes} == {"token ci, after the backup"}
        assert set(listed(web_app)) == {*good, *mine[2:]}
        told = {one["name"]: one["reason"] for one in prunes[0]["value"]["kept"]}
        assert told[good[2]] == "older than the 2 newest of the schedule, but not made by token ci"
        found = listed(web_app)[mine[3]]
        assert (found.trigger, found.asked_by) == ("manual", "token ci")
        by_button = [create(web_app, admin) for _ in range(3)]
        prunes = pruned_after(web_app, 7)
        assert "made_by" not in prunes[0]
        # What the admin starts may take whatever retention gives up: of the schedule's that is what is too much of them.
        assert set(listed(web_app)) == {*good[:2], *mine[2:], *by_button[1:]}
        assert listed(web_app)[by_button[2]].asked_by == "admin"


def test_a_token_takes_nothing_away_but_its_own_backups(web_app: Web) -> None:
    web_app.source.client().set("key", "value")
    others = web_app.with_token("backup", name="other")
    script = web_app.with_token("backup", name="ci")
    (web_app.storage).mkdir(mode=0o700)
    left = web_app.storage / ".redis_backup_20231205_143022.rdb.partial"
    left.write_bytes(b"left by a run that was killed")
    with working(web_app, BACKUP_KEEP_MANUAL="1"):
        theirs = create(web_app, others)
        mine = [create(web_app, script) for _ in range(2)]
        pruned_after(web_app, 3)
        assert set(listed(web_app)) == {theirs, mine[1]}
    assert left.exists()


def test_a_manual_backup_is_fresh_too_and_the_daily_one_is_made_all_the_same(web_app: Web, admin: Browser) -> None:
    web_app.source.client().set("key", "value")
    with working(web_app):
        by_hand = create(web_app, admin)
        interval = tasks.backup.apply_async(
            kwargs={"unless_younger_than_hours": 24}, headers={"asked_by": "beat interval"}
        )
        eventually(interval.ready, "the interval's run to end")
        assert by_hand in interval.result["skipped"]
        daily = tasks.backup.apply_async(headers={"asked_by": "beat daily"})
        made = Manifest.model_validate(ended(web_app, daily.id))
        assert (made.trigger, made.asked_by) == ("schedule", "beat daily")


@pytest.mark.parametrize(
    ("asked_by", "trigger"),
    [
        (None, "schedule"),
        ("beat daily", "schedule"),
        ("beat, at its start", "schedule"),
        ("shell root@host, scheduled", "schedule"),
        ("shell root@host", "manual"),
        ("admin", "manual"),
        ("token beat", "manual"),
        ("token ci, scheduled", "manual"),
        ("celery root@host", "manual"),
        ("unknown", "manual"),
    ],
)
def test_who_asks_says_whether_it_is_a_schedule(asked_by: str | None, trigger: str) -> None:
    assert trigger_of(asked_by) == trigger


def test_a_backup_of_the_shell_is_by_hand_unless_it_is_said_to_be_scheduled(server: Server, tmp_path: Path) -> None:
    shell = Shell(server.url, tmp_path / "backups", tmp_path)
    by_hand, cron = shell("backup", "--json").data, shell("backup", "--scheduled", "--json").data
    assert (by_hand["trigger"], cron["trigger"]) == ("manual", "schedule")
    assert by_hand["asked_by"].startswith("shell ")
    assert cron["asked_by"] == f"{by_hand['asked_by']}, scheduled"
    dry = shell("prune", "--keep", "1", "--keep-manual", "1", "--dry-run").out
    assert f"would be kept: {by_hand['name']} (one of the 1 newest made by hand)" in dry
    assert f"would be kept: {cron['name']} (one of the 1 newest of the schedule)" in dry


def test_dry_and_real_agree_for_who_may_delete_only_their_own(tmp_path: Path, server: Server) -> None:
    settings, storage = settings_for(server, tmp_path, backup_keep_manual=1), Folder(tmp_path)
    names = [f"redis_backup_2023120{day}_143022.rdb" for day in range(1, 6)]
    for name, asked_by in zip(names, ("token a", "token a", "token b", "token b", "admin"), strict=True):
        storage.put(name, b"content")
        made = manifest_of(name, b"content")
        catalogue.add(storage, made.model_copy(update={"trigger": "manual", "asked_by": asked_by}))
    dry = prune(settings, PruneArguments(made_by="token a", dry_run=True), silent)
    real = prune(settings, PruneArguments(made_by="token a"), silent)
    assert real == {**dry, "dry_run": False}
    assert [one["name"] for one in real["deleted"]] == names[:1]


# Pins.


def test_a_pin_is_kept_with_its_reason_until_it_is_taken_back(server: Server, tmp_path: Path) -> None:
    shell = Shell(server.url, tmp_path / "backups", tmp_path)
    first = shell("backup", "--json").data["name"]
    told = shell("pin", first, "--why", "before the\nmigration")
    assert (told.code, told.out) == (0, f"{first} is pinned: before the migration\n")
    second, third = (shell("backup", "--json").data["name"] for _ in range(2))
    assert "before the migration" in shell("list").out
    dry = shell("prune", "--keep-manual", "1", "--dry-run").out
    assert f"would be kept: {first} (pinned: before the migration)" in dry
    pruned = shell("prune", "--keep-manual", "1", "--json").data
    assert [one["name"] for one in pruned["deleted"]] == [second]
    assert shell("unpin", first).out == f"{first} is not pinned any more\n"
    assert shell("unpin", first).out == f"{first} was not pinned\n"
    pruned = shell("prune", "--keep-manual", "1", "--json").data
    assert [one["name"] for one in pruned["trashed"]] == [first]
    assert [one["name"] for one in pruned["kept"]] == [third]


def test_a_pin_needs_a_reason_and_a_backup(server: Server, tmp_path: Path) -> None:
    shell = Shell(server.url, tmp_path / "backups", tmp_path)
    assert shell("pin", "latest").code == 2
    missing = shell("pin", "redis_backup_20010101_000000.rdb", "--why", "x")
    assert (missing.code, "There is no backup of the name" in missing.err) == (1, True)
    name = shell("backup", "--json").data["name"]
    assert shell("pin", "latest", "--why", "x", "--json").data == {"pinned": name, "why": "x"}
    refused = shell("unpin", "latest")
    assert (refused.code, "name it in full" in refused.err) == (1, True)


def test_a_pin_over_the_api_is_audited_and_needs_the_scope_of_what_can_do_harm(web_app: Web) -> None:
    name = scheduled(web_app, 1)
    script, lesser = web_app.with_token("restore", name="ops"), web_app.with_token("read", "backup")
    address = f"/api/backups/{name}/pin"
    for call in (lesser.post(address, json={"why": "x"}), lesser.delete(address)):
        assert call.status_code == 403
    assert script.post(address, json={}).status_code == 400
    assert script.post("/api/backups/redis_backup_20010101_000000.rdb/pin", json={"why": "x"}).status_code == 404
    assert script.delete("/api/backups/latest/pin").status_code == 400
    with working(web_app):
        told = ended(web_app, script.post(address, json={"why": "before the migration"}).get_json()["result_id"])
        assert told == {"pinned": name, "why": "before the migration"}
        assert listed(web_app)[name].pin_reason == "before the migration"
        assert ended(web_app, script.delete(address).get_json()["result_id"]) == {"unpinned": name, "was_pinned": True}

        def is_audited() -> bool:
            deeds = {(one.what, one.who, one.outcome) for one in audit.recent(web_app.settings)}
            return {("pin", "token ops", "SUCCESS"), ("unpin", "token ops", "SUCCESS")} <= deeds

        eventually(is_audited, "both to be in the audit log")
    assert not listed(web_app)[name].pinned


@pytest.mark.slow
def test_a_pin_on_the_page_is_shown_with_its_reason(web_app: Web, admin: Browser) -> None:
    name = scheduled(web_app, 1)
    assert "Why it is to be kept" in admin.get(f"/backups/{name}").text
    assert "why: must be given" in admin.post(f"/backups/{name}/pin", data={"why": " "}).text
    with working(web_app):
        asked = admin.post(f"/backups/{name}/pin", data={"why": "<b>before</b> the migration"})
        ended(web_app, asked.location.rpartition("/")[2])
        assert "is kept: &lt;b&gt;before&lt;/b&gt; the migration." in admin.get(asked.location).text
        for page in ("/backups", f"/backups/{name}", "/schedule"):
            shown = admin.get(page).text
            assert "&lt;b&gt;before&lt;/b&gt; the migration" in shown
            assert "<b>before" not in shown
        asked = admin.post(f"/backups/{name}/unpin")
        ended(web_app, asked.location.rpartition("/")[2])
    assert "Why it is to be kept" in admin.get(f"/backups/{name}").text
    assert not listed(web_app)[name].pinned
