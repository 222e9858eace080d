"""Runs of others in our broker: what is said of our backups is drawn from our own runs alone, and lists say whose."""

import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import StartServer
from tests.support.dashboard import Browser, Web
from tests.support.processes import CANARY, PYTHON, Background, Ended, eventually, run
from tests.support.servers import Binary, Server
from tests.web.api.alive import hear_of, numbers
from worker.broker import heartbeat
from worker.broker.lease import LEASE_SECONDS
from worker.config.settings import Settings
from worker.restore.mirror import recovery
from worker.runs import listing, ownership
from worker.runs.operations import KEPT_OF_QUESTIONS
from worker.runs.reaper import Means, reap
from worker.runs.run import Run, here, new
from worker.runs.store import Runs, open_runs

SHELL = f"shell {here()}"
HERE = socket.gethostname()
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def settings(newest: Binary, start_server: StartServer, tmp_path: Path) -> Settings:
    url = start_server(newest).url
    elsewhere = {"other": "redis://other.example:6379/0"}
    return Settings(
        celery_broker_url=url, redis_url="redis://ours:1/0", backup_storage=str(tmp_path), redis_targets=elsewhere
    )


@pytest.fixture
def memory(settings: Settings) -> Iterator[Runs]:
    with open_runs(settings) as memory:
        yield memory


def made(settings: Settings, operation: str = "backup", asked_by: str = "admin", **told: Any) -> Run:
    """A run that has begun with these settings."""
    fields = ownership.subject(settings, operation, told.pop("arguments", {}))
    number = told.pop("id", f"run-{operation}-{asked_by}-{len(told)}-{id(told)}")
    return new(number, operation, {}, asked_by).model_copy(update={"state": "SUCCESS", **fields, **told})


def other(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update=changes)


def test_a_run_carries_what_it_is_about_and_no_secret(settings: Settings) -> None:
    secret = other(settings, redis_url=f"redis://user:{CANARY}@ours:1/3", backup_storage="some/folder/../backups")
    found = made(secret, arguments={"databases": "3,0"})
    assert (found.source, found.databases, found.target) == ("ours:1", (0, 3), None)
    assert found.storage == f"{HERE}:{Path.cwd()}/some/backups"
    assert CANARY not in found.model_dump_json()
    assert made(secret, "restore").target == "ours:1"
    assert made(secret, "preview", arguments={"target": "other"}).target == "other.example:6379"
    assert made(secret, "undo", arguments={"run": "none that is known"}).target == "ours:1"
    assert made(secret, arguments={"databases": ["no", "number"]}).databases is None


@pytest.mark.parametrize(
    ("operation", "changes", "ours"),
    [
        ("backup", {}, True),
        ("backup", {"redis_url": "redis://others:1/0"}, False),
        ("backup", {"backup_storage": "/elsewhere"}, False),
        ("backup", {"backup_databases": frozenset({3})}, False),
        ("verify", {"redis_url": "redis://others:1/0"}, True),
        ("verify", {"backup_storage": "/elsewhere"}, False),
        ("prune", {"backup_storage": "/elsewhere"}, False),
        ("restore", {"backup_storage": "/elsewhere"}, True),
        ("restore", {"redis_url": "redis://others:1/0"}, False),
        ("restore", {"redis_url": "redis://other.example:6379/0"}, True),
        ("undo", {"redis_url": "redis://others:1/0"}, False),
        ("stats", {"redis_url": "redis://others:1/0"}, False),
        ("ping", {"backup_storage": "/elsewhere"}, True),
        ("ping", {"redis_url": "redis://others:1/0"}, False),
    ],
)
def test_a_run_is_ours_when_what_it_is_about_is(
    memory: Runs, settings: Settings, operation: str, changes: dict[str, Any], ours: bool
) -> None:
    for asked_by in ("admin", SHELL):
        is_ours_or_not(memory, made(other(settings, **changes), operation, asked_by, id="theirs"), ours=ours)


@pytest.mark.parametrize(("operation", "asked_by"), [("backup", "admin"), ("restore", SHELL)])
def test_a_run_that_an_older_version_remembered_of_an_ipv6_server_is_ours(
    settings: Settings, operation: str, asked_by: str
) -> None:
    ours = other(settings, redis_url="redis://[::1]:6380/0")
    older = made(ours, operation, asked_by, source="::1:6380", target="::1:6380")
    assert made(ours, operation).source == "[::1]:6380"
    with open_runs(ours) as memory:
        is_ours_or_not(memory, older, ours=True)


