"""Runs from queued to their end: remembered, begun once, and not forgotten when their process is killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.gates import Gate
from tests.support.processes import (
    CANARY,
    CELERY,
    PYTHON,
    Background,
    command,
    environment,
    eventually,
    holder,
    run,
    with_password,
)
from tests.support.servers import Binary, Server, binaries, running
from web.wording import runs
from worker import logs, tasks
from worker.broker import lock
from worker.broker.process import Process, this_process
from worker.config.settings import Settings
from worker.errors import BackupSystemError, BrokerUnavailableError, BusyError, LostError, SourceUnavailableError
from worker.restore.mirror import recovery
from worker.runs import listing, reaper
from worker.runs.operations import KEPT_OF_QUESTIONS
from worker.runs.reaper import Means
from worker.runs.recorder import SESSION_NICE, Recording, perform
from worker.runs.run import Run, brief, here, new
from worker.runs.store import Runs, lease_key, open_runs

VALUE_BYTES, VALUES, KEYS = 1 << 20, 24, 30_000
HALF_WAY = 14 << 20
# More than INFO answers, less than what all keys are answered with.
SOME_REPLIES = 48 << 10


@pytest.fixture
def memory(newest: Binary, start_server: StartServer) -> Iterator[Runs]:
    with open_runs(Settings(celery_broker_url=start_server(newest).url)) as memory:
        yield memory


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker here has been away for long."""
    monkeypatch.setattr(reaper, "AGAIN_SECONDS", 0)


def a_run(operation: str = "backup", **changes: Any) -> Run:
    return new(str(uuid.uuid4()), operation, {}, "admin").model_copy(update=changes)


def test_a_run_is_remembered_as_it_is_and_only_once(memory: Runs) -> None:
    one = a_run(arguments={"name": "latest"})
    assert memory.add(one)
    assert not memory.add(one.model_copy(update={"asked_by": "somebody else"}))
    assert memory.get(one.id) == one
    ended = one.model_copy(update={"state": "SUCCESS", "value": {"keys": 3}})
    memory.put(ended)
    assert memory.get(one.id) == ended
    assert memory.get("never issued") is None


def test_runs_are_listed_newest_first_by_kind_and_by_state(memory: Runs) -> None:
    now = datetime.now(UTC)
    old = a_run(queued_at=now - timedelta(hours=1), state="FAILURE")
    new, other = a_run(queued_at=now), a_run("restore", queued_at=now - timedelta(minutes=1))
    for one in (old, new, other):
        memory.put(one)
    assert list(memory.each()) == [new, other, old]
    assert list(memory.each("backup")) == [new, old]
    assert memory.ours.latest("backup", state="FAILURE") == old
    assert memory.ours.latest("verify") is None
    assert memory.unfinished() == [other, new]


def test_only_a_reason_in_words_makes_a_run_one_that_did_nothing() -> None:
    assert a_run(state="SUCCESS", value={"skipped": "there is a younger one"}).skipped
    assert not a_run(state="SUCCESS", value={"skipped": 3, "restored": 7}).skipped
    assert not a_run(state="FAILURE", value={"skipped": "there is a younger one"}).skipped


def test_the_last_run_of_an_entry_of_the_schedule_is_known_until_it_is_forgotten(memory: Runs) -> None:
    now = datetime.now(UTC)
    daily = [a_run(asked_by="beat daily", queued_at=now - timedelta(days=day)) for day in (1, 2)]
    for one in (*daily, a_run(), a_run(asked_by="beat interval", state="SUCCESS", value={"skipped": "young"})):
        memory.put(one)
    assert memory.ours.planned("daily") == daily[0]
    assert memory.ours.planned("interval") is None, "it had nothing to do"
    memory.forget(daily[0].id)
    assert memory.ours.planned("daily") == daily[1]


def test_more_than_a_page_of_runs_is_listed_whole(memory: Runs) -> None:
    now = datetime.now(UTC)
    made = [
        a_run(queued_at=now - timedelta(seconds=second), state="SUCCESS")
        for second in range(listing.FIRST_PAGE + listing.PAGE + 5)
    ]
    for one in made:
        memory.put(one)
    assert [one.id for one in memory.each()] == [one.id for one in made]


