"""What is read out of INFO: of a server of any version, of Redis and of Valkey, and of one that says too little."""

from typing import Any

import pytest
import redis

from worker.server.endpoint import SentinelError
from worker.server.info import Facts, facts_of, info, number

MODERN = {
    "redis_version": "7.2.4",
    "run_id": "an-id",
    "role": "slave",
    "master_link_status": "down",
    "cluster_enabled": "1",
    "loading": "1",
    "used_memory": "1000",
    "maxmemory": "2000",
    "lazyfree_pending_objects": "1",
    "used_memory_startup": "400",
    "mem_clients_normal": "30",
    "repl_backlog_size": "100",
    "repl_backlog_active": "1",
    "mem_replication_backlog": "60",
    "mem_not_counted_for_evict": "7",
    "maxmemory_policy": "allkeys-lru",
    "rdb_last_save_time": "1700000000",
    "rdb_last_bgsave_status": "err",
    "rdb_changes_since_last_save": "5",
    "aof_enabled": "1",
    "evicted_keys": "3",
    "master_replid": "a-history",
    "db0": "keys=3,expires=1,avg_ttl=0,subexpiry=0",
    "db10": "keys=4,expires=0,avg_ttl=0,subexpiry=1",
}
BARE = {"redis_version": "2.8.0"}


class Said:
    """A connection on which INFO says that."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._text = "# Server\r\n" + "".join(f"{name}:{value}\r\n" for name, value in fields.items())

    def ask(self, *words: bytes) -> bytes:
        assert words[0] == b"INFO"
        return self._text.encode()


def facts(fields: dict[str, str], **changes: str) -> Facts:
    said: Any = Said({**fields, **changes})
    return facts_of(said)


def test_all_that_a_server_says_has_its_place() -> None:
    assert facts(MODERN) == Facts(
        server="redis",
        version="7.2.4",
        run_id="an-id",
        role="slave",
        primary_link_up=False,
        cluster=True,
        loading=True,
        keys={0: 3, 10: 4},
        expiring={0: 1, 10: 0},
        used_memory=1000,
        max_memory=2000,
        frees=True,
        bare_memory=430,
        growing_memory=40,
        uncounted_memory=7,
        eviction="allkeys-lru",
        last_save_at=1_700_000_000,
        last_save_ok=False,
        changes_since_save=5,
        append_only=True,
        evicted=3,
        replication_id="a-history",
        redis_version=(7, 2, 4),
        fields_expire=True,
    )


def test_what_is_not_said_is_taken_for_the_usual() -> None:
    assert facts(BARE) == Facts(
        server="redis",
        version="2.8.0",
        run_id="",
        role="master",
        primary_link_up=True,
        cluster=False,
        loading=False,
        keys={},
        expiring={},
        used_memory=0,
        max_memory=0,
        frees=False,
        bare_memory=0,
        growing_memory=0,
        uncounted_memory=0,
        eviction="noeviction",
        last_save_at=0,
        last_save_ok=True,
        changes_since_save=0,
        append_only=False,
        evicted=0,
        replication_id=None,
        redis_version=(2, 8, 0),
        fields_expire=False,
    )


def test_a_valkey_has_a_version_of_its_own_and_one_for_old_clients() -> None:
    found = facts(MODERN, valkey_version="9.1.0")
    assert (found.server, found.version, found.release, found.redis_version) == (
        "valkey",
        "9.1.0",
        (9, 1, 0),
        (7, 2, 4),
    )


@pytest.mark.parametrize(
    ("version", "numbers"), [("7.0.15.1", (7, 0, 15)), ("255.255.255-rc1", (255, 255)), ("unstable", ()), ("8", (8,))]
)
def test_a_version_is_up_to_three_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert facts(BARE, redis_version=version).redis_version == numbers


@pytest.mark.parametrize(
    ("version", "active", "held", "bare", "growing"),
    [
        ("6.2.14", "1", "60", 530, 0),
        ("7.0.0", "1", "60", 430, 40),
        ("7.0.0", "0", "60", 430, 0),
        ("7.0.0", "1", "100", 430, 0),
        ("7.0.0", "1", "130", 430, 0),
    ],
)
def test_a_backlog_is_taken_at_once_by_old_servers_and_grows_in_later_ones(
    version: str, active: str, held: str, bare: int, growing: int
) -> None:
    found = facts(MODERN, redis_version=version, repl_backlog_active=active, mem_replication_backlog=held)
    assert (found.bare_memory, found.growing_memory) == (bare, growing)
    assert found.replication_id == ("a-history" if active == "1" else None)


@pytest.mark.parametrize(
    ("limit", "policy", "evicts"),
    [("0", "allkeys-lru", False), ("1", "allkeys-lru", True), ("1", "noeviction", False), ("1", "volatile-ttl", True)],
)
def test_only_a_server_with_a_limit_evicts_and_not_if_it_is_told_not_to(limit: str, policy: str, evicts: bool) -> None:
    assert facts(BARE, maxmemory=limit, maxmemory_policy=policy).evicts == evicts


@pytest.mark.parametrize(("version", "command"), [("3.2.13", b"DEL"), ("4.0.0", b"UNLINK"), ("8.2.3", b"UNLINK")])
def test_keys_are_deleted_without_a_wait_where_that_can_be(version: str, command: bytes) -> None:
    assert facts(BARE, redis_version=version).delete == command


@pytest.mark.parametrize("field", ["subexpiry", "keys_with_volatile_items"])
@pytest.mark.parametrize("number", ["0", "1"])
def test_fields_expire_where_a_database_says_so(field: str, number: str) -> None:
    found = facts(BARE, db0="keys=1,expires=0", db5=f"keys=1,expires=0,{field}={number}")
    assert found.fields_expire == (number == "1")


def test_what_is_counted_is_what_is_used_less_the_buffers() -> None:
    assert facts(MODERN).counted_memory == 993


@pytest.mark.parametrize("name", ["db", "dbx", "db0x", "x0", "database0"])
def test_only_databases_are_databases(name: str) -> None:
    assert facts(BARE, **{name: "keys=1,expires=0"}).keys == {}


@pytest.mark.parametrize("line", ["", "keys=1", "expires=1", "keys=x,expires=0", "keys=-1,expires=0"])
def test_a_database_without_its_numbers_is_a_damaged_answer(line: str) -> None:
    with pytest.raises(redis.ConnectionError):
        facts(BARE, db0=line)


def test_a_number_that_is_none_is_a_damaged_answer() -> None:
    assert (number({"a": "-5"}, "a"), number({}, "a")) == (-5, 0)
    with pytest.raises(redis.ConnectionError):
        number({"a": "x"}, "a")


def test_a_line_is_split_at_its_first_colon_and_headings_are_none() -> None:
    said: Any = Said({"executable": "/a:b", "#x": "y"})
    assert info(said) == {"executable": "/a:b"}


@pytest.mark.parametrize("field", ["redis_mode", "server_mode"])
def test_a_sentinel_is_no_server_of_keys(field: str) -> None:
    with pytest.raises(SentinelError):
        facts(BARE, **{field: "sentinel"})
    assert facts(BARE, **{field: "standalone"}).server == "redis"