def is_ours_or_not(memory: Runs, theirs: Run, *, ours: bool) -> None:
    operation = theirs.operation
    begun = theirs.model_copy(update={"state": "STARTED"})
    assert memory.put(begun)
    assert memory.ours.unfinished() == ([begun] if ours else [])
    assert memory.unfinished() == [begun]
    assert memory.put(theirs)
    assert memory.ours.has(theirs) is ours
    assert list(memory.ours.each(operation)) == ([theirs] if ours else [])
    assert memory.ours.latest(operation) == (theirs if ours else None)
    assert list(memory.each()) == list(memory.each(operation)) == [theirs]
    assert memory.ours.unfinished() == memory.unfinished() == []
    memory.forget(theirs.id)
    assert list(memory.each()) == list(memory.each(operation)) == list(memory.ours.each(operation)) == []


def test_the_same_folder_on_two_machines_is_not_one(memory: Runs, settings: Settings) -> None:
    mine = made(settings, "verify", SHELL)
    assert mine.storage == f"{HERE}:{settings.backup_storage}"
    theirs = mine.model_copy(update={"id": "theirs", "storage": f"elsewhere:{settings.backup_storage}"})
    memory.put(theirs)
    assert list(memory.ours.each("verify")) == []
    # Of the containers of one installation each has a name of its own, and all have the same folder.
    by_a_worker = theirs.model_copy(update={"id": "by a worker", "asked_by": "beat daily"})
    memory.put(by_a_worker)
    assert list(memory.ours.each("verify")) == [by_a_worker]
    memory._client.zadd(heartbeat.HOSTS, {"elsewhere": 1})
    with open_runs(settings) as anew:
        assert {one.id for one in anew.ours.each("verify")} == {"theirs", "by a worker"}, "a worker has been there"


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "localhost:6379"])
def test_the_loopback_of_two_machines_is_not_one(memory: Runs, settings: Settings, address: str) -> None:
    local = other(settings, redis_url=f"redis://{address}/0")
    theirs = made(local, "restore", SHELL).model_copy(update={"storage": "elsewhere:/backups"})
    with open_runs(local) as runs:
        assert not runs.ours.has(theirs)
        assert runs.ours.has(theirs.model_copy(update={"storage": f"{HERE}:/backups"}))
    far = theirs.model_copy(update={"target": "ours:1"})
    assert memory.ours.has(far), "that address is the same server from everywhere"


def test_what_waits_and_what_an_older_version_remembered_counts_as_ours(memory: Runs, settings: Settings) -> None:
    now = datetime.now(UTC)
    old = [
        new(f"old-{n}", "backup", {}, "beat daily").model_copy(update={"queued_at": now - timedelta(n)}) for n in (1, 2)
    ]
    for one in old:
        # As it was written down before a run carried what it is about.
        memory._client.set(listing.run_key(one.id), one.model_dump_json(exclude=ownership.FIELDS))
        for index in ("runs", "runs:backup", "runs:planned:daily"):
            memory._client.zadd(f"redis_backup:{index}", {one.id: one.queued_at.timestamp()})
    assert list(memory.ours.each("backup")) == old
    assert memory.ours.planned("daily") == old[0]
    foreign = made(other(settings, redis_url=NOWHERE), asked_by="beat daily", id="foreign")
    fresh = made(settings, asked_by="beat daily", id="fresh")
    memory.put(foreign)
    assert (list(memory.ours.each("backup")), memory.ours.planned("daily")) == (old, old[0])
    memory.put(fresh)
    assert list(memory.ours.each("backup")) == [fresh, *old]
    assert memory.ours.planned("daily") == fresh
    assert {one.id for one in memory.each("backup")} == {"foreign", "fresh", "old-1", "old-2"}


def test_a_run_that_waited_is_listed_once_when_it_is_known_whose_it_is(memory: Runs, settings: Settings) -> None:
    waits = new("one", "backup", {}, "beat daily")
    memory.add(waits)
    assert list(memory.ours.each("backup")) == [waits]
    for where, ours in ((settings, True), (other(settings, redis_url=NOWHERE), False), (settings, True)):
        begun = made(where, id="one", asked_by="beat daily", state="STARTED", queued_at=waits.queued_at)
        memory.put(begun)
        assert list(memory.ours.each("backup")) == ([begun] if ours else [])
        assert memory.ours.planned("daily") == (begun if ours else None)
        assert list(memory.each()) == [begun]
    memory.forget("one")
    assert not list(memory._client.scan_iter("redis_backup:run:*"))
    assert [*memory.each(), *memory.each("backup"), *memory.ours.each("backup"), *memory.unfinished()] == []


