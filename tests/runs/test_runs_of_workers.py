"""Runs that workers carry out: each one once, remembered from the queue to its end, with the broker or without it."""

import json
import uuid
from typing import Any

from tests.runs.made import a_run
from tests.runs.office import HALF_WAY, KEYS, Office, all_runs, events, messages
from tests.support.processes import CANARY, CELERY, Background, eventually, holder, run
from worker import logs, tasks
from worker.attempt import pause as pause_of
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import BackupSystemError, BusyError, SourceUnavailableError
from worker.runs.liveness import lease_key
from worker.runs.run import here


def test_a_call_is_remembered_from_the_queue_to_its_end(office: Office) -> None:
    identity = office.call("backup", format="json")
    queued = office.wait_for(identity, "PENDING")
    assert (queued.operation, queued.arguments) == ("backup", {"format": "json"})
    assert queued.asked_by == f"celery {here()}"
    assert queued.started_at is None
    with office.worker():
        ended = office.wait_for(identity, "SUCCESS")
        pruned = eventually(
            lambda: [one for one in all_runs(office) if one.operation == "prune" and one.ended], "a prune"
        )
    assert ended.value["keys"] == KEYS
    assert ended.queued_at <= ended.started_at <= ended.ended_at  # type: ignore[operator]
    assert [line["event"] for line in ended.log] == ["backup_created"]
    assert pruned[0].asked_by == f"celery {here()}, after the backup"
    assert not office.broker.client().exists(lease_key(identity))


def test_what_was_asked_for_is_remembered_as_it_was_understood(office: Office) -> None:
    with office.worker():
        ended = office.wait_for(office.call("backup", databases=0, unless_younger_than_hours="0.5"), "SUCCESS")
        refused = office.wait_for(office.call("backup", databases=["a", 1]), "FAILURE")
    assert ended.arguments == {"databases": [0], "unless_younger_than_hours": 0.5}
    assert refused.arguments == {"databases": ["a", 1]}, "as it was sent, for nobody could understand it"


def test_a_failure_is_remembered_with_its_sentence(office: Office) -> None:
    with office.worker():
        ended = office.wait_for(office.call("verify", name="latest.of.all"), "FAILURE")
    assert str(ended.error).startswith("There is no backup of the name")
    assert [line["event"] for line in ended.log] == ["verify_failed"]


def test_a_message_that_is_delivered_three_times_makes_one_backup(office: Office) -> None:
    identity, broker, before = office.call("backup"), office.broker.client(), office.manifests
    (message,) = broker.lrange("jobs", 0, -1)
    broker.lpush("jobs", message, message)
    with office.worker() as worker:
        office.wait_for(identity, "SUCCESS")
        eventually(lambda: len(events(worker, "delivered_again")) == 2, "both others to leave")
    assert len(office.manifests - before) == 1


def test_of_two_beats_one_makes_the_backup(office: Office) -> None:
    identity, broker, before = office.call("backup"), office.broker.client(), office.manifests
    (message,) = messages(office)
    broker.delete("jobs")
    others = [str(uuid.uuid4()) for _ in range(2)]
    for other in others:
        mine = json.loads(message.replace(identity, other))
        mine["headers"] |= {"asked_by": "beat daily", "slot": "daily 2026-01-01T03:00:00+00:00"}
        broker.lpush("jobs", json.dumps(mine))
    with office.worker() as worker:
        office.wait_for(others[0], "SUCCESS")
        eventually(lambda: len(events(worker, "backup_pruned")) == 1, "the prune, which comes behind both")
        # Behind it in its queue, but another process may still be at the end of the second.
        eventually(lambda: office.run(others[1]) is None, "that there was nothing to do to be forgotten")
    assert len(office.manifests - before) == 1


