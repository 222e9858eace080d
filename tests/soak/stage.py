"""What a soak has: a broker, a source and a target at the end of lines, a storage and its copy, a worker and a beat."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.faults.disks import small_disk
from tests.faults.freezer import Freezer, children
from tests.faults.line import Line
from tests.notify.receiver import SECRET, Receiver, receiving
from tests.support.age_keys import Pair, age_pair
from tests.support.backups import fill_all
from tests.support.processes import CANARY, CELERY, Background, environment, eventually
from tests.support.servers import Server, binaries, running
from tests.support.states import State, state
from worker.config.settings import Settings

LEASE_SECONDS = 10
"""Of the minute that a lease has in real life, so that a soak sees many run out."""
CHANGING_DB = 5
"""What is written all the time; the ground, in the others, never changes."""
KEEPING = ("--appendonly", "yes", "--appendfsync", "no")
DISK_BYTES = 256 << 20
KEPT = 5
ELSEWHERE = "other"


@dataclass
class Stage:
    """All of it, and what has happened to it."""

    folder: Path
    broker: Server
    source: Server
    target: Server
    scratch: Server
    to_source: Line
    to_target: Line
    hearer: Receiver
    """Who hears of what is wrong."""
    keys: Pair
    ground: State
    """What the source holds beside what changes."""
    target_settings: dict[bytes, bytes]
    """The target's own, as they were at the beginning."""
    env: dict[str, str] = field(default_factory=dict)
    freezer: Freezer = field(default_factory=Freezer)
    processes: list["Named"] = field(default_factory=list)
    small: bool = True
    """Whether the storage is a disk of its own."""
    emptied: list[float] = field(default_factory=list)
    """When the broker lost its memory, in seconds since the epoch."""
    troubles: int = 0
    """How many faults there were by now."""
    quiet: threading.Event = field(default_factory=threading.Event)
    """While it is set nobody writes into the source."""
    deleted: set[str] = field(default_factory=set)
    """Backups that somebody wanted to be deleted."""
    doubted: int = 0
    """How often a backup was suspicious when the source had lost keys."""
    unprotected: list[str] = field(default_factory=list)
    """What a prune has deleted all the same."""

    @property
    def storage(self) -> Path:
        return self.folder / "disk" / "backups"

    @property
    def copies(self) -> Path:
        return self.folder / "copies"

    @property
    def scraps(self) -> Path:
        """TMPDIR of all processes."""
        return self.folder / "scraps"

    @property
    def settings(self) -> Settings:
        """Of whoever looks at the runs and the backups."""
        return Settings(
            redis_url=self.to_source.url,
            celery_broker_url=self.broker.url,
            backup_storage=str(self.storage),
            notify_webhook_url=self.hearer.url(),
            notify_webhook_secret=SECRET,
            **self.keys.settings,
        )

    @property
    def worker(self) -> "Named":
        """The one that was started last."""
        return self.last("worker")

    def last(self, what: str) -> "Named":
        """The `worker` or the `beat` that was started last."""
        return next(one for one in reversed(self.processes) if one.name.startswith(what))

    @property
    def pool(self) -> list[int]:
        """The worker's children."""
        return children(self.worker.process.pid)

    def start(self, what: str, **env: str) -> "Named":
        """Another `worker`, or `beat`; it is waited for only where it says that it is ready."""
        name = f"{what}-{len(self.processes)}"
        command = [*CELERY, what]
        command += ["--concurrency", "2"] if what == "worker" else ["-s", str(self.folder / name), "--pidfile", ""]
        process = Named(*command, env=self.env | env, cwd=self.folder, name=name, forked=False)
        self.processes.append(process)
        return process

    def restart(self, what: str, **env: str) -> None:
        """Kill the `worker` or the `beat` that there is, and start one with these settings as well."""
        self.last(what).stop()
        self.start(what, **env)

    def end_worker(self, seconds: float = 60) -> None:
        """Ask it to end, and wait for that."""
        worker = self.worker.process
        worker.send_signal(signal.SIGTERM)
        eventually(lambda: worker.poll() is not None, "the worker to end", seconds)

    def forget(self) -> None:
        """The broker loses all that it knows."""
        self.broker.client().flushall()
        self.emptied.append(time.time())

    def stop(self) -> None:
        """End all processes of ours."""
        self.freezer.thaw_all()
        for process in self.processes:
            process.stop()


