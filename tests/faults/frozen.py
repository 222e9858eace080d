"""A run that stands still: on its line or by itself, until its leases have run out, and what holds when it goes on."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.freezer import Freezer, states
from tests.faults.line import Line
from tests.faults.moments import Moment
from tests.support.processes import PYTHON, Background, Ended, command, eventually, run
from tests.support.servers import Server
from tests.support.states import State, assert_same, state
from worker.broker.connection import PREFIX
from worker.config.settings import Settings
from worker.restore.mirror import recovery
from worker.runs import reaper
from worker.runs.reaper import Means
from worker.runs.run import Run
from worker.runs.store import open_runs

KEYS, LATER = 3000, 500
LEASE_SECONDS = 4
"""So short that a test may wait for its end, and so long that a busy machine keeps it."""
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
        with self.begun(*PYTHON, *arguments) as process:
            eventually(lambda: fault.happened or process.process.poll() is not None, "the moment")
            assert fault.happened, process.said
            self.freezer.freeze(process.process.pid)
            self.line.heal()
            yield process

    @contextmanager
    def frozen_by_itself(self, at: str, *arguments: str) -> Iterator[Background]:
        """The same, where its own progress tells the moment."""
        with self.begun(sys.executable, "-c", STOPS_ITSELF, at, *arguments) as process:
            eventually(lambda: states(process.process.pid) <= {"T", "Z"}, lambda: f"{at} in {process.said}")
            assert process.process.poll() is None, process.said
            yield process

    @contextmanager
    def begun(self, *words: str) -> Iterator[Background]:
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