def test_questions_are_forgotten_sooner_than_what_changes_something(memory: Runs) -> None:
    now = datetime.now(UTC)
    for number in range(KEPT_OF_QUESTIONS + 5):
        for operation in ("stats", "backup"):
            memory.put(a_run(operation, queued_at=now + timedelta(seconds=number), state="SUCCESS"))
    assert len(list(memory.each("stats"))) == KEPT_OF_QUESTIONS
    assert len(list(memory.each("backup"))) == KEPT_OF_QUESTIONS + 5
    assert len(list(memory.each())) == 2 * KEPT_OF_QUESTIONS + 5


def test_a_run_that_is_forgotten_leaves_nothing(memory: Runs) -> None:
    one = a_run()
    memory.add(one)
    memory.forget(one.id)
    assert memory.get(one.id) is None
    assert list(memory.each()) == list(memory.each("backup")) == memory.unfinished() == []


def test_an_attempt_and_a_slot_are_claimed_by_the_first_who_asks(memory: Runs) -> None:
    assert [memory.claim("one", 0), memory.claim("one", 0), memory.claim("one", 1)] == [True, False, True]
    assert memory.claim_slot("daily 03:00", "one")
    assert not memory.claim_slot("daily 03:00", "two")
    assert memory.claim_slot("daily 03:00", "one"), "it may be tried again"


def test_a_broker_that_is_away_is_told_without_its_address(newest: Binary) -> None:
    url = f"redis://:{CANARY}@127.0.0.1:1/0"
    with open_runs(Settings(celery_broker_url=url)) as memory, pytest.raises(BrokerUnavailableError) as caught:
        memory.get("one")
    assert CANARY not in str(caught.value)
    assert "CELERY_BROKER_URL" in str(caught.value)


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
        assert memory.stay_alive(run.id)
        assert reaped.result() == []
    assert memory.get(run.id) == run


def test_a_broker_that_lost_its_memory_learns_of_a_run_together_with_its_lease(
    memory: Runs, broker_settings: Settings
) -> None:
    memory._client.flushall()
    memory.put(a_run(state="STARTED"))
    assert reaper.reap(broker_settings, ["jobs"], Means(_nobody, recovery.end_left)) == []


def test_an_argument_that_is_no_text_is_remembered_all_the_same(memory: Runs) -> None:
    odd = new("one", "verify", {"name": "\ud800", "more": {1: b"x"}}, "admin")
    memory.put(odd)
    assert memory.get("one") == odd
    assert odd.arguments["name"] == "?"


@pytest.fixture
def broker_settings(memory: Runs) -> Settings:
    options = memory._client.connection_pool.connection_kwargs
    return Settings(celery_broker_url=f"redis://127.0.0.1:{options['port']}/0")


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
    memory.claim(begun.id, 1)
    memory._client.lpush("jobs", json.dumps({"headers": {"id": waits.id}}))
    published: list[Run] = []
    ended = reaper.reap(broker_settings, ["jobs", "quick"], Means(published.append, recovery.end_left))
    assert published == [lost]
    assert {one.id for one in ended} == {restore.id, begun.id, hopeless.id}
    assert "nothing was done" in str(ended[0].error)


