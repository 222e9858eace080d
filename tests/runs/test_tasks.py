"""The tasks in a real worker: called as the README calls them, watched, interrupted and failing."""

import os
import signal
import sys
import uuid
from typing import Any

import pytest

from tests.support.processes import (
    CANARY,
    CELERY,
    Background,
    Sent,
    damaged_dump,
    eventually,
    holder,
    listing,
    run,
    sender,
)
from tests.support.works import KEYS, Works
from worker.arguments.backups import AdoptArguments
from worker.backups.adopt import adopt
from worker.config.settings import Settings
from worker.progress import silent
from worker.runs.store import open_runs


def test_a_backup_is_a_call_away_and_its_result_can_be_asked_for(works: Works) -> None:
    called = works.celery("call", "worker.tasks.backup", "--kwargs", '{"format": "json"}')
    assert called.code == 0, called.err
    uuid.UUID(called.out.strip())
    shown = works.celery("result", called.out.strip())
    assert shown.code == 0, shown.err
    assert "'data_format': 'json'" in shown.out
    assert f"'keys': {KEYS}" in shown.out


SESSION = """
import json
from worker.tasks import backup, delete, ping, preview, prune, restore, stats, verify
said = {}
for task, arguments in (
    (backup, {"engine": "scan"}), (verify, {"name": "latest"}),
    (restore, {"name": "latest", "match": "key:1", "mode": "overwrite"}),
    (preview, {"name": "latest", "match": "key:1"}), (stats, {}), (ping, {}), (prune, {"keep": 5, "dry_run": True}),
):
    said[task.name.removeprefix("worker.tasks.")] = task.delay(**arguments).get(timeout=60)
said["delete"] = delete.delay(name=said["backup"]["name"], now=True).get(timeout=60)
print(json.dumps(said))
"""


def test_every_task_is_imported_delayed_and_answers(works: Works) -> None:
    ended = run(sys.executable, "-c", SESSION, env=works.env, cwd=works.folder)
    assert ended.code == 0, ended.err
    said = ended.data
    name = said["backup"]["name"]
    assert (said["backup"]["keys"], said["backup"]["engine"]) == (KEYS, "scan")
    assert said["preview"]["forecast"]["skipped"] == 1
    assert (said["verify"]["name"], said["verify"]["keys"]) == (name, KEYS)
    assert said["restore"] == said["restore"] | {"name": name, "restored": 1, "failed": 0}
    assert said["stats"]["newest"] == name
    assert said["stats"]["source"]["keys"] == {"0": KEYS}
    assert said["ping"]["engine"]["name"] == "replication"
    assert name in {one["name"] for one in said["prune"]["kept"]}
    assert (said["delete"]["deleted"], said["delete"]["trash_days"]) == (name, 0)
    assert not list(works.storage.glob(f"{name}*"))


@pytest.mark.parametrize("task", ["drill", "undo"])
def test_what_finds_its_slot_taken_has_nothing_to_do_whatever_would_be_checked_of_it(works: Works, task: str) -> None:
    with open_runs(Settings(celery_broker_url=works.env["CELERY_BROKER_URL"])) as runs:
        assert runs.liveness.claim_slot(f"{task} of a test", "another run")
    headers = {"slot": f"{task} of a test"}
    sent = works.app.send_task(f"worker.tasks.{task}", kwargs={"name": "latest"}, headers=headers)
    assert Sent(sent.id, works.backend).result() == {"skipped": f"another run has the slot {task} of a test"}


@pytest.mark.parametrize(
    ("task", "arguments", "words"),
    [
        ("backup", {"format": "xml"}, "format: must be 'rdb' or 'json'"),
        ("backup", {"databases": "one"}, "databases: "),
        ("backup", {"fromat": "rdb"}, "fromat: is not known here"),
        ("backup", {"unless_younger_than_hours": -1}, "unless_younger_than_hours: "),
        ("restore", {}, "name: must be given"),
        ("restore", {"name": "latest", "mode": "destroy"}, "mode: must be 'skip', 'overwrite' or 'mirror'"),
        ("prune", {"keep": 0}, "keep: "),
        ("stats", {"of": "all"}, "of: is not known here"),
    ],
)
def test_a_wrong_argument_is_readable_in_the_result(
    task: str, arguments: dict[str, Any], words: str, works: Works
) -> None:
    before = listing(works.storage) if works.storage.exists() else {}
    assert works.failure(task, **arguments).startswith(f"UsageError: Wrong argument: {words}")
    assert (listing(works.storage) if works.storage.exists() else {}) == before


def test_a_wrong_argument_given_on_the_command_line_is_told_there(works: Works) -> None:
    called = works.celery("call", "worker.tasks.backup", "--kwargs", '{"format": "xml"}')
    shown = works.celery("result", called.out.strip())
    assert shown.code != 0
    assert "Wrong argument: format: must be 'rdb' or 'json'" in shown.out + shown.err
    assert CANARY not in shown.out + shown.err


