"""A run stands still for longer than its lease, another one does its work meanwhile, and then the first one goes on.

Whatever it was doing: what others have written since stays, its run stays interrupted, and its verb fails.
"""

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.freezer import Freezer, states
from tests.faults.line import Line
from tests.faults.moments import Asked, Moment
from tests.faults.sweeps import sweep
from tests.support.processes import (
    CELERY,
    PYTHON,
    Background,
    Ended,
    Sent,
    command,
    environment,
    eventually,
    run,
    sender,
)
from tests.support.servers import Binary, Server
from tests.support.states import State, assert_same, state
from worker.broker.connection import PREFIX
from worker.config.settings import Settings
from worker.restore.mirror import recovery
from worker.runs import reaper
from worker.runs.reaper import Means
from worker.runs.run import Run
from worker.runs.store import open_runs

KEYS, LATER = 3000, 500
LEASE_SECONDS = 2
# The verbs of the shell, in a process that stops itself where its progress, or its nth fsync, comes to this.
STOPS_ITSELF = """
import contextlib, os, signal, sys
from worker.cli import console
from worker.__main__ import main

at = [sys.argv.pop(1)]
fsyncs = []

def reached(*names):
    if at and at[0] in names:
        at.clear()
        os.kill(os.getpid(), signal.SIGSTOP)

def tell(phase, current, total, unit):
    reached(phase, f"{phase}, all" if current == total else phase)

@contextlib.contextmanager
def progress():
    yield tell

def fsync(descriptor, do=os.fsync):
    do(descriptor)
    fsyncs.append(descriptor)
    reached(f"fsync {len(fsyncs)}")

console.progress, os.fsync = progress, fsync
sys.exit(main())
"""


@dataclass
class Scene:
    """A broker, a server that is source and target, a line to it, and a folder of backups; leases are short."""

    folder: Path
    broker: Server
    server: Server
    line: Line
    freezer: Freezer
    env: dict[str, str]

    @property
    def settings(self) -> Settings:
        return Settings(celery_broker_url=self.broker.url, redis_url=self.env["REDIS_URL"])

    @property
    def manifests(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "backups").glob("*.manifest.json"))

    def shell(self, *arguments: str) -> Ended:
        return run(*PYTHON, *arguments, env=self.env, cwd=self.folder)

    def runs(self, operation: str) -> list[Run]:
        """Newest first."""
        with open_runs(self.settings) as runs:
            return list(runs.each(operation))

    def fill(self, value: str, keys: int = KEYS) -> None:
        pipe = self.server.client().pipeline(transaction=False)
        for number in range(keys):
            pipe.set(f"key:{number}", f"{value} {number}")
        pipe.execute()

    def write_later(self) -> State:
        """What the application does once all seems well: all that it has then."""
        self.fill("written later", LATER)
        self.server.client().set("new", "written later")
        return state(self.server)

    def reaped(self, operation: str, publish: Callable[[Run], None] = lambda _: None) -> Run:
        """Wait until nobody hears of the frozen run any more, and let that be noticed."""
        frozen = self.runs(operation)[0]
        assert frozen.state == "STARTED"
        assert not reaper.is_dead(frozen), "it is there, and may go on"
        self.wait_for_leases_to_run_out()
        (ended,) = reaper.reap(self.settings, [], Means(publish, recovery.end_left))
        assert (ended.id, ended.state) == (frozen.id, "INTERRUPTED")
        return ended

    def wait_for_leases_to_run_out(self) -> None:
        """Those of the run, and of what it holds."""
        broker, held = self.broker.client(), (f"{PREFIX}lease:*", f"{PREFIX}lock:*")
        eventually(lambda: not any(list(broker.scan_iter(keys)) for keys in held), "its leases to run out")

    @contextmanager
    def frozen_on_the_line(self, moment: Moment, *arguments: str) -> Iterator[Background]:
        """A verb of the shell that stands still since that moment; what it had sent by then has arrived."""
        fault = self.line.pause(moment)
        with self._begun(*PYTHON, *arguments) as process:
            eventually(lambda: fault.happened or process.process.poll() is not None, "the moment")
            assert fault.happened, process.said
            self.freezer.freeze(process.process.pid)
            self.line.heal()
            yield process

    @contextmanager
    def frozen_by_itself(self, at: str, *arguments: str) -> Iterator[Background]:
        """The same, where its own progress tells the moment."""
        with self._begun(sys.executable, "-c", STOPS_ITSELF, at, *arguments) as process:
            eventually(lambda: states(process.process.pid) <= {"T", "Z"}, lambda: f"{at} in {process.said}")
            assert process.process.poll() is None, process.said
            yield process

    @contextmanager
    def _begun(self, *words: str) -> Iterator[Background]:
        process = Background(*words, env=self.env, cwd=self.folder, name="frozen")
        try:
            yield process
        finally:
            process.stop()

    def thawed(self, process: Background) -> str:
        """Let it go on to its end, which must be a failure: what it says."""
        self.freezer.thaw(process.process.pid)
        assert process.process.wait(30) == 1, process.said
        return process.said