@dataclass
class Office:
    """A broker that keeps its data, a source behind a gate; workers come and go."""

    folder: Path
    broker: Server
    source: Server
    gate: Gate
    env: dict[str, str]
    workers: list[Background] = field(default_factory=list)

    def call(self, task: str, **arguments: Any) -> str:
        """What an operations shell does; the id of the run."""
        called = run(
            *CELERY, "call", f"worker.tasks.{task}", "--kwargs", json.dumps(arguments), env=self.env, cwd=self.folder
        )
        assert called.code == 0, called.err
        return called.out.strip()

    @contextmanager
    def worker(self) -> Iterator[Background]:
        name = f"worker-{len(self.workers)}"
        process = Background(*CELERY, "worker", "--concurrency", "1", env=self.env, cwd=self.folder, name=name)
        self.workers.append(process)
        try:
            process.wait_until_it_says("ready.")
            yield process
        finally:
            process.stop()

    def run(self, identity: str) -> Run | None:
        with open_runs(Settings(celery_broker_url=self.broker.url)) as memory:
            return memory.get(identity)

    def wait_for(self, identity: str, *states: str) -> Run:
        def come() -> Run | None:
            found = self.run(identity)
            return found if found is not None and found.state in states else None

        found: Run = eventually(come, f"{states} of {identity}: {self.run(identity)}")
        return found

    @property
    def manifests(self) -> set[str]:
        return {path.name for path in (self.folder / "backups").glob("*.manifest.json")}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder, binary = tmp_path_factory.mktemp("office"), binaries()[-1]
    with (
        running(binary, folder / "broker", "--appendonly", "yes") as broker,
        running(binary, folder / "source", password=CANARY) as source,
        Gate(source.port) as gate,
    ):
        command(source, "DEBUG", "POPULATE", KEYS - VALUES, "key", 16)
        for number in range(VALUES):
            source.client().set(f"big:{number}", os.urandom(VALUE_BYTES))
        env = environment(
            REDIS_URL=f"redis://:{CANARY}@127.0.0.1:{gate.port}/0",
            CELERY_BROKER_URL=broker.url,
            CELERY_RESULT_BACKEND=broker.url[:-1] + "1",
            BACKUP_STORAGE=str(folder / "backups"),
        )
        yield Office(folder, broker, source, gate, env)


@pytest.fixture
def office(rooms: Office) -> Iterator[Office]:
    rooms.broker.client().flushall()
    yield rooms
    rooms.gate.open()


def test_a_call_is_remembered_from_the_queue_to_its_end(office: Office) -> None:
    identity = office.call("backup", format="json")
    queued = office.wait_for(identity, "PENDING")
    assert (queued.operation, queued.arguments) == ("backup", {"format": "json"})
    assert queued.asked_by == f"celery {here()}"
    assert queued.started_at is None
    with office.worker():
        ended = office.wait_for(identity, "SUCCESS")
        pruned = eventually(lambda: [one for one in _all(office) if one.operation == "prune" and one.ended], "a prune")
    assert ended.value["keys"] == KEYS
    assert ended.queued_at <= ended.started_at <= ended.ended_at  # type: ignore[operator]
    assert [line["event"] for line in ended.log] == ["backup_created"]
    assert pruned[0].asked_by == f"celery {here()}, after the backup"
    assert not office.broker.client().exists(lease_key(identity))


def _all(office: Office) -> list[Run]:
    with open_runs(Settings(celery_broker_url=office.broker.url)) as memory:
        return list(memory.each())


def test_what_was_asked_for_is_remembered_as_it_was_understood(office: Office) -> None:
    with office.worker():
        ended = office.wait_for(office.call("backup", databases=0, unless_younger_than_hours="0.5"), "SUCCESS")
        refused = office.wait_for(office.call("backup", databases=["a", 1]), "FAILURE")
    assert ended.arguments == {"databases": [0], "unless_younger_than_hours": 0.5}
    assert refused.arguments == {"databases": ["a", 1]}, "as it was sent, for nobody could understand it"


def test_a_long_list_of_keys_is_remembered_in_brief(memory: Runs) -> None:
    keys = [f"user:{number}:{'x' * 10}" for number in range(20_000)]
    one = new("one", "restore", {"name": "latest", "keys": keys}, "admin")
    memory.add(one)
    assert memory.get("one") == one
    assert one.arguments["keys"].startswith("20,000 keys, such as user:0:xxxxxxxxxx, user:10000:xxxxxxxxxx, ")
    assert len(one.model_dump_json()) < 1000
    told = brief({"keys": keys[::-1]}), brief({"keys": [*keys[1:], "another"]})
    assert [given["keys"] == one.arguments["keys"] for given in told] == [True, False]
    few = {"keys": ["user:1", "user:2"]}
    assert brief(few) == few
    assert "only 20,000 keys, such as" in runs.described("restore", one.arguments)


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
        eventually(lambda: len(_events(worker, "delivered_again")) == 2, "both others to leave")
    assert len(office.manifests - before) == 1


def _events(worker: Background, name: str) -> list[dict[str, Any]]:
    return [event for event in worker.events if event.get("event") == name]


