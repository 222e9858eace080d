"""Runs that somebody cancels: before they begin, between two batches, and where they wait for an answer that does not come."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.runs.made import a_run
from tests.runs.office import HALF_WAY, Office, events
from tests.support.processes import PYTHON, Background, eventually, holder, run
from worker.config.settings import Settings
from worker.errors import CancelledError, NotFoundError, RefusedError, SourceUnavailableError
from worker.progress import Progress
from worker.restore.mirror import recovery
from worker.runs import cancelling, reaper
from worker.runs.liveness import lease_key
from worker.runs.reaper import Means
from worker.runs.recorder import Recording, perform
from worker.runs.run import Run, here
from worker.runs.store import Runs, open_runs

WAITING = ("PENDING", "RETRY")
ENDED = ("SUCCESS", "FAILURE", "INTERRUPTED", "CANCELLED")
MOMENT_SECONDS = 0.01
"""What an answer takes on its way, so that a restore is not over before it is seen to write."""
LONG_SECONDS = 1.5 * cancelling.LOOK_SECONDS
"""And what it takes from then on, so that it is looked whether somebody cancels between any two batches."""


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is looked for all the time, and nobody is given long."""
    monkeypatch.setattr(cancelling, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(cancelling, "GRACE_SECONDS", 0.1)


def ended(memory: Runs, one: Run) -> Run:
    found = memory.get(one.id)
    assert found is not None
    assert found.ended
    return found


@pytest.mark.parametrize("state", WAITING)
def test_a_run_that_waits_ends_at_once_and_is_not_begun_any_more(state: Any, memory: Runs) -> None:
    one = a_run(state=state, error="The source is away." if state == "RETRY" else None, attempt=int(state == "RETRY"))
    memory.put(one)
    assert memory.cancel(one.id, "admin").state == "CANCELLED"
    assert memory.unfinished() == []
    assert str(ended(memory, one).error).startswith("Cancelled by admin")
    assert not memory.put(one.model_copy(update={"state": "STARTED"})), "whoever begins with it now finds it ended"
    assert not memory.put(one.model_copy(update={"state": "RETRY", "attempt": 2}))


@pytest.mark.parametrize("state", ENDED)
def test_what_has_ended_stays_as_it_ended(state: Any, memory: Runs) -> None:
    one = a_run(state=state)
    memory.put(one)
    for _ in range(2):
        with pytest.raises(RefusedError, match=f"has ended already \\({state}\\)"):
            memory.cancel(one.id, "admin")
    assert memory.get(one.id) == one
    assert memory.cancelled_by(one.id) is None


def test_what_there_is_not_cannot_be_cancelled(memory: Runs) -> None:
    with pytest.raises(NotFoundError):
        memory.cancel("never issued", "admin")
    assert not memory._client.keys("*")


def test_a_run_is_cancelled_once_by_whoever_is_first(memory: Runs) -> None:
    one = a_run(state="STARTED")
    memory.put(one)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: memory.cancel(one.id, f"admin {number}"), range(8)))
    by = memory.cancelled_by(one.id)
    memory.cancel(one.id, "somebody else")
    assert memory.cancelled_by(one.id) == by


def cancelled_at_work(settings: Settings, one: Run, verb: Callable[[Progress], Any], **more: Any) -> CancelledError:
    def work(progress: Progress) -> dict[str, Any]:
        with open_runs(settings) as runs:
            runs.cancel(one.id, "admin")
        return dict(verb(progress))

    with pytest.raises(CancelledError) as caught:
        perform(Recording(settings, one, **more), work)
    return caught.value


def batches(progress: Progress) -> Any:
    for number in range(10**9):
        progress("reading", number, None, "keys")
    return {}


@pytest.mark.usefixtures("soon")
def test_a_run_that_works_by_batches_stops_between_two(memory: Runs, broker_settings: Settings) -> None:
    one = a_run()
    assert str(cancelled_at_work(broker_settings, one, batches)) == "Cancelled by admin."
    found = ended(memory, one)
    assert (found.state, found.error) == ("CANCELLED", "Cancelled by admin.")
    assert memory.cancelled_by(one.id) is None, "nothing is left of it"


@pytest.mark.usefixtures("soon")
def test_a_run_that_hears_nothing_is_broken_off(memory: Runs, broker_settings: Settings) -> None:
    one = a_run("ping")

    def waits(_: Progress) -> Any:
        memory._client.blpop("nothing ever comes here", timeout=0)

    said = "Cancelled by admin. It was stopped before its end."
    assert str(cancelled_at_work(broker_settings, one, waits)) == said
    assert (ended(memory, one).state, ended(memory, one).error) == ("CANCELLED", said)


@pytest.mark.usefixtures("soon")
def test_a_cancelled_run_that_fails_is_not_tried_again(memory: Runs, broker_settings: Settings) -> None:
    one = a_run()

    def fails(_: Progress) -> dict[str, Any]:
        memory.cancel(one.id, "admin")
        raise SourceUnavailableError("The source is away.")

    with pytest.raises(SourceUnavailableError):
        perform(Recording(broker_settings, one, tried_again=lambda _: True), fails)
    assert ended(memory, one).state == "FAILURE"


