"""Who writes into the source, who asks for runs, and who watches the storage, each in a thread of its own."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import kombu.exceptions
import redis

from tests.soak.stage import CHANGING_DB, ELSEWHERE, Stage
from tests.support.processes import sender
from tests.support.servers import Server
from worker.errors import BackupSystemError
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.runs.run import FINAL, Run
from worker.runs.store import open_runs
from worker.storage.local import Folder

PAIRS = 300
MOST_WAITING = 5

Choose = Callable[[Random], dict[str, Any]]


def _backup(dice: Random) -> dict[str, Any]:
    return {"engine": dice.choice(["auto", "auto", "scan", "typed"]), "format": dice.choice(["rdb", "rdb", "json"])}


def _restore(dice: Random) -> dict[str, Any]:
    return {"name": "latest", "mode": dice.choice(["skip", "overwrite", "mirror", "mirror"]), "target": ELSEWHERE}


ASKED: list[tuple[str, int, Choose]] = [
    ("backup", 8, _backup),
    ("restore", 4, _restore),
    ("undo", 2, lambda _: {}),
    ("verify", 1, lambda _: {"name": "latest"}),
    ("drill", 2, lambda _: {"name": "latest"}),
    ("copy", 1, lambda _: {"name": "latest"}),
    ("delete", 1, lambda _: {}),
    ("prune", 1, lambda _: {}),
    ("preview", 1, lambda _: {"name": "latest", "target": ELSEWHERE}),
    ("stats", 1, lambda _: {}),
    ("storage", 1, lambda _: {}),
]
"""What is asked for, how often, and with which arguments."""


class Repeated:
    """A thread that does its part again and again, until it is stopped; a server that is away is left alone meanwhile."""

    every_seconds = 0.01

    def __init__(self, stage: Stage, dice: Random) -> None:
        self.stage, self.dice = stage, dice
        self.broke: BaseException | None = None
        """What ended it too early: a fault of the soak itself."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def once(self) -> None:
        """Its part."""
        raise NotImplementedError

    def stop(self) -> None:
        """Wait for it to end; an error that ended it is raised."""
        self._stopped.set()
        self._thread.join()
        if self.broke is not None:
            raise self.broke

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self.every_seconds):
                with contextlib.suppress(redis.RedisError, kombu.exceptions.OperationalError, BackupSystemError):
                    self.once()
        except BaseException as error:
            self.broke = error


class Writer(Repeated):
    """Writes two keys of one value at a time: a snapshot that is of one moment has both of each."""

    written = 0

    def once(self) -> None:
        if self.stage.quiet.is_set():
            return
        client = self.stage.source.client(CHANGING_DB, socket_timeout=1)
        with contextlib.closing(client), client.pipeline(transaction=True) as pipe:
            number, value = self.dice.randrange(PAIRS), self.dice.randbytes(self.dice.choice([8, 100, 2000]))
            pipe.mset({f"one:{number}": value, f"other:{number}": value})
            pipe.execute()
        self.written += 1


@dataclass
class Restoring:
    """A restore or an undo that was asked for, and what the target held then."""

    id: str
    digest: bytes