def _messages(office: Office) -> list[str]:
    return [bytes(message).decode() for message in office.broker.client().lrange("jobs", 0, -1)]  # type: ignore[arg-type]


def test_of_two_beats_one_makes_the_backup(office: Office) -> None:
    identity, broker, before = office.call("backup"), office.broker.client(), office.manifests
    (message,) = _messages(office)
    broker.delete("jobs")
    others = [str(uuid.uuid4()) for _ in range(2)]
    for other in others:
        mine = json.loads(message.replace(identity, other))
        mine["headers"] |= {"asked_by": "beat daily", "slot": "daily 2026-01-01T03:00:00+00:00"}
        broker.lpush("jobs", json.dumps(mine))
    with office.worker() as worker:
        office.wait_for(others[0], "SUCCESS")
        eventually(lambda: len(_events(worker, "backup_pruned")) == 1, "the prune, which comes behind both")
        # Behind it in its queue, but another process may still be at the end of the second.
        eventually(lambda: office.run(others[1]) is None, "that there was nothing to do to be forgotten")
    assert len(office.manifests - before) == 1


def test_a_restore_whose_process_is_killed_is_interrupted_and_says_how_far_it_came(office: Office) -> None:
    with office.worker() as worker:
        name = office.wait_for(office.call("backup"), "SUCCESS").value["name"]
        office.source.client().flushall()
        office.gate.shut(SOME_REPLIES)
        identity = office.call("restore", name=name)
        told = eventually(
            lambda: (office.wait_for(identity, "STARTED").progress or {}).get("phase") == "restoring", "keys"
        )
        assert told
        os.kill(next(pid for pid in worker.pids() if pid != worker.process.pid), signal.SIGKILL)
        ended = office.wait_for(identity, "INTERRUPTED")
        office.gate.open()
        found = re.search(r"At least ([\d,]+) keys", str(ended.error))
        assert found
        assert 0 < int(found[1].replace(",", "")) < KEYS
        again = office.wait_for(office.call("restore", name=name), "SUCCESS", "FAILURE")
    assert again.state == "SUCCESS", again.error
    assert office.source.client().dbsize() == KEYS


def test_a_worker_that_is_killed_outright_is_noticed_by_the_next_and_its_backup_made_once_more(office: Office) -> None:
    before, broker = office.manifests, office.broker.client()
    office.gate.shut(HALF_WAY)
    with office.worker():
        identity = office.call("backup")
        office.wait_for(identity, "STARTED")
        eventually(lambda: broker.exists(lease_key(identity)), "the lease")
        assert 0 < broker.ttl(lease_key(identity)) <= 60
        eventually(lambda: list(broker.scan_iter("redis_backup:lock:source*")), "the lock")
    office.gate.open()
    assert office.wait_for(identity, "STARTED").ended_at is None
    # Neither its lease nor its lock has run out by now: it is known that its process is gone.
    with office.worker() as worker:
        ended = office.wait_for(identity, "INTERRUPTED")
        assert worker.event("run_interrupted", run=identity)
        shown = run(*CELERY, "result", identity, env=office.env, cwd=office.folder)
        assert "killed" in shown.out + shown.err
        (again,) = (one for one in _all(office) if one.repeats)
        assert (again.repeats, again.asked_by) == (identity, ended.asked_by)
        assert f"the run {again.id} is queued in its place" in str(ended.error)
        assert office.wait_for(again.id, "SUCCESS").waited == 0
        eventually(lambda: [one for one in _all(office) if one.operation == "prune" and one.ended], "the prune")
    assert len(office.manifests - before) == 1


