"""The table of faults: each begins, lasts for as long as it is held, and ends."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from uuid import uuid4

import redis

from tests.faults import programs
from tests.faults.disks import fill_up
from tests.faults.line import Line
from tests.faults.moments import After
from tests.soak.stage import CHANGING_DB, LEASE_SECONDS, Stage, wait_for
from tests.support.processes import PYTHON, Background, run, sender
from tests.support.servers import Server
from worker.repository import catalogue
from worker.storage.local import Folder

Holding = Callable[[Stage, Random], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True)
class Fault:
    """What goes wrong, which rows of docs/reliability.md that is of, and for how many seconds, at least and at most."""

    name: str
    rows: tuple[int, ...]
    hold: Holding
    seconds: tuple[float, float] = (1, 6)


@contextmanager
def child_killed(stage: Stage, dice: Random) -> Iterator[None]:
    for pid in dice.sample(stage.pool, min(1, len(stage.pool))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    yield


@contextmanager
def worker_killed(stage: Stage, dice: Random) -> Iterator[None]:
    stage.worker.process.send_signal(signal.SIGKILL)
    yield
    stage.restart("worker")


@contextmanager
def worker_told_to_end(stage: Stage, dice: Random) -> Iterator[None]:
    stage.worker.process.send_signal(signal.SIGTERM)
    yield
    stage.restart("worker")


@contextmanager
def child_frozen(stage: Stage, dice: Random) -> Iterator[None]:
    with stage.freezer.frozen(*stage.pool, whole=True):
        yield


@contextmanager
def files_fail(stage: Stage, dice: Random) -> Iterator[None]:
    """Every other call that makes a file safe or visible fails, in all processes of the worker."""
    call, error = dice.choice(["fsync", "link", "rename", "ftruncate"]), dice.choice(["EIO", "ENOSPC", "EDQUOT"])
    command = programs.strace(f"{call}:error={error}:when=1+2")
    pids = [word for pid in stage.pool for word in ("-p", str(pid))]
    tracer = Background(*command, *pids, env=dict(os.environ), cwd=stage.folder, name="strace")
    try:
        yield
    finally:
        # Asked to end it lets go; killed it might leave them standing.
        tracer.process.send_signal(signal.SIGTERM)
        tracer.process.wait()


@contextmanager
def killed_at_a_call(stage: Stage, dice: Random) -> Iterator[None]:
    """kill -9 of a child as it makes a file safe, visible or gone."""
    call, pool = dice.choice(["fsync", "link", "rename", "unlink"]), stage.pool
    if not pool:
        yield
        return
    command = programs.strace(f"{call}:signal=SIGKILL:when={dice.randint(1, 4)}")
    tracer = Background(*command, "-p", str(dice.choice(pool)), env=dict(os.environ), cwd=stage.folder, name="strace")
    try:
        yield
    finally:
        tracer.process.send_signal(signal.SIGTERM)
        tracer.process.wait()


@contextmanager
def disk_full(stage: Stage, dice: Random) -> Iterator[None]:
    disk = stage.storage.parent
    if not stage.small:
        yield
        return
    try:
        fill_up(disk)
        yield
    finally:
        (disk / "ballast").unlink(missing_ok=True)


@contextmanager
def copies_away(stage: Stage, dice: Random) -> Iterator[None]:
    away = stage.copies.with_name("copies-away")
    stage.copies.rename(away)
    try:
        yield
    finally:
        # What was made in its place meanwhile would be lost; nothing is to be made there.
        if stage.copies.exists():
            raise AssertionError("a folder of copies that was away was made anew")
        away.rename(stage.copies)


@contextmanager
def nobody_hears(stage: Stage, dice: Random) -> Iterator[None]:
    """It refuses, or hangs up without a word."""
    stage.hearer.status = dice.choice([503, 0])
    try:
        yield
    finally:
        stage.hearer.status = 200


@contextmanager
def database_lost(stage: Stage, dice: Random) -> Iterator[None]:
    """Somebody has emptied one: the backup of that is suspicious, and until somebody accepts it no prune deletes an older one."""
    stage.quiet.set()
    try:
        with contextlib.suppress(redis.RedisError, OSError):
            stage.source.client(CHANGING_DB, socket_timeout=2).flushdb()
            sender(stage.env).send_task("worker.tasks.backup", headers={"asked_by": "a loss"}, retry=False)
        yield
        _prune_in_doubt(stage)
    finally:
        stage.quiet.clear()


def _prune_in_doubt(stage: Stage) -> None:
    before = catalogue.read(Folder(stage.storage)).backups
    doubted = [backup.name for backup in before if backup.suspicious]
    if not doubted:
        return
    stage.doubted += 1
    _shell(stage, "prune")
    there = {backup.name for backup in catalogue.read(Folder(stage.storage)).listed}
    gone = {backup.name for backup in before} - there - stage.deleted
    stage.unprotected += [f"{name} went while {doubted[0]} was suspicious" for name in sorted(gone)]
    for name in doubted:
        _shell(stage, "accept", name)


def _shell(stage: Stage, *words: str) -> None:
    # A broker that is away, or somebody else at work, may keep it from its work.
    run(*PYTHON, *words, env=stage.env, cwd=stage.folder, forked=False)


@contextmanager
def broker_killed(stage: Stage, dice: Random) -> Iterator[None]:
    with _killed(stage.broker):
        yield


@contextmanager
def broker_full(stage: Stage, dice: Random) -> Iterator[None]:
    client = stage.broker.client()
    client.config_set("maxmemory", "100kb")
    try:
        yield
    finally:
        client.config_set("maxmemory", "0")


@contextmanager
def broker_emptied(stage: Stage, dice: Random) -> Iterator[None]:
    stage.forget()
    yield


@contextmanager
def same_message_three_times(stage: Stage, dice: Random) -> Iterator[None]:
    identity, app = str(uuid4()), sender(stage.env)
    with contextlib.suppress(redis.RedisError, OSError):
        for _ in range(3):
            app.send_task("worker.tasks.backup", task_id=identity, headers={"asked_by": "three times"}, retry=False)
    yield


@contextmanager
def beat_killed(stage: Stage, dice: Random) -> Iterator[None]:
    stage.last("beat").stop()
    yield
    stage.start("beat")


@contextmanager
def second_beat(stage: Stage, dice: Random) -> Iterator[None]:
    first = stage.last("beat")
    stage.start("beat")
    yield
    first.stop()


@contextmanager
def clock_wrong(stage: Stage, dice: Random) -> Iterator[None]:
    stage.restart("worker", **programs.shifted(dice.choice(["-1h", "+1h", "-10m", "+10m"])))
    try:
        yield
    finally:
        stage.restart("worker")


@contextmanager
def _killed(server: Server) -> Iterator[None]:
    server.kill_all()
    try:
        yield
    finally:
        server.start()
        wait_for(server)


def frozen(choose: Callable[[Stage], Server]) -> Holding:
    """That server stands still."""
    return lambda stage, _: stage.freezer.frozen(choose(stage).process.pid)


def killed(choose: Callable[[Stage], Server]) -> Holding:
    """That server is killed, and comes back with its data."""
    return lambda stage, _: _killed(choose(stage))


def on(line: Callable[[Stage], Line], begin: Callable[[Line, Random], object]) -> Holding:
    """Something goes wrong on that line."""

    @contextmanager
    def holding(stage: Stage, dice: Random) -> Iterator[None]:
        begin(line(stage), dice)
        try:
            yield
        finally:
            line(stage).heal()

    return holding


SERVERS: dict[str, Callable[[Stage], Server]] = {
    "the source": lambda stage: stage.source,
    "the target": lambda stage: stage.target,
}
LINES: dict[str, Callable[[Stage], Line]] = {
    "the source": lambda stage: stage.to_source,
    "the target": lambda stage: stage.to_target,
}
ON_LINES: dict[str, Callable[[Line, Random], object]] = {
    "is cut off": lambda line, dice: line.cut(reset=dice.random() < 0.5),
    "is away": lambda line, _: line.cut(for_good=True),
    "trickles": lambda line, _: line.trickle(100),
    "swallows all": lambda line, _: line.half_open(),
    "answers with a flipped bit": lambda line, dice: line.flip(After(dice.randrange(1000, 400_000)), dice.randrange(8)),
    "is cut off in an answer": lambda line, dice: line.cut(After(dice.randrange(100, 400_000))),
}

FAULTS = [
    Fault("a child of the worker is killed", (1,), child_killed),
    Fault("the worker is killed", (1,), worker_killed),
    Fault("a child is killed as it makes a file safe, visible or gone", (2,), killed_at_a_call, (4, 10)),
    Fault("the worker is told to end and has little time", (3,), worker_told_to_end),
    Fault("the broker is killed", (4,), broker_killed),
    Fault("the broker stands still", (4,), frozen(lambda stage: stage.broker)),
    Fault("the broker stands still for longer than a lease", (4, 7), frozen(lambda stage: stage.broker), (11, 14)),
    Fault("the broker is full", (4,), broker_full),
    Fault("the broker is emptied", (4, 5), broker_emptied),
    Fault("a message comes three times", (5,), same_message_three_times),
    Fault("the worker's children stand still for longer than a lease", (7,), child_frozen, (LEASE_SECONDS + 1, 14)),
    Fault("the worker's children stand still", (7,), child_frozen),
    Fault("beat is killed, and its file is lost", (8,), beat_killed),
    Fault("there are two beats", (8,), second_beat, (10, 15)),
    Fault("the worker's clock is wrong", (8,), clock_wrong, (8, 14)),
    *(Fault(f"{name} is killed", (9, 16), killed(server)) for name, server in SERVERS.items()),
    *(Fault(f"{name} stands still", (9, 16), frozen(server)) for name, server in SERVERS.items()),
    *(
        Fault(f"{name} {what}", (9, 10, 16), on(line, begin))
        for name, line in LINES.items()
        for what, begin in ON_LINES.items()
    ),
    Fault("the disk is full", (11,), disk_full),
    Fault("files fail", (11,), files_fail, (3, 8)),
    Fault("the folder of the copies is away", (11, 12), copies_away),
    Fault("whoever hears of it is away", (19,), nobody_hears, (5, 15)),
    Fault("the source has lost a database", (18,), database_lost, (6, 10)),
]
"""What is added here is carried out, and counted in the report."""