class Asker(Repeated):
    """Asks for one run after the other, and remembers each."""

    every_seconds = 1.0

    def __init__(self, stage: Stage, dice: Random) -> None:
        self.asked: dict[str, tuple[str, float]] = {}
        """By its id what it is, and when it was asked for, in seconds since the epoch."""
        self.refused: set[str] = set()
        """Those that the broker did not take, as far as it said."""
        self.touched: list[str] = []
        """Where a run that says that it wrote nothing has changed the target."""
        self._app = sender(stage.env)
        self._restoring: Restoring | None = None
        super().__init__(stage, dice)

    def once(self) -> None:
        with open_runs(self.stage.settings, seconds=1) as runs:
            self._look_at_the_target(runs.get)
            if sum(1 for run in runs.unfinished() if run.state != "RETRY") >= MOST_WAITING:
                return
            undoable = [run.id for run in runs.each("restore") if run.state == "SUCCESS"]
        names, weights, choices = zip(*ASKED, strict=True)
        at = self.dice.choices(range(len(names)), weights)[0]
        self._ask(names[at], choices[at](self.dice), undoable)

    def _ask(self, what: str, arguments: dict[str, Any], undoable: list[str]) -> None:
        identity = str(uuid4())
        if what in ("restore", "undo"):
            if self._restoring is not None or (what == "undo" and not undoable):
                return
            self._restoring = Restoring(identity, digest(self.stage.target))
            arguments = arguments or {"run": self.dice.choice(undoable[:3])}
        if what == "delete":
            listed = sorted(one.name for one in catalogue.read(Folder(self.stage.storage)).backups)
            if len(listed) < 4:
                return
            arguments = {"name": self.dice.choice(listed[:-2])}
            self.stage.deleted.add(arguments["name"])
        self.asked[identity] = (what, time.time())
        headers = {"asked_by": "soak"}
        try:
            self._app.send_task(
                f"worker.tasks.{what}", kwargs=arguments, task_id=identity, headers=headers, retry=False
            )
        except (redis.RedisError, kombu.exceptions.OperationalError):
            self.refused.add(identity)

    def _look_at_the_target(self, get: Callable[[str], Run | None]) -> None:
        """Once it has ended: whether what it says that it wrote fits what is there."""
        pending = self._restoring
        if pending is None:
            return
        run = get(pending.id)
        if run is None and time.time() - self.asked[pending.id][1] > 20:
            # Never queued, or forgotten by the broker: what it did nobody can say.
            self._restoring = None
        if run is None or run.state not in FINAL:
            return
        self._restoring = None
        if run.state == "FAILURE" and wrote_nothing(run) and digest(self.stage.target) != pending.digest:
            self.touched.append(f"{run.operation} {run.id}: {run.error}")


def wrote_nothing(run: Run) -> bool:
    """Whether it says so."""
    report = run.value if isinstance(run.value, dict) else {}
    numbers = ("restored", "deleted", "unconfirmed", "undeleted", "functions", "unfinished")
    return not any(report.get(name) for name in numbers) and report.get("way") != "replication"


def digest(server: Server) -> bytes:
    """Of all that it holds."""
    client: Any = server.client(socket_timeout=2)
    client.response_callbacks.clear()
    return bytes(client.execute_command("DEBUG", "DIGEST"))


@dataclass
class Seen:
    """A backup as it was when it was listed first."""

    artifact: str
    manifest: str


@dataclass
class Looks:
    """What the storage has shown."""

    backups: dict[str, Seen] = field(default_factory=dict)
    problems: set[str] = field(default_factory=set)
    untrue: set[str] = field(default_factory=set)
    """Backups whose file was not what their manifest says when they were listed."""


class Watcher(Repeated):
    """Looks at the storage and at the copies all the time."""

    every_seconds = 0.5

    def __init__(self, stage: Stage, dice: Random) -> None:
        self.looks = {"storage": Looks(), "copies": Looks()}
        super().__init__(stage, dice)

    def once(self) -> None:
        for name, folder in (("storage", self.stage.storage), ("copies", self.stage.copies)):
            self._look(self.looks[name], folder)

    def _look(self, looks: Looks, folder: Path) -> None:
        found = catalogue.read(Folder(folder))
        # What a killed run has left is told as no backup, until a prune clears it away.
        looks.problems |= {problem for problem in found.problems if "has no manifest" not in problem}
        for manifest in (*found.backups, *found.undos):
            if manifest.name in looks.backups:
                continue
            # A prune may take it away in between.
            with contextlib.suppress(FileNotFoundError):
                seen = Seen(sha256(folder / manifest.name), sha256(folder / (manifest.name + MANIFEST_SUFFIX)))
                looks.backups[manifest.name] = seen
                if seen.artifact != manifest.sha256:
                    looks.untrue.add(manifest.name)


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