@pytest.mark.parametrize("name", ["redis_backup_20010203_040506.rdb.zst", "../../etc/passwd"])
@pytest.mark.parametrize("task", ["restore", "verify", "delete"])
def test_a_name_that_is_none_is_not_found(task: str, name: str, works: Works) -> None:
    assert works.failure(task, name=name).startswith("NotFoundError: There is no backup of the name")


def test_progress_is_told_while_a_backup_runs(works: Works) -> None:
    with works.held() as sent:

        def twice() -> Any:
            told = sent.meta["result"]
            return told if told["rate"] is not None else None

        seen = eventually(twice, "a rate, which takes two tellings")
        assert seen.keys() == {"phase", "current", "total", "unit", "rate"}
        assert (seen["phase"], seen["total"], seen["unit"]) == ("reading", KEYS, "keys")
        assert 0 < seen["current"] < KEYS
        assert CANARY not in works.worker.command_lines()
        assert works.do("stats")["count"] >= 0, "a quick task does not wait behind a long one"
    assert sent.result()["keys"] == KEYS


def test_pruning_follows_every_good_backup(works: Works) -> None:
    made = {works.do("backup")["name"] + ".manifest.json" for _ in range(3)}
    eventually(lambda: len(works.manifests) == 2 and works.manifests < made, f"two of {made} to be all that is kept")


@pytest.mark.slow
def test_a_partial_backup_is_a_failure_that_is_tried_again_and_pruned_like_others(works: Works) -> None:
    def prunes() -> int:
        return sum(one["event"] == "backup_pruned" for one in works.worker.events)

    before = prunes()
    with works.held(engine="scan") as sent:
        for _ in range(2):
            works.source.client().swapdb(0, 5)
    sent.wait_for("RETRY")
    assert sent.error.startswith("PartialError: No good backup was made. It is partial: ")
    assert "SWAPDB was called on it meanwhile" in sent.error
    works.worker.event("partial_backup_kept", run=sent.id)
    eventually(lambda: prunes() > before, "a prune")
    made = sent.result()
    assert (made["kind"], made["keys"]) == ("backup", KEYS)
    assert works.do("stats")["partials"]["count"] == 1


def test_a_backup_that_is_not_needed_is_not_made(works: Works) -> None:
    name = works.do("backup")["name"]
    before = works.manifests
    assert works.do("backup", unless_younger_than_hours=1) == {"skipped": f"{name} is younger than 1 hours"}
    assert name + ".manifest.json" in before


def test_what_happened_is_logged_as_json_with_the_run_that_did_it(works: Works) -> None:
    made = works.send("backup")
    manifest = made.result()
    event = works.worker.event("backup_created", run=made.id)
    about = {"name": manifest["name"], "keys": KEYS, "bytes": manifest["bytes"]["stored"], "level": "info"}
    assert about.items() <= event.items()
    assert event["seconds"] > 0

    restored = works.send("restore", name=manifest["name"], match="key:[12]", mode="overwrite")
    assert restored.result()["restored"] == 2
    event = works.worker.event("backup_restored", run=restored.id)
    assert (event["name"], event["keys"], event["skipped"]) == (manifest["name"], 2, 0)
    assert event.keys() >= {"bytes", "seconds", "timestamp"}

    works.do("backup")
    pruned = works.send("prune", keep_manual=1)
    deleted = [one["name"] for one in pruned.result()["deleted"]]
    # A prune that followed one of the backups may have been first: the worker keeps two.
    assert deleted
    assert f"{manifest['name']}.manifest.json" not in works.manifests
    event = works.worker.event("backup_pruned", run=pruned.id)
    assert (event["name"], event["keys"]) == (deleted, KEYS * len(deleted))
    assert event.keys() >= {"bytes", "seconds"}

    failed = works.send("backup", engine="typed", format="rdb")
    failed.wait_for("FAILURE")
    event = works.worker.event("backup_failed", run=failed.id)
    assert (event["kind"], event["level"]) == ("UsageError", "error")
    assert event["error"] == failed.error.partition(": ")[2]

    failed = works.send("restore", name="redis_backup_20010203_040506.rdb.zst")
    failed.wait_for("FAILURE")
    event = works.worker.event("restore_failed", run=failed.id)
    assert event["name"] == "redis_backup_20010203_040506.rdb.zst"
    assert event["error"].startswith("There is no backup of the name")