def test_a_restore_whose_worker_is_killed_outright_is_not_made_up_for(office: Office) -> None:
    broker = office.broker.client()
    with office.worker():
        name = office.wait_for(office.call("backup"), "SUCCESS").value["name"]
        office.source.client().flushall()
        office.gate.shut(SOME_REPLIES)
        identity = office.call("restore", name=name, mode="overwrite")
        eventually(lambda: (office.wait_for(identity, "STARTED").progress or {}).get("phase") == "restoring", "keys")
    office.gate.open()
    assert list(broker.scan_iter("redis_backup:lock:target*"))
    with office.worker():
        assert "Run the same restore again" in str(office.wait_for(identity, "INTERRUPTED").error)
        assert not list(broker.scan_iter("redis_backup:lock:target*")), "what it held is free at once"
        assert [one.id for one in _all(office) if one.operation == "restore"] == [identity]
        again = office.wait_for(office.call("restore", name=name, mode="overwrite"), "SUCCESS", "FAILURE")
    assert again.state == "SUCCESS", again.error


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
        while (pause := tasks._pause(task, run, error)) is not None:
            found.append(pause)
            waited = run.waited + isinstance(error, BusyError)
            run = run.model_copy(update={"attempt": run.attempt + 1, "waited": waited})
        return found

    busy, away = BusyError("Somebody is at work."), SourceUnavailableError("It is away.")
    assert pauses(tasks.backup, busy) == sorted(pauses(tasks.backup, busy))
    assert 14 * 60 < sum(pauses(tasks.backup, busy)) < 16 * 60
    assert pauses(tasks.backup, away) == [10, 10]
    assert pauses(tasks.prune, busy) == pauses(tasks.backup, busy)
    for task in (tasks.restore, tasks.undo, tasks.delete):
        assert pauses(task, busy) == pauses(task, away) == []
    # Whoever has waited has not tried yet.
    assert tasks._pause(tasks.backup, a_run(attempt=5, waited=4), away) == 10


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


def test_what_has_ended_stays_as_it_ended(memory: Runs) -> None:
    run = a_run("restore", state="STARTED")
    memory.put(run)
    seen = memory.get(run.id)
    assert seen is not None
    assert memory.interrupt(seen, "It was killed.", None)
    interrupted = memory.get(run.id)
    for changes in ({"state": "SUCCESS", "ended_at": datetime.now(UTC)}, {"state": "RETRY", "attempt": 1}, {}):
        assert not memory.put(run.model_copy(update=changes))
    assert not memory.interrupt(seen, "Once more.", None)
    assert not memory.stay_alive(run.id)
    assert not memory.alive(run.id)
    assert memory.get(run.id) == interrupted
    memory.amend(run.id, "And more.")
    amended = memory.get(run.id)
    assert amended is not None
    assert interrupted is not None
    assert amended == interrupted.model_copy(update={"error": "It was killed. And more."})


def test_how_it_ended_may_be_said_twice(memory: Runs) -> None:
    ended = a_run(state="SUCCESS", ended_at=datetime.now(UTC))
    assert [memory.put(ended), memory.put(ended)] == [True, True], "the first answer may have got lost"
    memory.amend(ended.id, "No.")
    assert memory.get(ended.id) == ended


def test_an_attempt_that_was_begun_anew_is_told_nothing_more_of(memory: Runs) -> None:
    first = a_run(state="STARTED")
    second = first.model_copy(update={"attempt": 1})
    assert [memory.put(first), memory.put(second), memory.put(first)] == [True, True, False]
    assert memory.get(first.id) == second


def test_a_run_that_tells_something_meanwhile_is_not_interrupted(memory: Runs) -> None:
    run = a_run(state="STARTED")
    memory.put(run)
    memory.put(run.model_copy(update={"progress": {"phase": "reading", "current": 1}}))
    assert not memory.interrupt(run, "It was killed.", None)


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
    (message,) = _messages(office)
    before = office.manifests
    with office.worker() as worker:
        first = office.wait_for(identity, "SUCCESS")
        again = json.loads(message)
        again["headers"]["retries"] = 1
        broker.lpush("jobs", json.dumps(again))
        worker.event("delivered_again", run=identity)
        assert office.run(identity) == first
    assert len(office.manifests - before) == 1


def test_a_verb_of_the_shell_that_is_told_to_end_leaves_nothing(office: Office) -> None:
    office.gate.shut(HALF_WAY)
    shell = Background(*PYTHON, "backup", env=office.env, cwd=office.folder, name="shell")
    try:
        eventually(lambda: holder(shell.pids(), "*.partial"), "the backup to begin")
        shell.process.send_signal(signal.SIGTERM)
        assert shell.process.wait(20) == 1
        assert "Stopped." in shell.said
    finally:
        shell.stop()
        office.gate.open()
    (told,) = _all(office)
    assert (told.state, told.error) == ("INTERRUPTED", "Stopped.")
    assert not list((office.folder / "backups").glob(".*.partial"))
    assert not list(office.broker.client().scan_iter("redis_backup:lock:*"))