def test_a_backup_that_finds_another_at_work_waits_for_it(office: Office) -> None:
    address = f"127.0.0.1:{office.gate.port}"
    before, settings = office.manifests, Settings(celery_broker_url=office.broker.url)
    with office.worker():
        with logs.run("the first", "backup"), lock.held(settings, f"source {address}"):
            identity = office.call("backup")
            waits = office.wait_for(identity, "RETRY")
        assert f"Run the first is at work on the source {address}" in str(waits.error)
        eventually(lambda: office.wait_for(identity, "RETRY", "SUCCESS").attempt == 1, "another try to be sent")
        assert office.wait_for(identity, "RETRY", "SUCCESS").due_at > waits.queued_at
        ended = office.wait_for(identity, "SUCCESS", "FAILURE")
    assert (ended.state, ended.attempt, ended.waited) == ("SUCCESS", 1, 1), ended.error
    assert len(office.manifests - before) == 1


def test_somebody_at_work_is_waited_for_a_quarter_of_an_hour_and_a_source_that_is_away_as_ever() -> None:
    def pauses(task: Any, error: BackupSystemError) -> list[int]:
        found: list[int] = []
        run = a_run(task.name.rpartition(".")[2])
        while (pause := pause_of(task, run, error)) is not None:
            found.append(pause)
            waited = run.waited + isinstance(error, BusyError)
            run = run.model_copy(update={"attempt": run.attempt + 1, "waited": waited})
        return found

    busy, away = BusyError("Somebody is at work."), SourceUnavailableError("It is away.")
    assert pauses(tasks.backup, busy) == sorted(pauses(tasks.backup, busy))
    assert 14 * 60 < sum(pauses(tasks.backup, busy)) < 16 * 60
    assert pauses(tasks.backup, away) == [10, 10]
    for task in (tasks.prune, tasks.delete, tasks.put_back):
        assert pauses(task, busy) == pauses(tasks.backup, busy)
    for task in (tasks.restore, tasks.undo):
        assert pauses(task, busy) == pauses(task, away) == []
    # Whoever has waited has not tried yet.
    assert pause_of(tasks.backup, a_run(attempt=5, waited=4), away) == 10


def test_a_backup_goes_on_while_the_broker_is_away_and_its_end_is_told(office: Office) -> None:
    office.gate.shut(HALF_WAY)
    with office.worker():
        identity = office.call("backup")
        office.wait_for(identity, "STARTED")
        eventually(lambda: holder(_here(office), "*.partial"), "the backup to begin")
        office.broker.kill()
        office.gate.open()
        before = office.manifests
        eventually(lambda: office.manifests - before or len(office.manifests), "the backup to be there")
        office.broker.start()
        ended = office.wait_for(identity, "SUCCESS")
    assert ended.value["keys"] == KEYS


def _here(office: Office) -> list[int]:
    return [pid for worker in office.workers for pid in worker.pids()]


def test_a_task_that_cannot_be_called_is_a_failure_and_nothing_is_made_of_it_later(office: Office) -> None:
    before = office.manifests
    called = run(*CELERY, "call", "worker.tasks.backup", "--args", '["json"]', env=office.env, cwd=office.folder)
    strange = run(*CELERY, "call", "worker.tasks.nonsense", env=office.env, cwd=office.folder).out.strip()
    with office.worker():
        ended = office.wait_for(called.out.strip(), "FAILURE")
    assert "give its arguments by name" in str(ended.error)
    assert office.run(strange) is None
    assert office.manifests == before


def test_a_job_runs_while_the_redis_of_results_is_away(office: Office) -> None:
    env = office.env | {"CELERY_RESULT_BACKEND": f"redis://:{CANARY}@127.0.0.1:1/0"}
    worker = Background(*CELERY, "worker", "--concurrency", "1", env=env, cwd=office.folder, name="alone")
    try:
        worker.wait_until_it_says("ready.")
        assert office.wait_for(office.call("backup"), "SUCCESS").value["keys"] == KEYS
    finally:
        worker.stop()


def test_what_has_succeeded_is_not_tried_again(office: Office) -> None:
    identity, broker = office.call("backup"), office.broker.client()
    (message,) = messages(office)
    before = office.manifests
    with office.worker() as worker:
        first = office.wait_for(identity, "SUCCESS")
        again = json.loads(message)
        again["headers"]["retries"] = 1
        broker.lpush("jobs", json.dumps(again))
        worker.event("delivered_again", run=identity)
        assert office.run(identity) == first
    assert len(office.manifests - before) == 1
