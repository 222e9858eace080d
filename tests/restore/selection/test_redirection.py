"""Where a restore writes instead: another target by its name, other databases, other names, other expiry times."""

import json
import re
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.conftest import StartServer
from tests.support.backups import Given, asking, bring_back, eventually, manifest_of, settings_for, take
from tests.support.processes import CANARY, Shell
from tests.support.servers import Binary, Server, binaries
from tests.support.states import assert_same, state
from worker.arguments.redirection import Redirection
from worker.arguments.restore import RestoreArguments
from worker.config.settings import Settings
from worker.config.validation import first_fault
from worker.errors import RefusedError, UsageError
from worker.formats.entries import Entry
from worker.progress import silent
from worker.restore.restore import restore
from worker.restore.selection.mapping import Redirected

each_format = pytest.mark.parametrize("data_format", ["rdb", "json"])
HOUR = 3_600_000
NOW = 1_700_000_000_000
MADE = datetime.fromtimestamp((NOW - HOUR) / 1000, UTC)
"""When the backup of the pure tests was made: an hour ago."""
LIBRARY = b"#!lua name=lib\n"


def moved(entries: list[Entry], *, made: datetime = MADE, **way: Any) -> list[Entry]:
    """What becomes of these entries, at the moment NOW."""
    manifest = manifest_of("redis_backup_20231114_211320.rdb", created_at=made)
    stream = Redirected(Given(entries), Redirection(**way), manifest, now=NOW)
    return [entry for batch in stream.batches() for entry in batch]


def string(key: bytes = b"k", expires_at: int | None = None, db: int = 0) -> Entry:
    return Entry(db, key, expires_at, "string", value=b"v")


WAYS: dict[str, tuple[dict[str, Any], tuple[int, bytes] | None]] = {
    "nothing said": ({}, (0, b"user:1")),
    "another database": ({"map_databases": "0:5"}, (5, b"user:1")),
    "a map without it": ({"map_databases": {3: 5}}, (0, b"user:1")),
    "a prefix": ({"prefix": "restored:"}, (0, b"restored:user:1")),
    "a prefix in another script": ({"prefix": "я:"}, (0, "я:user:1".encode())),
    "a prefix taken off": ({"strip_prefix": "user:"}, (0, b"1")),
    "one that it has not": ({"strip_prefix": "queue:"}, None),
    "one for another": ({"strip_prefix": "user:", "prefix": "u:"}, (0, b"u:1")),
    "all of it": ({"strip_prefix": "user:1", "prefix": "one", "map_databases": "0:1"}, (1, b"one")),
}


@pytest.mark.parametrize(("way", "expected"), WAYS.values(), ids=WAYS)
def test_a_key_goes_where_it_is_sent(way: dict[str, Any], expected: tuple[int, bytes] | None) -> None:
    assert [(one.db, one.key) for one in moved([string(b"user:1")], **way)] == ([expected] if expected else [])


LIVES: dict[str, tuple[str, dict[int | None, int | None]]] = {
    "kept": ("keep", {None: None, NOW - 1: NOW - 1, NOW + 5: NOW + 5}),
    "shifted by the hour that the backup is old": (
        "shift",
        {None: None, NOW - HOUR: NOW, NOW + 5: NOW + 5 + HOUR},
    ),
    "taken away": ("persist", {None: None, NOW - 1: None, NOW + 5: None}),
    "no shorter than a minute": (
        "floor:60",
        {None: None, NOW - HOUR: NOW + 60_000, NOW + 60_001: NOW + 60_001, NOW + HOUR: NOW + HOUR},
    ),
}


@pytest.mark.parametrize(("policy", "times"), LIVES.values(), ids=LIVES)
def test_an_expiry_becomes_what_the_policy_says(policy: str, times: dict[int | None, int | None]) -> None:
    for before, after in times.items():
        assert [one.expires_at for one in moved([string(expires_at=before)], expiry=policy)] == [after]
        fields = Entry(0, b"h", None, "hash", value=[(b"f", b"v", before), (b"g", b"w", None)])
        assert [one.value for one in moved([fields], expiry=policy)] == [[(b"f", b"v", after), (b"g", b"w", None)]]


def test_a_backup_from_a_clock_that_was_ahead_shifts_nothing_back() -> None:
    ahead = MADE + timedelta(days=1)
    assert [one.expires_at for one in moved([string(expires_at=NOW + 5)], made=ahead, expiry="shift")] == [NOW + 5]


@pytest.mark.parametrize(
    ("way", "kept"),
    [({}, True), ({"map_databases": "0:1"}, True), ({"expiry": "persist"}, True), ({"prefix": "a"}, False), ({"strip_prefix": "a"}, False)],
)  # fmt: skip
def test_functions_go_along_only_while_keys_keep_their_names(way: dict[str, Any], kept: bool) -> None:
    manifest = manifest_of("redis_backup_20231114_211320.rdb")
    assert Redirected(Given([], [LIBRARY]), Redirection(**way), manifest).libraries == ([LIBRARY] if kept else [])