def test_a_verb_of_the_shell_is_a_run_as_well(office: Office) -> None:
    shown = run(*PYTHON, "backup", "--json", env=office.env, cwd=office.folder)
    assert shown.code == 0, shown.err
    failed = run(*PYTHON, "verify", "redis_backup_20010203_040506.rdb", env=office.env, cwd=office.folder)
    assert failed.code == 1
    one, other = _all(office)
    assert (one.operation, one.state, one.arguments) == (
        "verify",
        "FAILURE",
        {"name": "redis_backup_20010203_040506.rdb"},
    )
    assert (other.operation, other.state, other.asked_by) == ("backup", "SUCCESS", f"shell {here()}")
    assert other.value["name"] == shown.data["name"]


def test_a_shell_without_a_broker_works_and_says_nothing_of_it(office: Office) -> None:
    env = office.env | {"CELERY_BROKER_URL": f"redis://:{CANARY}@127.0.0.1:1/0"}
    since = time.monotonic()
    shown = run(*PYTHON, "backup", env=env, cwd=office.folder)
    assert shown.code == 0, shown.err
    assert "broker" not in (shown.out + shown.err).lower()
    assert time.monotonic() - since < 20
    assert _all(office) == []


def test_no_run_tells_a_password(office: Office) -> None:
    with office.worker():
        office.wait_for(office.call("ping"), "SUCCESS")
        office.wait_for(office.call("stats"), "SUCCESS")
        office.wait_for(office.call("restore", name="no.such"), "FAILURE")
    content = [run.model_dump_json() for run in _all(office)]
    assert len(content) == 3
    assert not [text for text in content if CANARY in text]
    assert with_password(office.source).count(CANARY) == 1


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has it")
def test_a_run_pushes_nobody_aside(tmp_path: Path) -> None:
    recording = Recording(
        Settings(celery_broker_url="redis://127.0.0.1:1/0", backup_storage=str(tmp_path)), a_run(), patience=0
    )
    # On a thread of its own: what is asked of the scheduler holds for this one, and is not taken back.
    with ThreadPoolExecutor(1) as thread:
        # Threads begin as the one that makes them is, and an earlier test may have made that one step back.
        thread.submit(os.sched_setscheduler, 0, os.SCHED_OTHER, os.sched_param(0)).result()
        assert thread.submit(os.sched_getscheduler, 0).result() == os.SCHED_OTHER
        found = thread.submit(perform, recording, lambda _: {"class": os.sched_getscheduler(0)}).result()
    assert found == {"class": os.SCHED_BATCH}


AUTOGROUP = Path("/proc/self/autogroup")
PERFORMED = """
import sys
from pathlib import Path
from tests.runs.test_runs import a_run
from worker.config.settings import Settings
from worker.runs.recorder import Recording, perform
settings = Settings(celery_broker_url="redis://127.0.0.1:1/0", backup_storage=sys.argv[1])
perform(Recording(settings, a_run(), patience=0), lambda _: {})
print(Path("/proc/self/autogroup").read_text().rpartition(" ")[2].strip())
"""


@pytest.mark.skipif(not os.access(AUTOGROUP, os.W_OK), reason="this kernel does not group processes by session")
@pytest.mark.parametrize("own", [True, False])
def test_a_session_of_its_own_steps_back_and_no_other(own: bool, tmp_path: Path) -> None:
    # Nothing at all is told of a session that began before the kernel grouped any.
    expected = SESSION_NICE if own else AUTOGROUP.read_text().rpartition(" ")[2].strip()
    command = [sys.executable, "-c", PERFORMED, str(tmp_path)]

    def tried() -> bool:
        done = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=own)
        return done.stdout.split("\n")[-2] == expected

    # Who is not the machine's root may ask for this every tenth of a second, all together: the next one may.
    eventually(tried, "the session to step back" if own else "the session to stay as it was")