def test_however_much_others_do_ours_stays_in_sight(memory: Runs, settings: Settings) -> None:
    at = datetime.now(UTC) - timedelta(days=1)
    mine = made(settings, "stats", id="mine", queued_at=at)
    memory.put(mine)
    chatty = made(other(settings, redis_url=NOWHERE), "stats", SHELL)
    for number in range(KEPT_OF_QUESTIONS + 20):
        memory.put(chatty.model_copy(update={"id": f"chatty-{number}", "queued_at": at + timedelta(seconds=number)}))
    assert memory.ours.latest("stats") == mine
    assert len(list(memory.each("stats"))) == KEPT_OF_QUESTIONS + 1
    for number in range(listing.OWNERS + 20):
        theirs = made(other(settings, backup_storage=f"/folder/{number}"), "stats", SHELL)
        memory.put(
            theirs.model_copy(update={"id": f"other-{number}", "queued_at": at + timedelta(hours=1, seconds=number)})
        )
    assert memory.ours.latest("stats") == mine
    assert len(list(memory.each("stats"))) == listing.OWNERS + 1, "those of too many others are forgotten"
    left = {key.decode() for key in memory._client.scan_iter("redis_backup:run:*")}
    assert left == {listing.run_key(one.id) for one in memory.each()}
    assert len(list(memory._client.scan_iter("redis_backup:runs:stats:of:*"))) == listing.OWNERS + 1


def test_one_at_a_time_is_on_the_same_redis(memory: Runs, settings: Settings) -> None:
    def rival(theirs: Settings, operation: str = "backup", **arguments: Any) -> bool:
        memory.put(made(theirs, operation, SHELL, id="theirs", state="STARTED"))
        return memory.ours.rival(operation, arguments) is not None

    assert rival(settings)
    assert rival(other(settings, backup_storage="/elsewhere", backup_databases=frozenset({3}))), (
        "one source has one lock"
    )
    assert not rival(other(settings, redis_url=NOWHERE))
    assert rival(settings, "restore")
    assert not rival(settings, "restore", target="other")
    assert rival(other(settings, redis_url=settings.redis_targets["other"]), "restore", target="other")
    assert not rival(settings, "verify")
    memory.put(new("theirs", "restore", {}, "admin"))
    assert memory.ours.rival("restore", {}), "nobody knows yet where it will go"


def test_what_was_lost_of_others_is_not_asked_for_again(memory: Runs, settings: Settings) -> None:
    long_ago = datetime.now(UTC) - timedelta(seconds=5 * LEASE_SECONDS)
    lost: dict[str, Any] = {"state": "PENDING", "due_at": long_ago}
    memory.put(made(settings, id="mine", **lost))
    memory.put(made(other(settings, redis_url=NOWHERE), id="theirs", **lost))
    again: list[str] = []
    ended = reap(settings, ["jobs"], Means(lambda one: again.append(one.id), recovery.end_left))
    assert (again, [one.id for one in ended]) == (["mine"], ["theirs"])


# The same with real processes: a shell with another Redis and another folder, at the broker of the dashboard.


@pytest.fixture
def stranger(web_app: Web, newest: Binary, start_server: StartServer) -> Server:
    """The Redis of somebody else."""
    server = start_server(newest, password=CANARY)
    server.client().set("a key of theirs", "a value of theirs")
    return server


def shell(web: Web, *verb: str, source: str, storage: str = "theirs") -> Ended:
    env = web.env | {"REDIS_URL": source, "BACKUP_STORAGE": str(web.folder / storage)}
    return run(*PYTHON, *verb, env=env, cwd=web.folder)


def summary(browser: Browser) -> str:
    return browser.get("/").text


def test_a_failure_of_others_turns_nothing_red_and_their_success_nothing_green(
    web_app: Web, admin: Browser, stranger: Server
) -> None:
    hear_of(web_app, "celery", "beat")
    web_app.source.client().set("key", "value")
    mine = {"source": web_app.source.url, "storage": "backups"}
    assert shell(web_app, "backup", **mine).code == 0
    assert f"in {HERE}:" not in admin.get("/system").text, "all that was done was done to one source"
    assert shell(web_app, "backup", source=NOWHERE).code == 1
    script = web_app.with_token("read")
    assert "All is well" in summary(admin)
    assert f"Redis at 127.0.0.1:{web_app.source.port}" in summary(admin)
    assert numbers(script)["redis_backup_last_run_succeeded{backup}"] == 1
    assert numbers(script)["redis_backup_runs{backup,SUCCESS}"] == 1
    assert "redis_backup_runs{backup,FAILURE}" not in numbers(script)

    stored = next((web_app.folder / "backups").glob("*.rdb.zst"))
    failed = shell(web_app, "backup", "--db", "900000", **mine)
    assert failed.code == 2
    assert "All is well" in summary(admin), "that was of a database which the schedule does not back up"
    web_app.source.kill()
    assert shell(web_app, "backup", **mine).code == 1
    assert "The last backup failed" in summary(admin)
    assert shell(web_app, "backup", source=stranger.url).code == 0
    assert shell(web_app, "verify", "latest", source=stranger.url).code == 0
    assert "The last backup failed" in summary(admin)
    assert numbers(script)["redis_backup_last_run_succeeded{backup}"] == 0
    assert "redis_backup_runs{verify,SUCCESS}" not in numbers(script)
    assert stored.exists()
    lists_say_whose(web_app, admin, stranger)
    the_api_says_whose(web_app, script, stranger)


