"""What happens to a source while it is read key by key: a short backup is never a good one, and a good one never short.

| fault | moment | engine | outcome |
|---|---|---|---|
| FLUSHALL, FLUSHDB, SWAPDB | in the middle | scan, typed | kept as partial: no success, and it counts for nothing |
| FLUSHALL, the statistics set back | in the middle | scan, typed | the same, by numbers alone |
| FLUSHALL | at the beginning | scan, typed | failed, nothing kept |
| a restart | between two databases | scan, typed | partial |
| FLUSHDB of another database | in the middle | scan, typed | a good backup |
| expiry, eviction, deletions, growth, all of them | all the time | scan, typed | a good backup, with every key that stayed |
| FLUSHALL of a target | while it is kept for an undo | - | refused, nothing written |
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.line import Line
from tests.faults.moments import Asked, Reply
from tests.faults.scenes import by_way_of, taken
from tests.faults.sweeps import sweep
from tests.support.backups import asking, bring_back, settings_for, take
from tests.support.processes import Shell
from tests.support.servers import Binary, Server
from worker.arguments.backups import BackupArguments, PruneArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.backup import backup, check_complete
from worker.backups.prune import prune
from worker.errors import PartialError, RefusedError, SourceUnavailableError
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.restore import restore
from worker.storage import open_storage

KEYS = 5000
MIDDLE = Asked(b"SCAN", nth=6)


@dataclass(frozen=True)
class Way:
    """How a source is read key by key, and what that is written to."""

    engine: str
    format: str

    def __str__(self) -> str:
        return f"{self.engine}-{self.format}"

    def take(self, line: Line, storage: Path, **more: Any) -> dict[str, Any]:
        """A backup by way of the line."""
        return taken(line, storage, engine=self.engine, format=self.format, **more)


each_way = pytest.mark.parametrize("way", [Way("scan", "rdb"), Way("scan", "json"), Way("typed", "json")], ids=str)


def fill(server: Server, number: int = KEYS, db: int = 0) -> Server:
    server.client(db).mset({f"key:{one}": f"value {one}" for one in range(number)})
    return server


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    return fill(start_server(newest))


def kept(storage: Path) -> catalogue.Catalogue:
    return catalogue.read(open_storage(str(storage)))


def partial(way: Way, server: Server, line: Line, storage: Path) -> dict[str, Any]:
    """What is left of a backup whose source is emptied in the middle."""
    flushed = line.call(MIDDLE, server.client().flushall)
    made = way.take(line, storage)
    assert flushed.happened
    assert made["kind"] == "partial"
    return made


WIPES: dict[str, Callable[[Server], object]] = {
    "FLUSHALL": lambda server: server.client().flushall(),
    "FLUSHDB": lambda server: server.client().flushdb(),
    "SWAPDB": lambda server: server.client().swapdb(0, 5),
}


@pytest.mark.sweep
@each_way
@pytest.mark.parametrize("wipe", WIPES)
def test_what_is_read_while_the_source_loses_its_data_is_kept_and_is_no_success(
    wipe: str, way: Way, source: Server, wire_to: WireTo, storage: Path
) -> None:
    line = wire_to(fill(source))
    lost = line.call(MIDDLE, lambda: WIPES[wipe](source))
    made = way.take(line, storage)
    assert lost.happened
    assert made["kind"] == "partial"
    assert 0 < made["keys"] < KEYS
    with pytest.raises(PartialError, match=rf"{made['keys']:,} of {KEYS:,} keys .*{wipe} was called.* {made['name']}"):
        check_complete(made)
    assert [one.name for one in kept(storage).partials] == [made["name"]]


@each_way
def test_a_partial_backup_counts_for_nothing(way: Way, server: Server, line: Line, storage: Path) -> None:
    good = take(server, storage, engine="scan")
    partial(way, server, line, storage)
    found = kept(storage)
    assert [one.name for one in found.backups] == [good["name"]]
    assert catalogue.get(open_storage(str(storage)), "latest").name == good["name"]
    hours = found.backups[0].duration_seconds / 3600 / 1000
    settings = settings_for(server, storage)
    assert "skipped" not in backup(settings, BackupArguments(unless_younger_than_hours=hours), silent)


@each_way
def test_a_partial_backup_is_restored_by_its_name_with_a_warning_and_mirrored_only_by_force(
    way: Way, server: Server, line: Line, storage: Path
) -> None:
    made = partial(way, server, line, storage)
    server.client().set("mine", "untouched")
    with pytest.raises(RefusedError, match="is partial, and a mirror would delete"):
        bring_back(server, storage, made["name"], mode="mirror")
    assert server.client().dbsize() == 1
    report = bring_back(server, storage, made["name"])
    assert report["restored"] == made["keys"] == server.client().dbsize() - 1
    assert any("is partial" in warning for warning in report["warnings"])
    assert bring_back(server, storage, made["name"], mode="mirror", force=True)["deleted"] == 1


def test_a_shell_says_that_a_backup_is_partial_and_fails(
    server: Server, line: Line, storage: Path, tmp_path: Path
) -> None:
    flushed = line.call(MIDDLE, server.client().flushall)
    shell = Shell(line.url, storage, tmp_path)
    made = shell("backup", "--engine", "scan")
    assert flushed.happened
    assert made.code == 1
    assert "No good backup was made. It is partial: " in made.err
    listed = shell("list")
    assert f"127.0.0.1:{line.port} (partial)" in listed.out
    assert shell("restore", "latest").code == 1


def test_partial_backups_push_out_each_other_and_nothing_else(server: Server, line: Line, storage: Path) -> None:
    good = take(server, storage, engine="scan")
    made = []
    for _ in range(3):
        made.append(partial(Way("scan", "rdb"), fill(server), line, storage)["name"])
        line.heal()
    told = prune(settings_for(server, storage), PruneArguments(keep=1), silent)
    assert [one["name"] for one in told["deleted"]] == made[:1]
    assert {one["name"] for one in told["kept"]} == {*made[1:], good["name"]}


@each_way
def test_a_source_that_is_emptied_at_once_gives_no_backup(way: Way, server: Server, line: Line, storage: Path) -> None:
    flushed = line.call(Asked(b"SCAN"), server.client().flushall)
    with pytest.raises(SourceUnavailableError, match=rf"only 0 of {KEYS:,} keys .*FLUSHALL was called.*try again"):
        way.take(line, storage)
    assert flushed.happened
    assert list(storage.glob("redis_backup_*")) == []


@each_way
def test_a_source_that_is_restarted_between_two_databases_gives_no_good_backup(
    way: Way, server: Server, line: Line, storage: Path
) -> None:
    fill(server, 10, db=3)

    def restart() -> None:
        server.client().save()
        server.kill()
        server.start()

    restarted = line.call(Asked(b"SELECT", of=b"3"), restart)
    # The connection that asked is gone; so the first try ends, and nothing of it is left.
    with pytest.raises(SourceUnavailableError):
        way.take(line, storage)
    assert restarted.happened
    assert list(storage.glob("redis_backup_*")) == []


def test_two_processes_of_a_source_give_no_good_backup_together(server: Server, line: Line, storage: Path) -> None:
    if server.binary.version < (7, 0):
        pytest.skip("the last answer of a database is another one there")
    fill(server, 10, db=3)

    def restart() -> None:
        server.client().save()
        server.kill()
        server.start()

    # The last answer of the first database: the next connection is to another process.
    restarted = line.call(Reply(b"PEXPIRETIME", nth=KEYS, at=-1), restart)
    made = Way("scan", "rdb").take(line, storage)
    assert restarted.happened
    assert (made["kind"], made["keys"]) == ("partial", KEYS + 10)
    assert "it was restarted meanwhile, or its address leads to several servers" in made["warnings"][0]


def test_a_snapshot_of_another_process_than_the_one_that_was_asked_is_not_kept(
    server: Server, line: Line, storage: Path
) -> None:
    # From now on it keeps a backlog, and with it a history that has a name.
    take(server, storage, engine="replication")

    def restart() -> None:
        server.client().save()
        server.kill()
        server.start()

    restarted = line.call(Reply(b"INFO", nth=1, at=-1), restart)
    with pytest.raises(SourceUnavailableError, match="became another one before it sent its snapshot"):
        Way("replication", "rdb").take(line, storage)
    assert restarted.happened
    assert len(kept(storage).listed) == 1


@each_way
def test_another_database_may_be_emptied(way: Way, server: Server, line: Line, storage: Path) -> None:
    fill(server, 10, db=5)
    flushed = line.call(MIDDLE, server.client(5).flushdb)
    made = way.take(line, storage, databases="0")
    assert flushed.happened
    assert (made["kind"], made["keys"]) == ("backup", KEYS)


@each_way
def test_without_statistics_numbers_alone_tell_that_far_too_few_were_read(
    way: Way, server: Server, line: Line, storage: Path
) -> None:
    def flush() -> None:
        server.client().flushall()
        asking(server).execute_command("CONFIG", "RESETSTAT")

    flushed = line.call(Asked(b"SCAN", nth=4), flush)
    made = way.take(line, storage)
    assert flushed.happened
    assert made["kind"] == "partial"
    assert f"had {KEYS:,} keys before and 0 afterwards, gave only {made['keys']:,}" in made["warnings"][0]


NAMES = 2500


class Traffic:
    """An application at work: each call of this does a little of what it was told."""

    def __init__(self, server: Server, seed: int, what: tuple[str, ...]) -> None:
        self._client, self._random, self._what = server.client(), random.Random(seed), what  # noqa: S311
        self._made = self.calls = 0
        self.stays = [f"stays:{one}" for one in range(NAMES)]
        self._client.mset(dict.fromkeys(self.stays, "x") | {f"goes:{one}": "x" for one in range(NAMES)})
        for one in range(200):
            self._client.rpush(f"queue:{one}", "x")

    def __call__(self) -> None:
        self.calls += 1
        for _ in range(4):
            getattr(self, self._random.choice(self._what))()

    def _some(self, number: int) -> list[str]:
        return [f"goes:{self._random.randrange(NAMES)}" for _ in range(number)]

    def _each(self, do: str, names: list[str], *more: Any) -> None:
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            getattr(pipe, do)(name, *more)
        pipe.execute()

    def expires(self) -> None:
        self._each("pexpire", self._some(100), self._random.randrange(1, 30))

    def expires_at_once(self) -> None:
        self._each("expire", self._some(20), 0)

    def deletes(self) -> None:
        self._client.delete(*self._some(self._random.randrange(1, 300)))

    def deletes_one_by_one(self) -> None:
        self._each("unlink", self._some(50))

    def grows(self) -> None:
        self._made += 50
        self._client.mset({f"made:{self._made + one}": "x" for one in range(50)})

    def comes_back(self) -> None:
        self._client.mset(dict.fromkeys(self._some(100), "y"))

    def renames(self) -> None:
        for name in self._some(5):
            if self._client.exists(name):
                self._client.rename(name, f"made:{name}")

    def takes(self) -> None:
        self._each("lpop", [f"queue:{self._random.randrange(200)}" for _ in range(20)])


TRAFFIC: dict[str, tuple[str, ...]] = {
    "mass-expiry": ("expires", "expires_at_once"),
    "mass-deletes": ("deletes",),
    "deletes-one-by-one": ("deletes_one_by_one",),
    "growth": ("grows",),
    "gone-and-back": ("deletes", "comes_back"),
    "queues": ("takes", "grows"),
    "all": tuple(name for name in vars(Traffic) if not name.startswith("_")),
}


@pytest.mark.sweep
@each_way
@sweep("seed", range(1, 6))
@pytest.mark.parametrize("what", TRAFFIC)
def test_an_application_at_work_is_no_reason_for_alarm(
    what: str, seed: int, way: Way, server: Server, line: Line, storage: Path
) -> None:
    traffic = Traffic(server, seed, TRAFFIC[what])
    line.call(Reply(b"SCAN", always=True), traffic)
    made = way.take(line, storage)
    assert traffic.calls > 5
    assert made["kind"] == "backup"
    server.client().flushall()
    bring_back(server, storage)
    assert server.client().exists(*traffic.stays) == NAMES


@each_way
def test_a_cache_that_evicts_is_no_reason_for_alarm(
    way: Way, newest: Binary, start_server: StartServer, wire_to: WireTo, storage: Path
) -> None:
    cache = start_server(newest, "--maxmemory-policy", "allkeys-random")
    fill(cache)
    line = wire_to(cache)
    used = int(cache.client().info("memory")["used_memory"])
    tightened = line.call(MIDDLE, lambda: cache.client().config_set("maxmemory", used - 200_000))
    made = way.take(line, storage)
    assert tightened.happened
    assert cache.client().info("stats")["evicted_keys"] > 0
    assert made["kind"] == "backup"


@pytest.mark.parametrize("mode", ["skip", "overwrite", "mirror"])
def test_a_target_that_is_emptied_while_it_is_kept_is_not_written(
    mode: str, server: Server, wire_to: WireTo, storage: Path
) -> None:
    made = take(server, storage, engine="scan")
    line = wire_to(server)
    flushed = line.call(Asked(b"EXISTS" if mode == "skip" else b"DUMP", nth=30), server.client().flushall)
    settings = by_way_of(line, storage)
    with pytest.raises(RefusedError, match="was being kept, FLUSHALL was called on it meanwhile: nothing was restored"):
        restore(settings, RestoreArguments.model_validate({"name": made["name"], "mode": mode}), silent)
    assert flushed.happened
    assert server.client().dbsize() == 0
    assert kept(storage).undos == []