def test_a_restore_with_a_key_that_cannot_be_written_is_a_failure_with_counts(works: Works) -> None:
    (file := works.folder / "damaged.rdb").write_bytes(damaged_dump())
    settings = Settings(redis_url=works.env["REDIS_URL"], backup_storage=str(works.storage))
    name = adopt(settings, AdoptArguments(file=file, with_damaged=True), silent)["name"]
    try:
        error = works.failure("restore", name=name)
        assert error.startswith(
            "IncompleteError: Not every key could be restored: 1 restored, 0 skipped, 0 expired, 1 failed"
        )
        assert "'damaged' of database 0" in error
        assert works.source.client().get("unharmed") == b"x"
        works.worker.event("restore_failed", kind="IncompleteError", name=name)
    finally:
        works.source.client().delete("unharmed")
        works.do("delete", name=name, now=True)


def test_a_result_backend_that_dies_meanwhile_fails_no_backup(works: Works) -> None:
    before = works.manifests
    with works.held() as sent:
        works.backend.kill()
    try:
        eventually(lambda: works.manifests - before, "the backup to be made without a result backend")
    finally:
        works.backend.start()
    assert sent.result()["keys"] == KEYS, "the result arrives once its backend is back"


def test_a_killed_child_leaves_nothing_that_is_listed_and_its_backup_is_made_once_more(works: Works) -> None:
    before = works.manifests
    with works.held() as sent:
        child = eventually(lambda: holder(works.worker.pids(), "*.partial"), "the child that writes")
        assert child != works.worker.process.pid
        os.kill(child, signal.SIGKILL)
        eventually(lambda: child not in works.worker.pids(), "the child to be gone")
        assert works.manifests <= before, "a prune may still be at work, a backup may not"
        assert list(works.storage.glob(".*.partial"))
    sent.wait_for("FAILURE")
    with open_runs(Settings(celery_broker_url=works.env["CELERY_BROKER_URL"])) as runs:
        (again,) = eventually(
            lambda: [run for run in runs.each("backup") if run.repeats == sent.id], "one in its place"
        )
        killed = runs.get(sent.id)
        assert killed is not None
        assert (killed.state, again.id in str(killed.error)) == ("INTERRUPTED", True)
        assert Sent(again.id, works.backend).result()["keys"] == KEYS
        assert [run.id for run in runs.each("backup") if run.repeats] == [again.id]
    works.do("prune")

    def counted() -> int:
        told = works.do("stats")
        return int(told["count"] + told["partials"]["count"])

    eventually(lambda: counted() == len(works.manifests), "stats to count what is listed")
    assert not list(works.storage.glob(".*"))
    assert works.worker.process.poll() is None
    assert works.worker.plain == [], "a child's end is told in JSON too"


def test_jobs_and_quick_are_separate_and_a_message_goes_to_one_of_them(works: Works) -> None:
    env = works.env | {"CELERY_BROKER_URL": works.env["CELERY_BROKER_URL"][:-1] + "4"}
    app, queues = sender(env), works.broker.client(4)
    long, short = (Sent(app.send_task(f"worker.tasks.{name}").id, works.backend) for name in ("backup", "stats"))
    assert (queues.llen("jobs"), queues.llen("quick")) == (1, 1)
    quick = Background(*CELERY, "worker", "--queues", "quick", env=env, cwd=works.folder, name="quick")
    try:
        assert short.result()["source"]["reachable"]
        assert Sent(app.send_task("worker.tasks.ping").id, works.backend).result()["may_backup"]
        assert (queues.llen("jobs"), queues.llen("quick")) == (1, 0)
        assert long.state == "PENDING"
    finally:
        quick.stop()


def test_a_password_is_told_nowhere(works: Works) -> None:
    works.do("ping")
    works.failure("restore", name="redis_backup_20010203_040506.rdb.zst")
    assert works.worker.command_lines().count("-A worker worker") >= 2
    assert {event["event"] for event in works.worker.events} >= {"restore_failed"}
    assert works.secrets_told() == []
    assert works.worker.plain == [], "all that is logged is JSON"


def test_every_task_is_in_a_queue_and_the_long_ones_are_jobs(works: Works) -> None:
    route = works.app.amqp.router.route
    queues = {
        name: route({}, f"worker.tasks.{name}")["queue"].name
        for name in ("backup", "restore", "undo", "preview", "search", "verify", "stats", "ping", "prune", "delete")
    }
    assert {name for name, queue in queues.items() if queue == "jobs"} == {"backup", "restore", "undo", "verify"}
    assert {name for name, queue in queues.items() if queue == "questions"} == {"preview", "search"}
    assert set(queues.values()) == {"jobs", "quick", "questions"}


def test_a_source_that_is_away_is_tried_again(works: Works) -> None:
    """The last test here: its second try comes when nobody looks any more."""
    before = works.manifests
    works.source.kill()
    sent = works.send("backup")
    sent.wait_for("RETRY")
    assert sent.error.startswith("SourceUnavailableError: The source at 127.0.0.1:")
    assert works.manifests <= before
    event = works.worker.event("backup_failed", run=sent.id)
    assert event["kind"] == "SourceUnavailableError"
