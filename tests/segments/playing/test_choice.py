"""Which server plays a moment: the one nearest to its source, that knows the commands and whose dump its targets load."""

from typing import Any

import pytest

from tests.support.backups import manifest_of
from worker.errors import RefusedError
from worker.repository.manifest import Manifest, Origin
from worker.segments.playing.choice import choose
from worker.server.scratch.programs import Program

NAME = "redis_backup_20261128_140305.rdb"
EACH = [
    Program("/6.2", "redis", (6, 2, 14)),
    Program("/7.0", "redis", (7, 0, 15)),
    Program("/7.2", "redis", (7, 2, 4)),
    Program("/8.2", "redis", (8, 2, 3)),
    Program("/v8", "valkey", (8, 1, 8)),
    Program("/v9", "valkey", (9, 1, 2)),
]


def base(make: str, version: str, rdb_version: int, **more: Any) -> Manifest:
    return manifest_of(NAME, b"x", rdb_version=rdb_version, source=Origin(server=make, version=version), **more)


@pytest.mark.parametrize(
    ("make", "version", "rdb_version", "without", "chosen"),
    [
        ("redis", "7.0.11", 10, (), "/7.0"),
        ("redis", "6.2.14", 9, (), "/6.2"),
        ("redis", "6.2.14", 9, ("/6.2",), "/7.0"),
        ("redis", "7.2.4", 11, ("/7.2",), "/8.2"),
        ("redis", "7.2.4", 11, ("/7.2", "/8.2"), "/v8"),
        ("redis", "8.6.0", 12, (), "/8.2"),
        ("valkey", "8.1.8", 11, (), "/v8"),
        ("valkey", "8.0.2", 11, ("/v8",), "/v9"),
        ("valkey", "9.1.2", 11, (), "/v9"),
        ("valkey", "9.1.2", 80, (), "/v9"),
        ("valkey", "7.2.5", 11, ("/v8", "/v9"), "/7.2"),
    ],
)
def test_the_nearest_is_chosen(
    make: str, version: str, rdb_version: int, without: tuple[str, ...], chosen: str
) -> None:
    there = [program for program in EACH if program.path not in without]
    assert choose(base(make, version, rdb_version), there, None).path == chosen


@pytest.mark.parametrize(
    ("more", "there", "spare", "said"),
    [
        ({}, EACH[:1], None, r"no server of this machine loads what Redis 8.2.3 wrote \(only redis 6.2.14\)"),
        ({}, [], None, r"no server of this machine loads what Redis 8.2.3 wrote \(none at all\)"),
        ({"keys_by_db": {0: {"module": 1}}}, EACH, None, "only a server with those modules takes"),
        ({"module_data": True}, EACH, None, "only a server with those modules takes"),
        ({"memory": 1_000_000_000}, EACH, 500_000_000, "about 1,317 MB for it, and only 500 MB are free"),
    ],
)
def test_where_none_can_it_is_said_why_and_what_to_do(
    more: dict[str, Any], there: list[Program], spare: int | None, said: str
) -> None:
    with pytest.raises(RefusedError, match=said) as refused:
        choose(base("redis", "8.2.3", 12, **more), there, spare)
    assert f"`python -m worker restore {NAME}`" in str(refused.value)
