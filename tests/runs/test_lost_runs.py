"""Runs of which nothing is heard any more: told as lost, or made up for once, and never while they live."""

import json
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.runs.made import a_run
from tests.support.processes import eventually
from worker.broker.process import Process, this_process
from worker.config.settings import Settings
from worker.errors import LostError
from worker.restore.mirror import recovery
from worker.runs import reaper
from worker.runs.liveness import lease_key
from worker.runs.reaper import Means
from worker.runs.recorder import Recording, perform
from worker.runs.run import Run, here
from worker.runs.store import Runs


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker here has been away for long."""
    monkeypatch.setattr(reaper, "AGAIN_SECONDS", 0)


def _nobody(run: Run) -> None:
    pytest.fail(f"{run} was asked for again")


@pytest.mark.parametrize(
    ("operation", "progress", "words"),
    [
        ("restore", {"phase": "restoring", "current": 1234}, "At least 1,234 keys"),
        ("restore", {"phase": "verifying", "current": 99}, "not heard of any more. Run the same restore again"),
        ("backup", None, "see whether its backup is in the list"),
        ("prune", None, "start it again"),
    ],
)
def test_a_run_whose_lease_ran_out_is_ended_with_what_is_known(
    memory: Runs, operation: str, progress: Any, words: str, broker_settings: Settings
) -> None:
    run = a_run(operation, state="STARTED", progress=progress, asked_by=f"shell {here()}")
    memory.put(run)
    assert reaper.reap(broker_settings, ["jobs"], Means(_nobody, recovery.end_left)) == []
    memory._client.delete(lease_key(run.id))
    (ended,) = reaper.reap(broker_settings, ["jobs"], Means(_nobody, recovery.end_left))
    assert (ended.id, ended.state) == (run.id, "INTERRUPTED")
    assert words in str(ended.error)
    assert memory.get(run.id) == ended
    assert reaper.reap(broker_settings, ["jobs"], Means(_nobody, recovery.end_left)) == []


def test_a_run_that_is_heard_of_again_once_the_broker_is_back_is_left_alone(
    memory: Runs, broker_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(state="STARTED")
    memory.put(run)
    memory._client.delete(lease_key(run.id))
    monkeypatch.setattr(reaper, "AGAIN_SECONDS", 5)
    with ThreadPoolExecutor(1) as thread:
        reaped = thread.submit(reaper.reap, broker_settings, ["jobs"], Means(_nobody, recovery.end_left))
        assert memory.liveness.stay_alive(run.id)
        assert reaped.result() == []
    assert memory.get(run.id) == run


def test_a_broker_that_lost_its_memory_learns_of_a_run_together_with_its_lease(
    memory: Runs, broker_settings: Settings
) -> None:
    memory._client.flushall()
    memory.put(a_run(state="STARTED"))
    assert reaper.reap(broker_settings, ["jobs"], Means(_nobody, recovery.end_left)) == []


def test_a_run_that_lives_is_left_alone(memory: Runs, broker_settings: Settings) -> None:
    run = a_run(state="STARTED")
    memory.put(run)
    assert memory._client.ttl(lease_key(run.id)) <= 60
    assert reaper.reap(broker_settings, ["jobs"], Means(_nobody, recovery.end_left)) == []


def test_what_was_lost_before_it_began_is_asked_for_again_or_told(memory: Runs, broker_settings: Settings) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    lost, waits, young = a_run(due_at=long_ago), a_run(due_at=long_ago), a_run()
    restore, begun = a_run("restore", due_at=long_ago), a_run(due_at=long_ago, state="RETRY", attempt=1)
    hopeless = a_run(due_at=long_ago, queued_at=datetime.now(UTC) - timedelta(days=2))
    for one in (lost, waits, young, restore, begun, hopeless):
        memory.put(one)
    memory.liveness.claim(begun.id, 1)
    memory._client.lpush("jobs", json.dumps({"headers": {"id": waits.id}}))
    published: list[Run] = []
    ended = reaper.reap(broker_settings, ["jobs", "quick"], Means(published.append, recovery.end_left))
    assert published == [lost]
    assert {one.id for one in ended} == {restore.id, begun.id, hopeless.id}
    assert "nothing was done" in str(ended[0].error)


def test_a_backup_that_is_killed_twice_is_left_to_people(memory: Runs, broker_settings: Settings) -> None:
    dead = _dead_process()
    first = a_run(state="STARTED", process=dead, arguments={"format": "json"})
    memory.put(first)
    published: list[Run] = []
    (ended,) = reaper.reap(broker_settings, ["jobs"], Means(published.append, recovery.end_left))
    (second,) = published
    assert (second.repeats, second.arguments, second.asked_by) == (first.id, first.arguments, first.asked_by)
    assert memory.get(second.id) == second
    memory.put(second.model_copy(update={"state": "STARTED", "process": dead}))
    (ended,) = reaper.reap(broker_settings, ["jobs"], Means(_nobody, recovery.end_left))
    assert (ended.id, ended.state) == (second.id, "INTERRUPTED")
    assert "make another one" in str(ended.error)


def test_of_all_who_find_a_killed_backup_one_makes_up_for_it(memory: Runs, broker_settings: Settings) -> None:
    run = a_run(state="STARTED", process=_dead_process())
    memory.put(run)
    published: list[Run] = []
    with ThreadPoolExecutor(8) as threads:
        found = list(
            threads.map(
                lambda _: reaper.reap(broker_settings, ["jobs"], Means(published.append, recovery.end_left)), range(8)
            )
        )
    assert sum(map(len, found)) == len(published) == 1
    assert [one.id for one in memory.unfinished()] == [published[0].id]


def _dead_process() -> Process:
    """One that has been here."""
    child = subprocess.Popen(["sleep", "60"])
    mine = this_process()
    assert mine is not None
    found = mine.model_copy(update={"pid": child.pid, "started": mine.started + 1})
    child.kill()
    child.wait()
    return found


def test_only_a_process_that_is_gone_for_sure_is_taken_for_dead() -> None:
    mine = this_process()
    assert mine is not None
    assert not mine.is_dead
    assert _dead_process().is_dead
    assert mine.model_copy(update={"started": mine.started - 1}).is_dead, "its number was given to another"
    for elsewhere in ({"host": "another"}, {"space": "another"}):
        assert not _dead_process().model_copy(update=elsewhere).is_dead
    child = subprocess.Popen(["sleep", "60"])
    here = Process(host=mine.host, pid=child.pid, space=mine.space, started=_started(child.pid))
    try:
        child.send_signal(signal.SIGSTOP)
        assert not here.is_dead, "it may go on at any time"
    finally:
        child.kill()
    eventually(lambda: here.is_dead, "a process that nobody has waited for to be taken for dead")
    child.wait()
    assert here.is_dead


def _started(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def test_whoever_was_taken_for_dead_is_told_at_the_end(memory: Runs, broker_settings: Settings) -> None:
    told: list[Any] = []
    run = a_run("verify", state="PENDING")
    recording = Recording(broker_settings, run, patience=0, also=told.append)

    def work(progress: Any) -> dict[str, Any]:
        seen = memory.get(run.id)
        assert seen is not None
        memory.interrupt(seen, "It was killed.", None)
        recording.tell({"phase": "verifying", "current": 1})
        return {"name": "one"}

    with pytest.raises(LostError, match="its run stays INTERRUPTED"):
        perform(recording, work)
    ended = memory.get(run.id)
    assert ended is not None
    assert (ended.state, ended.value, ended.error) == ("INTERRUPTED", None, "It was killed.")
    assert told == [], "nor is Celery's word for it overwritten"


def test_a_run_that_was_ended_before_it_began_does_nothing(memory: Runs, broker_settings: Settings) -> None:
    run = a_run("restore")
    memory.put(run.model_copy(update={"state": "INTERRUPTED", "ended_at": datetime.now(UTC)}))
    with pytest.raises(LostError, match="nothing was done"):
        perform(Recording(broker_settings, run, patience=0), lambda _: pytest.fail("it began"))
