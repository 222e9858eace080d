"""Which server a backup is rehearsed in: the newest that takes it; else why none is."""

from typing import Any

import pytest

from tests.support.backups import manifest_of
from worker.repository.manifest import Manifest, Origin
from worker.restore.drill.choice import NoServer, choose, memory_needed
from worker.server.scratch.programs import Program
from worker.server.scratch.scratch import Wanted

REDIS_6, REDIS_7 = Program("/6/redis-server", "redis", (6, 2, 7)), Program("/7/redis-server", "redis", (7, 0, 15))
REDIS_8 = Program("/8/redis-server", "redis", (8, 2, 3))
VALKEY_8, VALKEY_9 = Program("/8/valkey-server", "valkey", (8, 1, 8)), Program("/9/valkey-server", "valkey", (9, 1, 2))
ALL = [REDIS_6, VALKEY_8, REDIS_8, VALKEY_9, REDIS_7]


def backup(version: int | None = 10, make: str | None = "redis", **more: Any) -> Manifest:
    return manifest_of(
        "redis_backup_20231205_143022.rdb", b"x", rdb_version=version, source=Origin(server=make), **more
    )


@pytest.mark.parametrize(
    ("version", "make", "chosen"),
    [
        (9, "redis", REDIS_8),
        (11, "valkey", VALKEY_9),
        (11, None, VALKEY_9),
        (12, "redis", REDIS_8),
        (80, "valkey", VALKEY_9),
        (None, "valkey", VALKEY_9),
    ],
)
def test_the_newest_of_its_own_make_that_loads_it(version: int | None, make: str | None, chosen: Program) -> None:
    wanted = choose(backup(version, make), ALL, None)
    assert isinstance(wanted, Wanted)
    assert (wanted.program, wanted.max_memory, wanted.databases) == (chosen, 0, 16)


def test_another_make_where_its_own_does_not_load_it() -> None:
    wanted = choose(backup(10, "valkey"), [REDIS_7, REDIS_6], None)
    assert isinstance(wanted, Wanted)
    assert wanted.program == REDIS_7


def test_as_many_databases_as_it_has_and_as_much_memory_as_there_is() -> None:
    wanted = choose(backup(keys_by_db={0: {"string": 1}, 40: {"string": 1}}), ALL, 1 << 30)
    assert isinstance(wanted, Wanted)
    assert (wanted.databases, wanted.max_memory) == (41, 1 << 30)


@pytest.mark.parametrize(
    ("manifest", "programs", "spare", "said"),
    [
        (
            backup(12),
            [REDIS_7, VALKEY_9],
            None,
            "no server of this machine loads what Redis wrote (only redis 7.0.15 and",
        ),
        (
            backup(80, "valkey"),
            [],
            None,
            "loads what Valkey wrote (none at all): install a redis-server or valkey-server",
        ),
        (backup(keys_by_db={0: {"module": 1}}), ALL, None, "it holds values of modules"),
        (backup(11, keys_by_db={0: {"vectorset": 1}}), [VALKEY_9, REDIS_7], None, "no server of this machine loads"),
        (backup(memory=1 << 30), ALL, 1 << 30, "a server would need about 1,409 MB for it, and only 1,074 MB are free"),
    ],
)
def test_where_there_is_none_it_is_said_why(
    manifest: Manifest, programs: list[Program], spare: int | None, said: str
) -> None:
    none = choose(manifest, programs, spare)
    assert isinstance(none, NoServer)
    assert said in none.why


def test_without_a_measure_the_memory_is_reckoned_generously() -> None:
    assert memory_needed(backup()) == (64 << 20) + 4
    assert memory_needed(backup(memory=1000)) == (64 << 20) + 1250
