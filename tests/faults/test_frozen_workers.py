"""A process of a worker stands still, is taken for dead, and changes nothing more; a frozen broker is waited for."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.faults.frozen import KEYS, LEASE_SECONDS, Scene
from tests.faults.moments import Asked
from tests.support.processes import CELERY, PYTHON, Background, Sent, eventually, sender
from tests.support.servers import Server
from tests.support.states import assert_same
from worker.runs.run import Run
from worker.runs.store import open_runs


@dataclass
class Queue:
    """A scene with a worker of two processes."""

    scene: Scene
    worker: Background
    app: Any

    def send(self, task: str, **arguments: Any) -> Sent:
        return Sent(self.app.send_task(f"worker.tasks.{task}", kwargs=arguments).id, self.scene.broker)

    def run(self, identity: str) -> Run:
        with open_runs(self.scene.settings) as runs:
            found: Run = eventually(lambda: runs.get(identity), f"the run {identity}")
            return found

    def ended(self, identity: str) -> Run:
        eventually(lambda: self.run(identity).ended, lambda: f"the end of {self.run(identity)}:\n{self.worker.said}")
        return self.run(identity)

    def freeze(self, sent: Sent) -> int:
        """The process that runs it stands still, and the worker takes that for dead."""
        process = self.run(sent.id).process
        assert process is not None
        self.scene.freezer.freeze(process.pid)
        self.scene.line.heal()
        self.scene.wait_for_leases_to_run_out()
        self.app.send_task("worker.tasks.reap")
        assert self.ended(sent.id).state == "INTERRUPTED"
        return process.pid


@pytest.fixture
def queue(scene: Scene) -> Iterator[Queue]:
    worker = Background(*CELERY, "worker", "--concurrency", "3", env=scene.env, cwd=scene.folder, name="worker")
    try:
        worker.wait_until_it_says("ready.")
        yield Queue(scene, worker, sender(scene.env))
    finally:
        scene.freezer.thaw_all()
        worker.stop()


def test_a_restore_of_the_queue_goes_on_and_touches_nothing(queue: Queue) -> None:
    scene = queue.scene
    scene.server.client().flushall()
    fault = scene.line.pause(Asked(b"RESTORE", nth=1200))
    first = queue.send("restore", name="latest", mode="overwrite")
    fault.wait()
    pid = queue.freeze(first)
    second = queue.send("restore", name="latest", mode="overwrite")
    assert queue.ended(second.id).state == "SUCCESS"
    written, ended = scene.write_later(), queue.run(first.id)
    first.wait_for("FAILURE")
    scene.freezer.thaw(pid)
    event = queue.worker.event("restore_failed", run=first.id)
    assert event["kind"] == "LostError"
    eventually(lambda: "stood still for" in first.error, lambda: f"its result: {first.meta}")
    assert first.state == "FAILURE"
    assert_same(written, scene.server)
    assert queue.run(first.id) == ended
    assert [run.id for run in scene.runs("restore")] == [second.id, first.id], "nobody has begun one more"


@pytest.mark.slow
def test_an_undo_of_the_queue_goes_on_and_touches_nothing(queue: Queue) -> None:
    scene = queue.scene
    scene.fill("before", 1500)
    restored = queue.send("restore", name="latest", mode="overwrite")
    assert queue.ended(restored.id).state == "SUCCESS"
    fault = scene.line.pause(Asked(b"RESTORE", nth=300))
    first = queue.send("undo", run=restored.id)
    fault.wait()
    pid = queue.freeze(first)
    second = queue.send("undo", run=restored.id)
    assert queue.ended(second.id).state == "SUCCESS"
    written, ended = scene.write_later(), queue.run(first.id)
    scene.freezer.thaw(pid)
    assert queue.worker.event("undo_failed", run=first.id)["kind"] == "LostError"
    assert_same(written, scene.server)
    assert (queue.run(first.id), first.state) == (ended, "FAILURE")


def test_a_backup_of_the_queue_is_made_up_for_and_goes_on_and_commits_nothing(queue: Queue) -> None:
    scene = queue.scene
    before = scene.manifests
    fault = scene.line.pause(Asked(b"DUMP", nth=1200))
    first = queue.send("backup", engine="scan")
    fault.wait()
    pid = queue.freeze(first)
    ended = queue.run(first.id)
    (again,) = (run for run in scene.runs("backup") if run.repeats)
    assert (again.repeats, again.arguments) == (first.id, {"engine": "scan"})
    assert again.id in str(ended.error)
    assert queue.ended(again.id).state == "SUCCESS"
    after = scene.manifests
    assert len(after) == len(before) + 1
    scene.freezer.thaw(pid)
    assert queue.worker.event("backup_failed", run=first.id)["kind"] == "LostError"
    eventually(lambda: "stood still for" in first.error, lambda: f"its result: {first.meta}")
    assert first.state == "FAILURE"
    assert queue.run(first.id) == ended
    assert scene.manifests == after
    assert len(scene.runs("backup")) == 3


@pytest.mark.slow
def test_a_broker_that_is_frozen_for_longer_than_the_lease_is_waited_for(scene: Scene) -> None:
    scene.server.client().flushall()
    fault = scene.line.pause(Asked(b"RESTORE", nth=1200))
    with scene.begun(*PYTHON, "restore", "latest") as process:
        fault.wait()
        (run,) = scene.runs("restore")
        with scene.freezer.frozen(scene.broker.process.pid):
            _pass_seconds(2 * LEASE_SECONDS)
            scene.line.heal()
            written = _settled(scene.server)
            assert written < KEYS
            assert process.process.poll() is None
        assert process.process.wait(30) == 0, process.said
    assert scene.server.client().dbsize() == KEYS
    (ended,) = scene.runs("restore")
    assert (ended.id, ended.state) == (run.id, "SUCCESS")


def _pass_seconds(seconds: float) -> None:
    """The fault itself: so long it lasts."""
    time.sleep(seconds)


def _settled(server: Server) -> int:
    """How many keys there are, once they become no more."""
    seen: list[int] = []

    def settled() -> bool:
        _pass_seconds(0.2)
        seen.append(server.client().dbsize())
        return len(seen) > 5 and len(set(seen[-5:])) == 1

    eventually(settled, "the last keys")
    return seen[-1]