@pytest.fixture
def scene(
    request: pytest.FixtureRequest, newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path
) -> Scene:
    """With other options of the server where the test gives them."""
    request.getfixturevalue("monkeypatch").setattr(reaper, "AGAIN_SECONDS", 0)
    broker, server = start_server(newest), start_server(newest, *getattr(request, "param", ()))
    line = wire_to(server)
    env = environment(
        REDIS_URL=line.url,
        CELERY_BROKER_URL=broker.url,
        CELERY_RESULT_BACKEND=broker.url,
        BACKUP_STORAGE=str(tmp_path / "backups"),
        BACKUP_KEEP="50",
        REDIS_BACKUP_LEASE_SECONDS=str(LEASE_SECONDS),
    )
    found = Scene(tmp_path, broker, server, line, request.getfixturevalue("freezer"), env)
    found.fill("of the backup")
    assert found.shell("backup").code == 0
    return found


def forbid_clients(scene: Scene) -> None:
    """A target on which nobody's connections can be ended: the proof before each send is all that there is."""
    command(scene.server, "ACL", "SETUSER", "lean", "on", ">secret", "~*", "&*", "+@all", "-client")
    scene.env["REDIS_URL"] = scene.line.url.replace("redis://", "redis://lean:secret@")


def went_wrong(scene: Scene, process: Background, operation: str, again: Callable[[], Ended]) -> str:
    """The whole story from the freeze on; what the frozen one said in the end."""
    ended = scene.reaped(operation)
    done = again()
    assert done.code == 0, done.err
    written = scene.write_later()
    said = scene.thawed(process)
    assert_same(written, scene.server)
    second, first = scene.runs(operation)[:2]
    assert (first.id, first.state, first.error) == (ended.id, "INTERRUPTED", ended.error)
    assert second.state == "SUCCESS"
    assert "stood still for" in said
    return said


# So slow that loading is a step of its own.
SLOWLY = ("--key-load-delay", "300", "--loading-process-events-interval-bytes", "1024", "--hz", "100")
CHECKS, WRITES, DELETES = Asked(b"RESTORE", nth=1), Asked(b"RESTORE", nth=1200), Asked(b"UNLINK", nth=3)
ALL, LESS = "all rights", "none over clients"
RESTORES = [
    ("skip", WRITES, ALL),
    ("overwrite", WRITES, LESS),
    ("mirror", WRITES, ALL),
    ("mirror", DELETES, LESS),
    *(
        pytest.param(mode, moment, rights, marks=pytest.mark.slow)
        for mode in ("skip", "overwrite", "mirror")
        for moment in (CHECKS, *(Asked(b"RESTORE", nth) for nth in (250, 1500, 2990)))
        for rights in (ALL, LESS)
    ),
    *(pytest.param("mirror", Asked(b"UNLINK", nth), ALL, marks=pytest.mark.slow) for nth in (2, 5)),
]


@pytest.mark.parametrize(("mode", "moment", "rights"), RESTORES, ids=str)
def test_a_frozen_restore_goes_on_and_touches_nothing(mode: str, moment: Asked, rights: str, scene: Scene) -> None:
    if rights == LESS:
        forbid_clients(scene)
    # A part of it, or a mirror would be made as one file.
    verb = ("restore", "latest", "--mode", mode, "--yes", "--match", "*")
    scene.server.client().flushall()
    pipe = scene.server.client().pipeline(transaction=False)
    for number in range(1500):
        pipe.set(f"other:{number}", "x")
    pipe.execute()
    with scene.frozen_on_the_line(moment, *verb) as process:
        said = went_wrong(scene, process, "restore", lambda: scene.shell(*verb))
    told = re.search(r"Until then: ([\d,]+) restored", said)
    # Who only asks whether it may has nothing to tell.
    assert (told is None) == (moment == CHECKS), said
    assert told is None or int(told[1].replace(",", "")) <= KEYS


def test_what_a_frozen_restore_says_it_has_written_is_what_is_there(scene: Scene) -> None:
    scene.server.client().flushall()
    forbid_clients(scene)
    with scene.frozen_on_the_line(Asked(b"RESTORE", nth=1200), "restore", "latest") as process:
        scene.reaped("restore")
        said = scene.thawed(process)
    told = re.search(r"Until then: ([\d,]+) restored", said)
    assert told, said
    assert int(told[1].replace(",", "")) == scene.server.client().dbsize()


