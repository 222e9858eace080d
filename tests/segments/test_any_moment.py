"""Whatever befalls a source and its visitors: each moment that is offered is what the source was, and none that is not is offered."""

import contextlib
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from tests.conftest import StartServer
from tests.segments.test_visits import write_at_random
from tests.support.backups import asking, eventually, kill_myself, killed
from tests.support.sentinels import NAME, watched
from tests.support.servers import Binary, Server
from tests.support.states import State, state
from tests.support.streams import Streamed, assert_played
from worker.arguments.restore import RestoreArguments
from worker.errors import NotFoundError, SourceError
from worker.progress import silent
from worker.restore.restore import restore
from worker.segments.visits import growing
from worker.segments.visits.folder import folder_of

pytestmark = pytest.mark.slow
STEPS, SAMPLES = 40, 4


@dataclass
class Life:
    """A source to which things happen, and what it was at each place that a visit has reached."""

    streamed: Streamed
    start: StartServer
    chance: random.Random
    seen: dict[tuple[str, int], State] = field(default_factory=dict)
    """By replication id and offset."""
    told: list[str] = field(default_factory=list)
    """What has happened, for whoever reads a failure."""

    def write(self) -> None:
        write_at_random(self.source, self.chance.randrange(10**6), self.chance.randrange(5, 60))

    def visit(self) -> None:
        then = state(self.source, times=False)
        outcome = self.streamed.visit()
        self.told.append(f"{outcome['from']} to {outcome['to']} gap {outcome['gap']}")
        if outcome["follows"]:
            history = self.source.client().info("replication")["master_replid"]
            self.seen[history, outcome["to"]] = then

    def back_up(self) -> None:
        self.streamed.take()

    def end_the_hour(self) -> None:
        if any(self.streamed.stream.glob("*.growing")):
            self.streamed.end_the_hour()

    def kill_a_visit(self) -> None:
        """In the midst of what it appends."""

        def work() -> None:
            append = growing.Growing.append

            def torn(one: growing.Growing, frames: list[object]) -> None:
                append(one, frames)  # type: ignore[arg-type]
                path = next(one.folder.glob("*.growing"))
                with path.open("r+b") as file:
                    file.truncate(path.stat().st_size - self.chance.randrange(1, 40))
                kill_myself()

            growing.Growing.append = torn  # type: ignore[assignment, method-assign]
            self.streamed.visit()

        killed(work)

    def restart_cleanly(self) -> None:
        """All was read, so that the stream goes on where the server keeps its history."""
        if self.source.binary.version < (7, 0):
            return
        self.visit()
        with contextlib.suppress(redis.ConnectionError):
            asking(self.source).execute_command("SHUTDOWN", "SAVE")
        self.source.process.wait()
        self.source.start()

    def restart_without_history(self) -> None:
        self.source.client().save()
        self.source.process.send_signal(signal.SIGKILL)
        self.source.process.wait()
        self.source.start()

    def overrun(self) -> None:
        for number in range(15):
            self.source.client().set(f"large:{number}", b"x" * 100_000)

    def fail_over(self) -> None:
        """To a replica that has all; the address of the source leads there."""
        primary = self.source
        replica = self.start(
            primary.binary, "--repl-backlog-size", "1mb", "--replicaof", "127.0.0.1", str(primary.port)
        )
        assert eventually(lambda: replica.client().info("replication")["master_link_status"] == "up")
        self.visit()
        offset = primary.client().info("replication")["master_repl_offset"]
        assert eventually(lambda: replica.client().info("replication")["slave_repl_offset"] >= offset)
        primary.stop()
        replica.client().replicaof("no", "one")
        # Where it is started again it is to be nobody's replica.
        replica.options = ("--repl-backlog-size", "1mb")
        before = folder_of(self.streamed.settings)
        self.streamed.source = replica
        # As behind a name: for us it is the same source.
        shutil.rmtree(folder_of(self.streamed.settings), ignore_errors=True)
        shutil.move(before, folder_of(self.streamed.settings))

    @property
    def source(self) -> Server:
        return self.streamed.source


@pytest.mark.every_server
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_moment_is_what_the_source_was(
    seed: int, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same each time
    source = start_server(binary, "--repl-backlog-size", "1mb")
    life = Life(Streamed(source, tmp_path, {"drill_servers": (binary.path,)}), start_server, chance)
    life.back_up()
    life.visit()
    usual: list[Callable[[], None]] = [
        life.write,
        life.write,
        life.visit,
        life.visit,
        life.kill_a_visit,
        life.end_the_hour,
    ]
    seldom: list[Callable[[], None]] = [life.back_up, life.restart_cleanly, life.restart_without_history, life.overrun]
    seldom.append(life.fail_over)
    for _ in range(STEPS):
        chance.choice(seldom if chance.random() < 0.2 else usual)()
    life.back_up()
    life.write()
    life.visit()
    _check(life, start_server, tmp_path)


def _check(life: Life, start_server: StartServer, tmp_path: Path) -> None:
    offered = 0
    places = [*life.seen.items()]
    for (history, offset), then in [*life.chance.sample(places, min(SAMPLES, len(places))), places[-1]]:
        try:
            found = life.streamed.find(offset=offset)
        except NotFoundError:
            continue
        if (found.history, found.offset) != (history, offset):
            continue  # the same offset of another history
        offered += 1
        target = start_server(life.source.binary)
        settings = life.streamed.settings.model_copy(
            update={"redis_targets": {"there": target.url}, "backup_cache": str(tmp_path / "cache")}
        )
        restore(settings, RestoreArguments(name=f"@offset:{offset}", target="there", mode="mirror"), silent)
        assert_played(then, target)
    assert offered, life.told


def test_across_a_failover_by_sentinel(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    primary = start_server(newest, "--repl-backlog-size", "1mb")
    replica = start_server(newest, "--repl-backlog-size", "1mb", "--replicaof", "127.0.0.1", str(primary.port))
    with watched(newest, tmp_path / "sentinel", primary) as sentinel:
        assert eventually(lambda: replica.port in sentinel.replicas)
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/{NAME}/0"
        streamed = Streamed(primary, tmp_path, {"redis_url": url, "drill_servers": (newest.path,)})
        streamed.take()
        streamed.visit()
        write_at_random(primary, 1)
        streamed.visit()
        offset = primary.client().info("replication")["master_repl_offset"]
        assert eventually(lambda: replica.client().info("replication")["slave_repl_offset"] >= offset)
        primary.process.send_signal(signal.SIGKILL)
        assert eventually(lambda: sentinel.primary == replica.port)
        assert eventually(lambda: replica.client().info("replication")["role"] == "master")
        write_at_random(replica, 2)
        assert eventually(lambda: _visited(streamed) is None)
        target = start_server(newest)
        settings = streamed.settings.model_copy(update={"redis_targets": {"there": target.url}})
        name = f"@offset:{streamed.find().offset}"
        restore(settings, RestoreArguments(name=name, target="there", mode="mirror"), silent)
        assert_played(state(replica, times=False), target)
        # It has taken us for no replica.
        assert sentinel.replicas <= {primary.port, replica.port}


def _visited(streamed: Streamed) -> str | None:
    """The gap; while the Sentinel still looks for a primary a visit fails."""
    try:
        gap: str | None = streamed.visit()["gap"]
    except SourceError as error:
        time.sleep(0.2)
        return str(error)
    return gap