def test_databases_that_would_meet_in_one_are_refused() -> None:
    assert Redirection(map_databases={0: 5, 5: 0}).mapped([0, 3, 5]) == [5, 3, 0]
    with pytest.raises(RefusedError, match="Databases 0 and 3 of the backup would both go to database 5"):
        Redirection(map_databases={0: 5, 3: 5}).mapped([0, 3])
    with pytest.raises(RefusedError, match="Databases 0 and 3 of the backup would both go to database 3"):
        Redirection(map_databases={0: 3}).mapped([0, 3])


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("0:5", True),
        (" 0 : 5 , 1:6 ", True),
        ("10:5,0:6", True),
        ("0:1,1:0", True),
        ("1:2,12:3,2:1", True),
        ("0:5,0:6", False),
        ("00:5\n, 0:6", False),
        ("5:1,2:3,005:7", False),
        ("0:1234567890", False),
        ("0:5,", False),
    ],
)
def test_the_document_of_the_api_takes_the_pairs_that_the_check_takes(text: str, fits: bool) -> None:
    schema = json.dumps(Redirection.model_json_schema())
    (pattern,) = (
        one["pattern"] for one in json.loads(schema)["properties"]["map_databases"]["anyOf"] if "pattern" in one
    )
    assert bool(re.search(pattern, text)) == fits
    with nullcontext() if fits else pytest.raises(ValidationError):
        Redirection.model_validate({"map_databases": text})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"map_databases": "0"}, "map_databases: must be pairs of database numbers, such as 0:5 or 0:5,1:6"),
        ({"map_databases": "0:-5"}, "map_databases: must be pairs of database numbers, such as 0:5 or 0:5,1:6"),
        ({"map_databases": "0:5;1:6"}, "map_databases: must be pairs of database numbers, such as 0:5 or 0:5,1:6"),
        ({"map_databases": "0:5, 0:6"}, "map_databases: must name each database of the backup once"),
        ({"map_databases": [0, 5]}, "map_databases: must be names with values"),
        ({"map_databases": {"0": -1}}, "map_databases.0: must be at least 0"),
        ({"map_databases": {"x": 1}}, "map_databases.x.[key]: must be a whole number"),
        ({"expiry": "never"}, "expiry: must be keep, shift, persist, or floor:SECONDS such as floor:3600"),
        ({"expiry": "floor:0"}, "expiry: must be keep, shift, persist, or floor:SECONDS such as floor:3600"),
        ({"expiry": "floor:-1"}, "expiry: must be keep, shift, persist, or floor:SECONDS such as floor:3600"),
        ({"expiry": 60}, "expiry: must be text"),
        ({"prefix": "x" * 1025}, "prefix: must have at most 1024 characters"),
        ({"strip_prefix": ["x"]}, "strip_prefix: must be text"),
        ({"prefix": "\udcff"}, "prefix: must be text"),
        ({"target": ""}, "target: must have at least 1 character"),
        ({"target": "redis://host:6379"}, None),
    ],
)
def test_what_no_way_can_be_is_told(given: dict[str, Any], said: str | None) -> None:
    if said is None:
        # An address is a name like any other, and no target has it: nobody writes to where a task says.
        with pytest.raises(UsageError, match="There is no target of the name"):
            Redirection.model_validate(given).endpoint(settings_for_nobody())
        return
    with pytest.raises(ValidationError) as caught:
        Redirection.model_validate(given)
    assert str(first_fault(caught.value)) == said


def settings_for_nobody(**targets: str) -> Settings:
    return Settings(redis_targets=targets)


def test_a_map_may_be_written_as_text_or_as_names_with_values() -> None:
    expected = {0: 5, 1: 6}
    assert Redirection.model_validate({"map_databases": " 0:5, 1 : 6 "}).map_databases == expected
    assert Redirection.model_validate({"map_databases": {"0": 5, "1": "6"}}).map_databases == expected


def test_an_unknown_target_is_told_with_those_that_there_are_and_no_address() -> None:
    settings = settings_for_nobody(staging=f"redis://:{CANARY}@10.0.0.9:6379", rehearsal=f"redis://:{CANARY}@h:1")
    with pytest.raises(UsageError) as caught:
        Redirection(target="production").endpoint(settings)
    assert str(caught.value) == ("There is no target of the name 'production': REDIS_TARGETS has rehearsal, staging.")
    with pytest.raises(UsageError, match="REDIS_TARGETS has none"):
        Redirection(target="production").endpoint(settings_for_nobody())