class Named(Background):
    """A process that knows its name."""

    def __init__(self, *command: str, env: dict[str, str], cwd: Path, name: str, forked: bool) -> None:
        super().__init__(*command, env=env, cwd=cwd, name=name, forked=forked)
        self.name = name


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Set it up in a new folder, and take all of it down."""
    with contextlib.ExitStack() as stack:
        binary, password = binaries()[-1], {"password": CANARY}
        broker = stack.enter_context(running(binary, folder / "broker", *KEEPING, **password))
        source = stack.enter_context(running(binary, folder / "source", *KEEPING, **password))
        target = stack.enter_context(running(binary, folder / "target", *KEEPING, **password))
        scratch = stack.enter_context(running(binary, folder / "scratch"))
        fill_all(source)
        ground = state(source, times=False)
        to_source, to_target = (stack.enter_context(Line(one.port, one.url)) for one in (source, target))
        small = _disk(stack, folder / "disk")
        for name in ("scraps", "disk/backups", "copies"):
            (folder / name).mkdir(mode=0o700, parents=True)
        keys = age_pair(folder)
        made = Stage(
            folder=folder,
            broker=broker,
            source=source,
            target=target,
            scratch=scratch,
            to_source=to_source,
            to_target=to_target,
            hearer=stack.enter_context(receiving()),
            keys=keys,
            ground=ground,
            target_settings=settings_of(target),
            small=small,
        )
        made.env = _environment(made)
        stack.callback(made.stop)
        yield made


def settings_of(server: Server) -> dict[bytes, bytes]:
    """All of a server's, as it has them now."""
    client: Any = server.client()
    client.response_callbacks.clear()
    found = client.execute_command("CONFIG", "GET", "*")
    return dict(zip(found[::2], found[1::2], strict=True))


def _disk(stack: contextlib.ExitStack, folder: Path) -> bool:
    try:
        stack.enter_context(small_disk(folder, DISK_BYTES))
    except pytest.skip.Exception:
        return False
    return True


def _environment(made: Stage) -> dict[str, str]:
    return environment(
        REDIS_URL=made.to_source.url,
        REDIS_TARGETS=f"{ELSEWHERE}={made.to_target.url}",
        CELERY_BROKER_URL=made.broker.url,
        CELERY_RESULT_BACKEND=made.broker.url[:-1] + "1",
        BACKUP_STORAGE=str(made.storage),
        BACKUP_COPIES=str(made.copies),
        BACKUP_CACHE=str(made.folder / "cache"),
        BACKUP_KEEP=str(KEPT),
        BACKUP_KEEP_MANUAL=str(KEPT),
        BACKUP_UNDO_DAYS="1",
        BACKUP_TRASH_DAYS="0",
        BACKUP_EVERY_HOURS="0.05",
        BACKUP_AGE_RECIPIENTS=made.keys.recipient,
        BACKUP_AGE_IDENTITY_FILE=str(made.keys.file),
        NOTIFY_WEBHOOK_URL=made.hearer.url(),
        NOTIFY_WEBHOOK_SECRET=SECRET,
        DRILL_SERVERS=str(binaries()[-1].path),
        LOG_FORMAT="json",
        TMPDIR=str(made.scraps),
        REDIS_BACKUP_LEASE_SECONDS=str(LEASE_SECONDS),
        BACKUP_STATE=os.environ["BACKUP_STATE"],
    )


def answers(server: Server) -> bool:
    """Whether it does, and has loaded its data."""
    with contextlib.suppress(redis.RedisError):
        return bool(server.client(socket_timeout=1).info("persistence")["loading"] == 0)
    return False


def wait_for(server: Server, seconds: float = 60) -> None:
    """Until it answers."""
    deadline = time.monotonic() + seconds
    while not answers(server):
        assert time.monotonic() < deadline, "a server does not come back"
        time.sleep(0.1)