@pytest.mark.slow
@pytest.mark.parametrize("moment", [Asked(b"RESTORE", nth=300), Asked(b"UNLINK", nth=2)], ids=str)
def test_a_frozen_undo_goes_on_and_touches_nothing(moment: Asked, scene: Scene) -> None:
    scene.server.client().flushall()
    scene.fill("before", 1500)
    restored = scene.shell("restore", "latest", "--mode", "overwrite", "--yes", "--json")
    assert restored.code == 0, restored.err
    verb = ("undo", restored.data["undo"]["name"], "--yes")
    with scene.frozen_on_the_line(moment, *verb) as process:
        said = went_wrong(scene, process, "undo", lambda: scene.shell(*verb))
    assert re.search(r"Until then: [\d,]+ put back, [\d,]+ deleted", said)


@pytest.mark.parametrize("scene", [SLOWLY], indirect=True, ids=["slow to load"])
@sweep("step", ["sending", "loading", "keeping what is there", "reading", "sending, all"], quick=2)
def test_a_frozen_mirror_by_replication_goes_on_and_touches_nothing(step: str, scene: Scene) -> None:
    scene.fill("before", 1000)
    scene.server.client().mset({f"other:{number}": "x" for number in range(1500)})
    verb = ("restore", "latest", "--mode", "mirror", "--yes", "--json")

    def again() -> Ended:
        done = scene.shell(*verb)
        assert done.data["way"] == "replication"
        return done

    with scene.frozen_by_itself(step, *verb) as process:
        went_wrong(scene, process, "restore", again)
    assert scene.server.client().info("replication")["role"] == "master"


def test_what_was_on_its_way_when_a_restore_froze_never_lands(scene: Scene) -> None:
    begun, held = threading.Event(), threading.Event()
    scene.server.client().flushall()
    # This connection alone is held up, with all that it still had to carry.

    def hold() -> None:
        begun.set()
        held.wait(60)

    scene.line.call(WRITES, hold)
    with scene._begun(*PYTHON, "restore", "latest", "--mode", "overwrite", "--yes") as process:
        assert begun.wait(30), process.said
        scene.freezer.freeze(process.process.pid)
        try:
            scene.reaped("restore")
            assert scene.shell("restore", "latest", "--mode", "overwrite", "--yes").code == 0
            written = scene.write_later()
        finally:
            held.set()
        scene.thawed(process)
    eventually(lambda: scene.line.connections == 0, "the connection to be over, with all that was on it")
    assert_same(written, scene.server)


ENGINES = [("replication", "rdb"), ("scan", "rdb"), ("scan", "json"), ("typed", "json")]
# Of the artifact, of the folder that shows it, of its manifest: with the next one it is there.
COMMITS = ["fsync 1", "fsync 2", "fsync 3"]
BACKUPS = [
    *((engine, "reading") for engine in ENGINES),
    *((ENGINES[1], commit) for commit in COMMITS),
    *(
        pytest.param(engine, commit, marks=pytest.mark.slow)
        for engine in ENGINES
        if engine != ENGINES[1]
        for commit in COMMITS
    ),
]


@pytest.mark.parametrize(("way", "at"), BACKUPS, ids=str)
def test_a_frozen_backup_goes_on_and_commits_nothing(way: tuple[str, str], at: str, scene: Scene) -> None:
    before, (engine, data_format) = scene.manifests, way
    verb = ("backup", "--engine", engine, "--format", data_format)
    with scene.frozen_by_itself(at, *verb) as process:
        ended = scene.reaped("backup")
        assert scene.shell(*verb).code == 0
        after = scene.manifests
        assert len(after) == len(before) + 1
        said = scene.thawed(process)
    assert "stood still for" in said
    assert scene.manifests == after
    assert sorted(os.listdir(scene.folder / "backups")) == sorted([*after, *(one[:-14] for one in after)])
    second, first, _ = scene.runs("backup")
    assert (first.id, first.state, first.error) == (ended.id, "INTERRUPTED", ended.error)
    assert second.state == "SUCCESS"


def test_a_frozen_prune_goes_on_and_deletes_nothing(scene: Scene) -> None:
    for _ in range(3):
        assert scene.shell("backup").code == 0
    verb = ("prune", "--keep-manual", "1")
    with scene.frozen_by_itself("checking", *verb) as process:
        ended = scene.reaped("prune")
        before = scene.manifests
        said = scene.thawed(process)
    assert "stood still for" in said
    assert scene.manifests == before
    assert len(before) == 4
    (first,) = scene.runs("prune")
    assert (first.state, first.error) == ("INTERRUPTED", ended.error)


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


def test_a_broker_that_is_frozen_for_longer_than_the_lease_is_waited_for(scene: Scene) -> None:
    scene.server.client().flushall()
    fault = scene.line.pause(Asked(b"RESTORE", nth=1200))
    with scene._begun(*PYTHON, "restore", "latest") as process:
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