def lists_say_whose(web: Web, admin: Browser, stranger: Server) -> None:
    for path in ("/tasks", "/system"):
        page = admin.get(path).text
        assert f"of 127.0.0.1:{stranger.port}, in {HERE}:{web.folder}/theirs" in page
        assert f"of 127.0.0.1:{web.source.port}, in {HERE}:{web.folder}/backups" in page
    with open_runs(web.settings) as runs:
        theirs = next(one for one in runs.each("backup") if one.source == f"127.0.0.1:{stranger.port}")
        mine = next(runs.ours.each("backup"))
    assert CANARY not in page + theirs.model_dump_json()
    page = admin.get(f"/tasks/{theirs.id}").text
    assert "not what this dashboard is about" in page
    assert "Look at the backup" not in page
    assert "backup_created" not in page, "their log"
    assert "Try again" in admin.get(f"/tasks/{mine.id}").text


def the_api_says_whose(web: Web, script: FlaskClient, stranger: Server) -> None:
    def sources(**query: Any) -> list[tuple[str, bool]]:
        told = script.get("/api/runs", query_string={"operation": "backup", **query}).get_json()["runs"]
        return [(one["source"], one["ours"]) for one in told]

    theirs, mine = f"127.0.0.1:{stranger.port}", f"127.0.0.1:{web.source.port}"
    assert sources()[0] == (theirs, False)
    assert sources(source=theirs) == [(theirs, False)]
    assert sources(ours="true") == [(mine, True)] * 2
    assert {ours for _, ours in sources(ours="false")} == {False}
    (one,) = script.get("/api/runs", query_string={"source": theirs, "operation": "backup"}).get_json()["runs"]
    assert (one["storage"], one["databases"]) == (f"{HERE}:{web.folder}/theirs", None)
    assert script.get(f"/api/runs/{one['id']}").get_json() == one


def test_their_preview_shows_none_of_their_data_and_is_good_for_no_restore_of_ours(
    web_app: Web, admin: Browser, stranger: Server
) -> None:
    assert shell(web_app, "backup", source=stranger.url).code == 0
    stranger.client().set("a key of theirs", "another value of theirs")
    assert shell(web_app, "preview", "latest", source=stranger.url).code == 0
    with open_runs(web_app.settings) as runs:
        theirs = next(runs.each("preview"))
    assert "of theirs" in theirs.model_dump_json()
    script = web_app.with_token("read")
    for answer in (
        admin.get(f"/tasks/{theirs.id}"),
        script.get(f"/api/runs/{theirs.id}"),
        script.get(f"/api/result/{theirs.id}"),
        script.get("/api/runs"),
    ):
        assert answer.status_code == 200
        assert "of theirs" not in answer.text
    assert shell(web_app, "backup", source=web_app.source.url, storage="backups").code == 0
    refused = shell(web_app, "restore", "latest", "--preview", theirs.id, source=web_app.source.url, storage="backups")
    assert refused.code == 1
    assert f"was one of another server, 127.0.0.1:{stranger.port}" in refused.err


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_backup_of_another_redis_under_way_refuses_none_of_ours(
    web_app: Web, admin: Browser, stranger: Server, whose: str
) -> None:
    server, storage = (web_app.source, "backups") if whose == "ours" else (stranger, "theirs")
    server.process.send_signal(signal.SIGSTOP)
    env = web_app.env | {"REDIS_URL": server.url, "BACKUP_STORAGE": str(web_app.folder / storage)}
    busy = Background(*PYTHON, "backup", env=env, cwd=web_app.folder, name="shell")
    try:
        eventually(lambda: under_way(web_app), lambda: f"the backup to begin: {busy.said}, {busy.process.poll()}", 120)
        waits = f"A backup has begun, and waits for 127.0.0.1:{server.port} to answer."
        assert (waits in summary(admin)) is (whose == "ours")
        assert "A backup is under way." not in summary(admin)
        assert f"Waiting for 127.0.0.1:{server.port} to answer." in admin.get("/tasks").text
        assert ("running now" in admin.get("/").text.partition("</ol>")[0].rpartition("<li")[2]) is (whose == "ours")
        answer = web_app.with_token("backup").post("/api/backup/create")
        assert answer.status_code == (409 if whose == "ours" else 202)
        if whose == "ours":
            assert f"asked for by {SHELL}" in answer.get_json()["error"]
    finally:
        busy.stop()
        server.process.send_signal(signal.SIGCONT)


def under_way(web: Web) -> list[Run]:
    with open_runs(web.settings) as runs:
        return [run for run in runs.unfinished() if run.source]