def test_a_cancelled_backup_that_is_killed_is_not_made_up_for(memory: Runs, broker_settings: Settings) -> None:
    one = a_run(state="STARTED")
    memory.put(one)
    memory.cancel(one.id, "admin")
    memory._client.delete(lease_key(one.id))
    published: list[Run] = []
    reaper.reap(broker_settings, ["jobs"], Means(published.append, recovery.end_left))
    assert ended(memory, one).state == "INTERRUPTED"
    assert published == []


def cancel(office: Office, identity: str) -> None:
    shown = run(*PYTHON, "cancel", identity, env=office.env, cwd=office.folder)
    assert shown.code == 0, shown.err


def backed_up(office: Office) -> str:
    shown = run(*PYTHON, "backup", "--json", env=office.env, cwd=office.folder)
    assert shown.code == 0, shown.err
    return str(shown.data["name"])


def told(worker: Background, event: str) -> list[dict[str, Any]]:
    """The lines of its log with that event, of which there will be one: a run's end is known a moment before it is logged."""
    eventually(lambda: events(worker, event), f"{event} in the log")
    return events(worker, event)


@contextmanager
def slow(office: Office) -> Iterator[None]:
    office.gate.seconds = MOMENT_SECONDS
    try:
        yield
    finally:
        office.gate.seconds = 0


def test_a_task_that_waits_is_never_begun(office: Office) -> None:
    waiting = office.call("backup")
    cancel(office, waiting)
    again = run(*PYTHON, "cancel", waiting, env=office.env, cwd=office.folder)
    assert (again.code, again.out) == (1, "")
    assert again.err == "Error: The run has ended already (CANCELLED): there is nothing to cancel.\n"
    before = office.manifests
    with office.worker() as worker:
        office.wait_for(office.call("verify", name="no.such"), "FAILURE")
        assert [one["run"] for one in told(worker, "delivered_again")] == [waiting]
    assert office.manifests == before
    found = office.wait_for(waiting, "CANCELLED")
    assert (found.error, found.started_at) == (f"Cancelled by shell {here()} before it began.", None)


def test_a_restore_that_is_cancelled_says_exactly_what_it_wrote_and_is_completed_by_the_next(office: Office) -> None:
    name = backed_up(office)
    client = office.source.client()
    before = client.dbsize()
    arguments = {"name": name, "mode": "overwrite", "prefix": "restored:", "match": "key:*"}
    with office.worker() as worker, slow(office):
        restore = office.call("restore", **arguments)
        eventually(lambda: client.dbsize() > before, "the restore to write")
        office.gate.seconds = LONG_SECONDS
        cancel(office, restore)
        found = office.wait_for(restore, *ENDED)
        written = client.dbsize() - before
        (line,) = told(worker, "restore_cancelled")
        office.gate.seconds = 0
        completed = office.wait_for(office.call("restore", **arguments), *ENDED)
    assert found.state == "CANCELLED"
    assert 0 < written == found.value["restored"]
    assert found.value["unconfirmed"] == 0
    assert found.error is not None
    assert found.error.startswith(
        f"Cancelled by shell {here()}. Until then: {written:,} restored, 0 skipped, 0 expired, "
    )
    assert found.error.endswith("Run the same again to complete it.")
    assert line["error"] == found.error
    assert (completed.state, completed.value["failed"]) == ("SUCCESS", 0)
    assert client.dbsize() - before == completed.value["restored"]


@pytest.mark.slow
def test_a_backup_that_is_cancelled_while_its_source_is_silent_leaves_nothing(office: Office) -> None:
    before = office.manifests
    office.gate.shut(HALF_WAY)
    with office.worker() as worker:
        backup = office.call("backup")
        eventually(lambda: holder(worker.pids(), "*.partial"), "the backup to begin")
        cancel(office, backup)
        assert office.wait_for(backup, *ENDED).state == "CANCELLED"
        assert [one["run"] for one in told(worker, "backup_cancelled")] == [backup]
        office.gate.open()
        assert office.wait_for(office.call("backup"), *ENDED).state == "SUCCESS", "nothing is locked"
        assert worker.process.poll() is None
    assert len(office.manifests - before) == 1
    assert not list((office.folder / "backups").glob(".*.partial"))


@pytest.mark.slow
def test_a_verb_of_the_shell_can_be_cancelled_and_says_so_by_its_exit_code(office: Office) -> None:
    office.gate.shut(HALF_WAY)
    shell = Background(*PYTHON, "backup", env=office.env, cwd=office.folder, name="shell")
    try:
        eventually(lambda: holder(shell.pids(), "*.partial"), "the backup to begin")
        with open_runs(Settings(celery_broker_url=office.broker.url)) as runs:
            (one,) = runs.unfinished()
        cancel(office, one.id)
        assert shell.process.wait(30) == 3
        assert f"Cancelled by shell {here()}." in shell.said
    finally:
        shell.stop()
    assert office.wait_for(one.id, *ENDED).state == "CANCELLED"
