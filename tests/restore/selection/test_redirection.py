"""Where a restore writes instead: another target by its name, other databases, other names, other expiry times."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking, bring_back, each_format, eventually, settings_for, take
from tests.support.processes import CANARY
from tests.support.servers import Binary, Server, binaries
from tests.support.states import assert_same, state
from worker.arguments.restore import RestoreArguments
from worker.errors import RefusedError
from worker.progress import silent
from worker.restore.restore import restore

HOUR = 3_600_000


def bring_elsewhere(source: Server, elsewhere: Server, storage: Path, **arguments: Any) -> dict[str, Any]:
    settings = settings_for(source, storage, redis_targets={"staging": elsewhere.url})
    return restore(settings, RestoreArguments(name="latest", target="staging", **arguments), silent)


@each_format
def test_a_restore_goes_to_the_target_of_that_name_and_the_source_is_left_alone(
    data_format: str, source: Server, elsewhere: Server, tmp_path: Path
) -> None:
    source.client().mset({"k": "1", "l": "2"})
    take(source, tmp_path, format=data_format)
    source.client().set("k", "changed since")
    report = bring_elsewhere(source, elsewhere, tmp_path, mode="overwrite")
    assert (report["restored"], report["target"]) == (2, f"127.0.0.1:{elsewhere.port}")
    assert elsewhere.client().mget("k", "l") == [b"1", b"2"]
    assert source.client().get("k") == b"changed since"


def test_a_target_that_cannot_be_reached_is_named_without_its_password(source: Server, tmp_path: Path) -> None:
    source.client().set("k", "v")
    take(source, tmp_path)
    settings = settings_for(source, tmp_path, redis_targets={"staging": f"redis://:{CANARY}@127.0.0.1:1"})
    with pytest.raises(Exception, match=r"The target staging at 127\.0\.0\.1:1 cannot be reached") as caught:
        restore(settings, RestoreArguments(name="latest", target="staging"), silent)
    assert "REDIS_TARGETS" in str(caught.value)
    assert CANARY not in str(caught.value)


@each_format
def test_databases_are_mapped_and_others_stay(data_format: str, source: Server, target: Server, tmp_path: Path) -> None:
    for db in (0, 1, 3):
        source.client(db).set("k", db)
    take(source, tmp_path, format=data_format)
    report = bring_back(target, tmp_path, map_databases="0:3,3:0")
    assert report["restored"] == 3
    assert [target.client(db).get("k") for db in (0, 1, 2, 3)] == [b"3", b"1", None, b"0"]


def test_databases_that_would_meet_write_nothing(source: Server, target: Server, tmp_path: Path) -> None:
    for db in (0, 3):
        source.client(db).set("k", db)
    take(source, tmp_path)
    with pytest.raises(RefusedError, match="map them to different ones, or restore one at a time"):
        bring_back(target, tmp_path, map_databases={3: 0}, mode="overwrite")
    assert target.client().dbsize() == 0
    assert bring_back(target, tmp_path, map_databases={3: 0}, databases=[3])["restored"] == 1
    assert target.client().get("k") == b"3"


def test_a_map_of_databases_that_the_backup_does_not_have_writes_nothing(source: Server, tmp_path: Path) -> None:
    source.client(3).set("k", "of the backup")
    take(source, tmp_path)
    source.client(3).set("k", "changed since")
    with pytest.raises(RefusedError, match="the backup has databases 3, and the map is of 0, 5"):
        bring_back(source, tmp_path, map_databases="0:3,5:3", mode="overwrite")
    assert source.client(3).get("k") == b"changed since"
    assert bring_back(source, tmp_path, map_databases="0:5,3:4", mode="overwrite")["restored"] == 1
    assert source.client(4).get("k") == b"of the backup"


def test_a_database_that_the_target_does_not_have_is_refused_before_anything_is_written(
    source: Server, target: Server, tmp_path: Path
) -> None:
    source.client(0).set("k", "v")
    source.client(3).set("k", "v")
    take(source, tmp_path)
    with pytest.raises(RefusedError, match="The target has no database 99"):
        bring_back(target, tmp_path, map_databases="3:99")
    assert target.client().dbsize() == 0


@each_format
def test_a_prefix_is_put_on_and_taken_off_again(
    data_format: str, source: Server, target: Server, tmp_path: Path
) -> None:
    client: Any = source.client()
    client.mset({"user:1": "Ann", b"\xff\x00": "binary", "": "the empty key"})
    client.rpush("list", *range(1000))
    client.xadd("stream", {"f": "v"})
    before = state(source)
    take(source, tmp_path, format=data_format)
    report = bring_back(target, tmp_path, prefix="restored:")
    assert (report["restored"], report["functions"]) == (5, 0)
    there: Any = target.client()
    assert set(there.keys()) == {b"restored:" + key for key in (b"user:1", b"\xff\x00", b"", b"list", b"stream")}
    there.set("of somebody else", "x")
    take(target, tmp_path, format=data_format)
    there.flushall()
    assert bring_back(target, tmp_path, strip_prefix="restored:")["restored"] == 5
    assert_same(target, before)


def test_a_key_under_a_prefix_heeds_the_mode(source: Server, tmp_path: Path) -> None:
    source.client().set("k", "of the backup")
    take(source, tmp_path)
    source.client().mset({"new:k": "live", "k": "changed since"})
    assert bring_back(source, tmp_path, prefix="new:")["skipped"] == 1
    assert source.client().mget("k", "new:k") == [b"changed since", b"live"]
    assert bring_back(source, tmp_path, prefix="new:", mode="overwrite")["restored"] == 1
    assert source.client().mget("k", "new:k") == [b"changed since", b"of the backup"]


def test_a_prefix_that_no_key_has_restores_nothing_and_says_so(source: Server, tmp_path: Path) -> None:
    source.client().set("k", "v")
    take(source, tmp_path)
    report = bring_back(source, tmp_path, strip_prefix="absent:")
    assert (report["restored"], report["skipped"]) == (0, 0)
    assert report["warnings"] == ["No key of the backup fits: nothing was restored."]


def left(server: Server, key: str) -> float:
    """Seconds until the key expires."""
    client: Any = server.client()
    return float(client.pttl(key)) / 1000


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("keep", {"long": 1000, "stays": -0.001}),
        ("persist", {"long": -0.001, "gone": -0.001, "stays": -0.001}),
        ("floor:500", {"long": 1000, "gone": 500, "stays": -0.001}),
    ],
)
def test_a_restore_heeds_the_policy_also_for_keys_that_have_expired_since(
    policy: str, expected: dict[str, float], source: Server, target: Server, tmp_path: Path
) -> None:
    client = source.client()
    client.set("long", "x", px=1_000_000)
    client.set("stays", "x")
    client.set("gone", "x", px=3000)
    take(source, tmp_path)
    assert eventually(lambda: client.exists("gone") == 0)
    report = bring_back(target, tmp_path, expiry=policy)
    assert target.client().dbsize() == len(expected)
    assert report["expired"] == 3 - len(expected)
    assert {key: left(target, key) for key in expected} == pytest.approx(expected, abs=15)


@each_format
def test_a_shifted_key_lives_as_long_as_it_had_left_when_the_backup_was_made(
    data_format: str, source: Server, target: Server, tmp_path: Path
) -> None:
    client: Any = source.client()
    client.set("k", "x", px=3000)
    client.set("stays", "x")
    take(source, tmp_path, format=data_format)
    assert eventually(lambda: client.exists("k") == 0)
    report = bring_back(target, tmp_path, expiry="shift")
    assert (report["restored"], report["expired"]) == (2, 0)
    assert 0 < left(target, "k") <= 3
    assert left(target, "stays") < 0


@pytest.fixture
def with_field_expiry(start_server: StartServer) -> Server:
    """A server whose hashes have fields with an expiry of their own."""
    able = [one for one in binaries() if one.fields_expire]
    if not able:
        pytest.skip("no server of this machine has HPEXPIREAT")
    return start_server(able[-1])


@each_format
@pytest.mark.parametrize(
    ("policy", "between"),
    [("keep", (900, 1000)), ("persist", (-1, -1)), ("floor:5000", (4900, 5000)), ("shift", (900, 1010))],
)
def test_the_fields_of_a_hash_heed_the_policy_too(
    data_format: str, policy: str, between: tuple[int, int], with_field_expiry: Server, tmp_path: Path
) -> None:
    client = asking(with_field_expiry)
    client.execute_command("HSET", "h", "f", "v", "g", "w")
    client.execute_command("HPEXPIRE", "h", 1_000_000, "FIELDS", 1, "f")
    take(with_field_expiry, tmp_path, format=data_format)
    client.execute_command("DEL", "h")
    assert bring_back(with_field_expiry, tmp_path, expiry=policy)["restored"] == 1
    assert client.execute_command("HGET", "h", "f") == b"v"
    field, other = client.execute_command("HTTL", "h", "FIELDS", 2, "f", "g")
    assert between[0] <= field <= between[1]
    assert other == -1


NEIGHBOURS = [(older, newer) for older, newer in pairwise(binaries()) if older.name == newer.name]


@pytest.mark.parametrize(("older", "newer"), NEIGHBOURS, ids=str)
def test_a_redirected_backup_goes_into_a_newer_server_and_an_older_one(
    older: Binary, newer: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    old, new = start_server(older), start_server(newer, password=CANARY)
    old.client().set("k", "v", ex=1000)
    old.client().hset("h", "f", "v")
    take(old, tmp_path)
    way: dict[str, Any] = {"prefix": "p:", "map_databases": "0:2", "expiry": "persist"}
    assert bring_elsewhere(old, new, tmp_path, **way)["restored"] == 2
    assert new.client(2).ttl("p:k") == -1
    assert new.client(2).hget("p:h", "f") == b"v"
    back: dict[str, Any] = {"strip_prefix": "p:", "map_databases": "2:1"}
    for data_format in ("rdb", "json"):
        take(new, tmp_path, format=data_format)
        assert bring_elsewhere(new, old, tmp_path, **back)["restored"] == 2
        assert old.client(1).hget("h", "f") == b"v"
        old.client(1).flushdb()


def test_the_moment_of_a_floor_is_that_of_the_restore(source: Server, tmp_path: Path) -> None:
    source.client().set("k", "x", px=2000)
    take(source, tmp_path)
    assert eventually(lambda: source.client().exists("k") == 0)
    began = time.time()
    bring_back(source, tmp_path, expiry="floor:2")
    assert left(source, "k") <= 2
    assert eventually(lambda: source.client().exists("k") == 0)
    assert time.time() - began >= 2