@pytest.fixture
def elsewhere(binary: Binary, start_server: StartServer) -> Server:
    """Another server, with a password, that a restore may be sent to."""
    return start_server(binary, password=CANARY)


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


@pytest.fixture
def shell(newest: Binary, start_server: StartServer, tmp_path: Path) -> Shell:
    """A shell at a source with a key in each of two databases, backed up."""
    source = start_server(newest, password=CANARY)
    for db in (0, 3):
        source.client(db).set("k", db, ex=1000)
    take(source, tmp_path / "backups")
    return Shell(source.url, tmp_path / "backups", tmp_path)


@pytest.fixture
def staging(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest, password=CANARY)


def test_the_shell_restores_elsewhere_in_every_way_at_once(shell: Shell, staging: Server) -> None:
    options = ("--to", "staging", "--map-db", "0:5,3:6", "--prefix", "new:", "--expiry", "persist", "--json")
    ended = shell("restore", "latest", *options, REDIS_TARGETS=f"staging={staging.url} other=redis://h:1")
    assert (ended.code, ended.err) == (0, "")
    assert ended.data["restored"] == 2
    assert ended.data["target"] == f"127.0.0.1:{staging.port}"
    assert CANARY not in ended.out
    assert [staging.client(db).get("new:k") for db in (5, 6)] == [b"0", b"3"]
    assert staging.client(5).ttl("new:k") == -1


def test_the_shell_asks_about_the_target_that_it_will_write_to(shell: Shell, staging: Server) -> None:
    options = ("--to", "staging", "--mode", "overwrite")
    asked = shell("restore", "latest", *options, answer="n\n", REDIS_TARGETS=f"staging={staging.url}")
    assert asked.code == 1
    assert f"Overwrite keys of 127.0.0.1:{staging.port} with" in asked.err
    assert staging.client().dbsize() == 0


WRONG = [
    (("--to", "production"), "There is no target of the name 'production': REDIS_TARGETS has staging."),
    (("--to", "redis://127.0.0.1:6379"), "REDIS_TARGETS has staging."),
    (("--to", ""), "target: must have at least 1 character"),
    (("--map-db", "0"), "map_databases: must be pairs of database numbers, such as 0:5"),
    (("--map-db", ""), "map_databases: must be pairs of database numbers, such as 0:5"),
    (("--map-db", "0:1,0:2"), "map_databases: must name each database of the backup once"),
    (("--expiry", "forever"), "expiry: must be keep, shift, persist, or floor:SECONDS"),
    (("--expiry", "floor"), "expiry: must be keep, shift, persist, or floor:SECONDS"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_a_wrong_way_is_told_and_nothing_is_written(
    options: tuple[str, ...], said: str, shell: Shell, staging: Server
) -> None:
    ended = shell("restore", "latest", *options, REDIS_TARGETS=f"staging={staging.url}")
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert CANARY not in ended.err
    assert staging.client().dbsize() == 0


def test_databases_that_would_meet_are_a_refusal_in_the_shell(shell: Shell) -> None:
    ended = shell("restore", "latest", "--map-db", "3:0", "--mode", "overwrite", "--yes")
    assert ended.code == 1
    assert "would both go to database 0" in ended.err


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (f"redis://:{CANARY}@h:6379", "must be names with addresses, such as staging=redis://host:6379"),
        (f"Staging=redis://:{CANARY}@h:6379", "must be names with addresses"),
        (f"staging=http://:{CANARY}@h:6379", "must begin with redis://, rediss:// or unix://"),
        (f"a=redis://:{CANARY}@h a=redis://:{CANARY}@i", "must give each name once"),
    ],
)
def test_targets_that_are_set_wrong_stop_the_process_and_are_not_printed(value: str, what: str, shell: Shell) -> None:
    ended = shell("list", REDIS_TARGETS=value)
    assert ended.code == 2
    assert "The setting REDIS_TARGETS" in ended.err
    assert what in ended.err
    assert CANARY not in ended.err + ended.out


def test_targets_may_stand_in_a_file_one_a_line(shell: Shell, staging: Server) -> None:
    path = shell.folder / "targets"
    path.write_text(f"staging={staging.url}\n\nother=redis://h:1\n")
    assert shell("restore", "latest", "--to", "staging", REDIS_TARGETS_FILE=str(path)).code == 0
    assert staging.client().get("k") == b"0"


def test_the_moment_of_a_floor_is_that_of_the_restore(source: Server, tmp_path: Path) -> None:
    source.client().set("k", "x", px=2000)
    take(source, tmp_path)
    assert eventually(lambda: source.client().exists("k") == 0)
    began = time.time()
    bring_back(source, tmp_path, expiry="floor:2")
    assert left(source, "k") <= 2
    assert eventually(lambda: source.client().exists("k") == 0)
    assert time.time() - began >= 2
