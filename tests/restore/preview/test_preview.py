"""Preview: what it foretells is what the restore then does, it only reads, and a stale one does not pass unseen."""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.conftest import StartServer
from tests.support.backups import Given, asking, endpoint, fill_all, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.backups.adopt import adopt
from worker.config.settings import Settings
from worker.engines.scan import Scan
from worker.errors import ArtifactError, NotFoundError, RefusedError, TargetError, UsageError
from worker.formats.entries import Entry, Opaque, Stream
from worker.formats.portable import document
from worker.formats.rdb import writer
from worker.formats.rdb.payload import seal
from worker.progress import silent
from worker.restore.preview.compatibility import Foreign, type_name
from worker.restore.preview.findings import NO_PREFIX, OTHERS, PREFIXES_SHOWN
from worker.restore.preview.preview import preview
from worker.restore.preview.samples import SAMPLES
from worker.restore.restore import restore
from worker.restore.target.target import Target
from worker.runs.recorder import Recording, perform
from worker.runs.run import new
from worker.server.endpoint import TARGET, Endpoint

DATABASES = (0, 3)


def look(server: Server, storage: Path, name: str = "latest", **arguments: Any) -> dict[str, Any]:
    return preview(settings_for(server, storage), PreviewArguments(name=name, **arguments), silent)


def counts(found: dict[str, Any]) -> dict[str, int]:
    return {kind: number for kind, number in found["counts"].items() if number}


def report_of(server: Server, storage: Path, name: str = "latest", **arguments: Any) -> dict[str, Any]:
    settings = settings_for(server, storage, backup_undo_days=0)
    return restore(settings, RestoreArguments(name=name, **arguments), silent)


def as_foretold(report: dict[str, Any]) -> dict[str, int]:
    return {
        what: report.get(what) or 0 for what in ("restored", "skipped", "differing", "expired", "failed", "deleted")
    }


def adopted(server: Server, storage: Path, entries: list[Entry], rdb_version: int, data_format: str = "rdb") -> str:
    """A backup that holds exactly these."""
    given = Given(entries, rdb_version=rdb_version)
    chunks = writer.write(given, {}) if data_format == "rdb" else document.write(given, {})
    path = storage.parent / f"{uuid.uuid4()}.{data_format}"
    path.write_bytes(b"".join(chunks))
    return str(adopt(settings_for(server, storage), AdoptArguments(file=path), silent)["name"])


def change(server: Server, storage: Path, data_format: str = "rdb") -> Server:
    """Data of every type in two databases is backed up, and then changed."""
    fill_all(server)
    take(server, storage, format=data_format)
    client = server.client()
    client.delete("int:0", "hash:odd")
    client.set("text", "other text")
    client.hset("hash:small", "name", "Bob")
    client.persist("ttl:years")
    client.xadd("stream", {"a": "b"}, id="1800000000000-0")
    client.delete("list:small")
    client.set("list:small", "no list")
    client.set("mine", "only here")
    server.client(3).sadd("set:big", "one more")
    return server


@pytest.fixture
def changed(newest: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server that was backed up, and has been changed since."""
    return change(start_server(newest), tmp_path / "rdb")


each_format = pytest.mark.parametrize("data_format", ["rdb", "json"])


@each_format
def test_each_key_is_counted_as_what_it_is(data_format: str, source: Server, tmp_path: Path) -> None:
    storage = tmp_path / "backups"
    changed = change(source, storage, data_format)
    found = look(changed, storage, mode="overwrite")
    keys = found["counts"]["identical"] + 8
    assert counts(found) == {"new": 2, "differs": 5, "expiry": 1, "identical": keys - 8}
    nothing = {"skipped": 0, "differing": 0, "expired": 0, "failed": 0, "deleted": 0}
    assert found["forecast"] == {"restored": keys, **nothing}
    assert look(changed, storage)["forecast"] == {
        "restored": 2,
        "skipped": keys - 2,
        "differing": 6,
        "expired": 0,
        "failed": 0,
        "deleted": 0,
    }
    assert (found["refusal"], found["warnings"]) == (None, [])
    assert found["by_db"]["3"] == {"identical": found["by_db"]["3"]["identical"], "differs": 1}
    assert found["by_type"]["hash"] == {"new": 1, "differs": 1, "identical": keys_of(found, "hash") - 2}
    assert found["by_prefix"]["ttl:"] == {"expiry": 1, "identical": 3}
    for group in ("by_db", "by_type", "by_prefix"):
        assert sum(number for kinds in found[group].values() for number in kinds.values()) == keys
    assert sum(found["by_prefix"][NO_PREFIX].values()) > 10
    assert report_of(changed, storage, mode="overwrite")["restored"] == keys
    assert counts(look(changed, storage)) == {"identical": keys}


def keys_of(found: dict[str, Any], kind: str) -> int:
    return sum(found["by_type"][kind].values())


@each_format
def test_a_difference_is_shown_side_by_side(data_format: str, source: Server, tmp_path: Path) -> None:
    storage = tmp_path / "backups"
    changed = change(source, storage, data_format)
    samples = look(changed, storage, mode="overwrite")["samples"]
    shown = {(one["db"], one["key"]): one for kind in ("new", "differs", "expiry") for one in samples[kind]}
    assert shown[0, "text"]["rows"] == [
        {
            "part": "value",
            "backup": "0x6772c3bcc39f652c20d0bcd0b8d1802c20e4b896e7958c20f09f8e890d0a0020656e64",
            "live": "other text",
        }
    ]
    assert shown[0, "hash:small"]["rows"] == [{"part": "name", "backup": "Ann", "live": "Bob"}]
    assert shown[0, "list:small"]["rows"][0] == {"part": "type", "backup": "list", "live": "string"}
    assert shown[0, "list:small"]["live"]["type"] == "string"
    assert {"part": "entry 1800000000000-0", "backup": None, "live": "a: b"} in shown[0, "stream"]["rows"]
    assert shown[3, "set:big"]["rows"] == [{"part": "one more", "backup": None, "live": "there"}]
    assert shown[0, "int:0"]["rows"] == [{"part": "value", "backup": "0", "live": None}]
    assert (shown[0, "int:0"]["live"], shown[0, "int:0"]["backup"]["expires_at"]) == (None, None)
    expiry = shown[0, "ttl:years"]
    assert [(row["part"], row["live"]) for row in expiry["rows"]] == [("expires", "never")]
    assert expiry["live"]["expires_at"] is None
    assert expiry["backup"]["expires_at"] > time.time() * 1000
    assert all(len(kind) <= SAMPLES for kind in samples.values())
    assert len(samples["identical"]) == SAMPLES


# The forecast

VALUES: list[tuple[str, ...]] = [
    ("SET", "k", "1"),
    ("SET", "k", "text"),
    ("RPUSH", "k", "a", "b"),
    ("SADD", "k", "1", "2"),
    ("SADD", "k", "1", "x"),
    ("HSET", "k", "f", "1"),
    ("ZADD", "k", "1", "a", "inf", "b"),
    ("XADD", "k", "5-1", "a", "1"),
]
HOUR = 3_600_000
NAMES = [b"user:1", b"user:2", b"job:1", b"\xff\x00", b"plain"]

keys = st.tuples(st.sampled_from(DATABASES), st.sampled_from(NAMES))
held = st.tuples(st.integers(0, len(VALUES) - 1), st.sampled_from([None, "past", 1, 2]))
stored = st.dictionaries(keys, held, max_size=8)
# Some of the live keys are as in the backup, which two random draws would seldom give.
alive = st.tuples(st.dictionaries(keys, held, max_size=8), st.sets(keys))
asked = st.fixed_dictionaries(
    {},
    optional={
        "kinds": st.sampled_from([{"new"}, {"differs"}, {"expiry", "new"}, {"new", "differs", "expiry"}]),
        "match": st.sampled_from(["user:*", "*1", "nothing"]),
        "types": st.sampled_from([{"string"}, {"set", "hash"}]),
        "databases": st.sampled_from([{0}, {3}]),
        "map_databases": st.just({0: 3, 3: 0}),
        "prefix": st.just("restored:"),
        "strip_prefix": st.just("user:"),
        "expiry": st.sampled_from(["persist", "shift", "floor:7200"]),
    },
)


def write(server: Server, state: dict[tuple[int, bytes], tuple[int, Any]], base: int) -> None:
    """Make the server hold exactly this; what is past is left out."""
    server.client().flushall()
    for (db, key), (value, expiry) in state.items():
        client = asking(server, db)
        command, _, *rest = VALUES[value]
        client.execute_command(command, key, *rest)
        if expiry == "past":
            client.execute_command("DEL", key)
        elif expiry:
            client.execute_command("PEXPIREAT", key, base + expiry * HOUR)


@each_format
@pytest.mark.parametrize("mode", ["skip", "overwrite", "mirror"])
def test_the_forecast_is_what_the_restore_then_reports(
    mode: str, data_format: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)

    @hypothesis_settings(max_examples=25)
    @given(backed_up=stored, live=alive, arguments=asked)
    def holds(backed_up: Any, live: Any, arguments: Any) -> None:
        if mode == "mirror":
            arguments.pop("kinds", None)
        base = int(time.time() * 1000)
        write(server, {key: (value, None) for key, (value, _) in backed_up.items()}, base)
        scan = Scan(endpoint(server), list(DATABASES))
        entries = [one for batch in scan.batches() for one in batch]
        assert scan.rdb_version
        times = {None: None, "past": base - HOUR, 1: base + HOUR, 2: base + 2 * HOUR}
        entries = [one._replace(expires_at=times[backed_up[one.db, one.key][1]]) for one in entries]
        storage = tmp_path / str(uuid.uuid4())
        name = adopted(server, storage, entries, scan.rdb_version, data_format)
        others, alike = live
        write(server, others | {key: backed_up[key] for key in alike if key in backed_up}, base)
        before = state(server)
        foretold = look(server, storage, name, mode=mode, **arguments)
        assert_same(server, before)
        assert foretold["refusal"] is None
        report = report_of(server, storage, name, mode=mode, **arguments)
        assert as_foretold(report) == foretold["forecast"], foretold["counts"]
        after = look(server, storage, name, mode=mode, **arguments)["counts"]
        if mode != "skip":
            # What was put off is put off anew, from a later moment on.
            moving = arguments.get("expiry") in ("shift", "floor:7200")
            settled = {"identical", "expired"} | ({"expiry"} if moving else set())
            chosen = arguments.get("kinds", set(after)) - settled
            assert {kind: after[kind] for kind in chosen if after[kind]} == {}

    holds()


# It only reads

_NO_WRITERS = {"INFO", "SELECT", "CLIENT", "HELLO", "AUTH", "TIME", "DUMP", "PEXPIRETIME", "HPEXPIRETIME", "PTTL"}
_NO_WRITERS |= {"SCAN", "TYPE", "MODULE", "CONFIG"}


@contextmanager
def monitored(server: Server) -> Iterator[list[list[str]]]:
    """The commands that the server is given meanwhile, each as its words."""
    told: list[list[str]] = []
    client: Any = server.client()
    with client.monitor() as monitor:
        yield told
        server.client().echo("the end")
        for line in monitor.listen():
            words = re.findall(r'"((?:[^"\\]|\\.)*)"', line["command"]) or line["command"].split(" ")
            if words[0].upper() == "ECHO":
                return
            told.append(words)


@pytest.mark.parametrize("mode", ["skip", "overwrite", "mirror"])
def test_the_target_is_only_read(mode: str, changed: Server, tmp_path: Path) -> None:
    before = state(changed)
    with monitored(changed) as told:
        look(changed, tmp_path / "rdb", mode=mode)
    assert_same(changed, before)
    given_commands = {words[0].upper() for words in told}
    assert given_commands >= {"DUMP", "TIME"}
    writers = [words for words in told if words[0].upper() not in _NO_WRITERS]
    # Asked in ways that write nothing: a payload that no server takes, a key that nobody has, what a primary is already.
    assert {words[0].upper() for words in writers} <= {"RESTORE", "UNLINK", "REPLICAOF"}
    for words in writers:
        assert words[1:] == ["NO", "ONE"] if words[0].upper() == "REPLICAOF" else words[1].startswith("redis_backup:")
    assert list(changed.client().scan_iter("redis_backup:*")) == []


def test_a_user_who_may_only_read_sees_it_all_and_that_a_restore_would_be_refused(
    changed: Server, tmp_path: Path
) -> None:
    rules = ["on", ">pw", "~*", "+@read", "+@connection", "+info", "+time", "+select", "+dump", "-@write"]
    asking(changed).execute_command("ACL", "SETUSER", "reader", *rules)
    settings = settings_for(changed, tmp_path / "rdb", redis_url=changed.url.replace("//", "//reader:pw@"))
    found = preview(settings, PreviewArguments(name="latest", mode="overwrite"), silent)
    assert counts(found) == counts(look(changed, tmp_path / "rdb", mode="overwrite"))
    assert re.search(
        r"does not allow a restore: .*lacks \+restore\..*`ACL SETUSER reader \+restore`\.$", found["refusal"]
    )


# What speaks against it


def test_what_a_restore_would_refuse_is_said_and_the_rest_is_told(
    source: Server, start_server: StartServer, tmp_path: Path
) -> None:
    for db in DATABASES:
        source.client(db).mset({f"key:{number}": b"%d" % number * 3000 for number in range(50)})
    take(source, tmp_path)
    small = start_server(source.binary, "--databases", "2")
    small.client().set("key:1", "mine")
    found = look(small, tmp_path, mode="overwrite")
    assert re.search("no database 3", found["refusal"])
    assert found["by_db"] == {"0": {"new": 49, "differs": 1}, "3": {"new": 50}}
    assert look(small, tmp_path, databases=0)["refusal"] is None
    assert look(small, tmp_path, map_databases="3:0")["refusal"].startswith("Databases 0 and 3")
    replica = start_server(source.binary)
    replica.client().replicaof("127.0.0.1", str(source.port))
    assert re.search("is a replica", look(replica, tmp_path)["refusal"])


def test_memory_that_will_not_do_is_foretold(source: Server, target: Server, tmp_path: Path) -> None:
    source.client().mset({f"key:{number}": b"%04d" % number * 2500 for number in range(500)})
    adopted(
        source,
        tmp_path / "b",
        [Entry(0, b"key:%d" % one, None, "string", None, b"%04d" % one * 2500) for one in range(500)],
        9,
        "json",
    )
    client = target.client()
    client.mset({f"key:{number}": b"%04d" % number * 2500 for number in range(100)})
    enough = look(target, tmp_path / "b")
    assert 4_000_000 < enough["memory"]["needed_bytes"] < 4_100_000
    assert (enough["memory"]["max_bytes"], enough["memory"]["eviction"], enough["warnings"]) == (0, "noeviction", [])
    assert look(target, tmp_path / "b", mode="overwrite")["memory"] | {"used_bytes": 0} == enough["memory"] | {
        "used_bytes": 0
    }
    limit = client.info("memory")["used_memory"] + 3_000_000
    client.config_set("maxmemory", limit)
    for part in ({}, {"match": "key:*"}):
        assert re.search(
            f"has too little memory: maxmemory is {limit:,} .* would stop",
            look(target, tmp_path / "b", **part)["refusal"],
        )
    # Between what it needs at the least and at the most.
    limit = client.info("memory")["used_memory"] + 4_100_000
    client.config_set("maxmemory", limit)
    found = look(target, tmp_path / "b")
    assert found["refusal"] is None
    assert re.search(f"maxmemory is {limit:,} .* would stop when it is full: raise maxmemory", *found["warnings"])
    client.config_set("maxmemory-policy", "allkeys-lru")
    found = look(target, tmp_path / "b")
    assert found["refusal"] is None
    assert re.search(
        r"make it throw keys out \(allkeys-lru\), its own too, so it is refused unless", *found["warnings"]
    )
    client.config_set("maxmemory", limit - 1_000_000)
    assert re.search("too little memory", look(target, tmp_path / "b")["refusal"])


def test_a_module_that_the_target_lacks_is_named(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(newest)
    identity = int.from_bytes(bytes([0]), "big")
    for place, char in enumerate("ReJSON-RL"):
        identity |= "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(char) << (58 - 6 * place)
    payload = b"\x07\x81" + (identity | 3).to_bytes(8, "big") + b"\x05\x01x\x00"
    assert type_name(payload) == "ReJSON-RL"
    assert type_name(b"\x00\x01x") is None
    assert type_name(b"\x07") is None
    entries = [Entry(0, b"doc:%d" % number, None, "module", None, Opaque(seal(payload, 9))) for number in range(3)]
    adopted(server, tmp_path / "b", entries, 9, "json")
    (warning,) = look(server, tmp_path / "b")["warnings"]
    assert warning.startswith(
        "3 keys hold values of the module type 'ReJSON-RL', and the target has no module 'ReJSON'"
    )
    assert look(server, tmp_path / "b", match="x")["warnings"] == ["No key of the backup fits."]
    forecast = look(server, tmp_path / "b")["forecast"]
    assert (forecast["restored"], forecast["failed"]) == (0, 3)
    assert as_foretold(report_of(server, tmp_path / "b")) == forecast
    asking(server).execute_command("ACL", "SETUSER", "half", "on", ">pw", "~*", "+@all", "-module")
    settings = settings_for(server, tmp_path / "b", redis_url=server.url.replace("//", "//half:pw@"))
    (warning,) = preview(settings, PreviewArguments(name="latest"), silent)["warnings"]
    assert "does not tell which modules it has" in warning


def test_bytes_of_a_newer_server_are_foretold_to_fail(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)
    newer = Opaque(seal(b"\x1b" + bytes(15), 79))
    entries = [Entry(0, name, None, "stream", None, newer) for name in (b"there", b"not there")]
    adopted(server, tmp_path / "b", [*entries, Entry(0, b"text", None, "string", value=b"x")], 9, "json")
    server.client().set("there", "x")
    for mode, number in (("skip", 1), ("overwrite", 2)):
        found = look(server, tmp_path / "b", mode=mode)
        (warning,) = found["warnings"]
        assert warning.startswith(f"{number} keys hold bytes that only their own server can read, of RDB version 79")
        assert found["forecast"]["failed"] == number
        assert as_foretold(report_of(server, tmp_path / "b", mode=mode)) == found["forecast"]
        server.client().delete("text")


def test_what_is_too_new_for_an_old_target_is_foretold() -> None:
    stream = Entry(0, b"events", None, "stream", value=Stream([], "0-1"))
    pairs: list[tuple[bytes, bytes, int | None]] = [(b"f", b"v", 5)]
    fields = Entry(0, b"h", None, "hash", value=pairs)
    foreign, nowhere = Foreign((3, 2, 6), fields=False), Endpoint("redis://127.0.0.1:1", TARGET)
    for entry in (stream, stream, fields):
        foreign.see(entry)
    failing, (streams, lost) = foreign.judged(Target(nowhere, "skip"), nowhere)
    assert (failing, lost) == (
        2,
        "If restored, 1 hash loses the expiry of single fields, which the target does not know: 'h' of database 0.",
    )
    assert streams.startswith("2 keys are streams, and the target is too old")
    newer = Foreign((7, 4, 0), fields=True)
    newer.see(stream)
    newer.see(fields)
    assert newer.judged(Target(nowhere, "skip"), nowhere) == (0, [])


def test_a_backup_that_is_not_whole_is_not_previewed(changed: Server, tmp_path: Path) -> None:
    (path,) = (tmp_path / "rdb").glob("*.zst")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="cut short"):
        look(changed, tmp_path / "rdb", path.name)
    with pytest.raises(NotFoundError):
        look(changed, tmp_path / "rdb", "redis_backup_20010101_000000.rdb")


def test_a_target_that_may_not_be_read_is_an_error(changed: Server, tmp_path: Path) -> None:
    asking(changed).execute_command("ACL", "SETUSER", "blind", "on", ">pw", "~*", "+@all", "-dump")
    settings = settings_for(changed, tmp_path / "rdb", redis_url=changed.url.replace("//", "//blind:pw@"))
    with pytest.raises(TargetError, match="does not give the key"):
        preview(settings, PreviewArguments(name="latest"), silent)


# Mirror, prefixes, progress


def test_what_a_mirror_would_delete_is_counted_and_shown(changed: Server, tmp_path: Path) -> None:
    changed.client(5).hset("elsewhere", "f", "1")
    found = look(changed, tmp_path / "rdb", mode="mirror")
    assert found["forecast"]["deleted"] == found["counts"]["deleted"] == 2
    shown = {(one["db"], one["key"]): one for one in found["samples"]["deleted"]}
    assert shown[0, "mine"]["rows"] == [{"part": "value", "backup": None, "live": "only here"}]
    assert shown[5, "elsewhere"]["rows"] == [{"part": "f", "backup": None, "live": "1"}]
    assert (shown[5, "elsewhere"]["type"], shown[5, "elsewhere"]["backup"]) == ("hash", None)
    assert found["by_db"]["5"] == {"deleted": 1}
    assert "deleted" not in counts(look(changed, tmp_path / "rdb", mode="overwrite"))


def test_of_many_prefixes_those_with_the_most_keys_are_shown(source: Server, tmp_path: Path) -> None:
    pipe = source.client().pipeline(transaction=False)
    for prefix in range(1500):
        pipe.set(f"{prefix}:a", 1)
    for number in range(100):
        pipe.set(f"user:{number}", number)
    pipe.execute()
    take(source, tmp_path)
    found = look(source, tmp_path)["by_prefix"]
    assert len(found) == PREFIXES_SHOWN + 1
    assert sum(kinds["identical"] for kinds in found.values()) == 1600
    assert list(found)[-1] == OTHERS
    assert found.get("user:", {"identical": 100}) == {"identical": 100}


def test_progress_is_told_in_keys(changed: Server, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None, str]] = []
    arguments = PreviewArguments(name="latest", mode="mirror")
    found = preview(settings_for(changed, tmp_path / "rdb"), arguments, lambda *how: told.append(how))
    keys = sum(found["counts"].values()) - 1
    assert ("comparing", keys, keys, "keys") in told
    assert ("looking for others", 1, None, "keys") in told


def test_the_total_is_that_of_what_is_meant(changed: Server, tmp_path: Path) -> None:
    totals = {"databases": 3, "types": {"string"}}, {"match": "int:*"}, {"strip_prefix": "int:"}
    for narrowed in totals:
        told: set[tuple[int, int | None]] = set()

        def progress(phase: str, current: int, total: int | None, unit: str, told: Any = told) -> None:
            if phase in ("comparing", "restoring", "keeping what is there"):
                told.add((current, total))

        settings = settings_for(changed, tmp_path / "rdb")
        found = preview(settings, PreviewArguments(name="latest", **narrowed), progress)
        restore(settings, RestoreArguments(name="latest", **narrowed), progress)
        keys = sum(found["counts"].values())
        assert {total for _, total in told} == {keys if "types" in narrowed else None}
        assert max(current for current, _ in told) == keys > 1


def test_values_of_megabytes_are_compared(source: Server, tmp_path: Path) -> None:
    client = source.client()
    for number in range(20):
        client.set(f"big:{number}", bytes([number]) * 3_000_000)
    client.rpush("list", *(b"%d" % one * 100 for one in range(20_000)))
    take(source, tmp_path)
    client.setrange("big:7", 2_999_999, "x")
    client.lset("list", 19_999, "x")
    found = look(source, tmp_path)
    assert counts(found) == {"identical": 19, "differs": 2}
    shown = {one["key"]: one for one in found["samples"]["differs"]}
    assert shown["big:7"]["rows"][0]["live"].endswith("78… (3,000,000 bytes)") is False
    assert [row["part"] for row in shown["list"]["rows"]] == ["position 19999"]


# Only some kinds, and only as previewed


def test_only_keys_of_the_chosen_kinds_are_written(changed: Server, tmp_path: Path) -> None:
    client = changed.client()
    report = report_of(changed, tmp_path / "rdb", mode="overwrite", kinds={"new", "expiry"})
    assert report["restored"] == 3
    assert (client.get("int:0"), client.exists("hash:odd"), client.ttl("ttl:years") > 0) == (b"0", 1, True)
    assert client.get("text") == b"other text"
    assert counts(look(changed, tmp_path / "rdb"))["differs"] == 5
    assert report_of(changed, tmp_path / "rdb", kinds={"differs"})["restored"] == 0
    assert report_of(changed, tmp_path / "rdb", mode="overwrite", kinds={"differs"})["restored"] == 5
    assert list(counts(look(changed, tmp_path / "rdb"))) == ["identical"]


@pytest.fixture
def remembering(changed: Server, newest: Binary, start_server: StartServer, tmp_path: Path) -> Settings:
    """Settings with a broker, where runs are remembered."""
    return settings_for(changed, tmp_path / "rdb", celery_broker_url=start_server(newest).url)


def previewed(settings: Settings, **arguments: Any) -> str:
    """The id of a preview that was run and remembered."""
    run = new(str(uuid.uuid4()), "preview", {"name": "latest", **arguments}, "test")
    asked_for = PreviewArguments(name="latest", **arguments)
    found = perform(Recording(settings, run), lambda progress: preview(settings, asked_for, progress))
    assert found["run"] == run.id
    return run.id


def again(settings: Settings, **arguments: Any) -> dict[str, Any]:
    return restore(settings, RestoreArguments(name="latest", **arguments), silent)


def test_a_target_that_is_as_it_was_is_restored(remembering: Settings) -> None:
    run = previewed(remembering, mode="overwrite")
    report = again(remembering, mode="overwrite", preview=run, kinds={"new"})
    assert (report["restored"], report["warnings"]) == (2, [])


def test_a_target_that_has_changed_since_is_refused_unless_forced(remembering: Settings, changed: Server) -> None:
    run = previewed(remembering, mode="overwrite")
    changed.client().delete("int:1")
    changed.client(3).set("text", "changed meanwhile")
    before = state(changed)
    words = r"has changed since the preview: new 3 \(2 then\), of another value 6 \(5 then\)\..*--force"
    with pytest.raises(RefusedError, match=words):
        again(remembering, mode="overwrite", preview=run)
    assert_same(changed, before)
    report = again(remembering, mode="overwrite", preview=run, force=True)
    assert [warning.partition(":")[0] for warning in report["warnings"]] == ["The target has changed since the preview"]
    assert report["restored"] == report["restored"] + report["skipped"] > 60


def set_again(client: Any) -> None:
    client.set("text", "changed once more")


def trade_places(client: Any) -> None:
    client.set("int:0", "0")
    client.delete("int:1")


def trade_others(client: Any) -> None:
    client.delete("mine")
    client.set("somebody's", "x")


def lengthen(client: Any) -> None:
    client.rpush("stream of another type", "x")
    client.rename("stream of another type", "stream")


UNCOUNTED: dict[str, tuple[Callable[[Any], None], str]] = {
    "a key that differs changes once more": (set_again, "of another value 5 as then, but other keys or other values"),
    "one key for another": (trade_places, "new 2 as then, but other keys or other values"),
    "a key that would be deleted for another": (
        trade_others,
        "to be deleted 1 as then, but other keys or other values",
    ),
    "its type changes": (lengthen, "of another value 5 as then, but other keys or other values"),
}


@pytest.mark.parametrize(("do", "words"), UNCOUNTED.values(), ids=UNCOUNTED)
def test_a_change_that_leaves_the_counts_as_they_were_is_noticed(
    do: Callable[[Any], None], words: str, remembering: Settings, changed: Server
) -> None:
    run = previewed(remembering, mode="mirror")
    do(changed.client())
    before = state(changed)
    with pytest.raises(RefusedError, match=f"has changed since the preview: .*{words}"):
        again(remembering, mode="mirror", preview=run)
    assert_same(changed, before)


def test_what_a_restore_does_not_write_may_change_meanwhile(remembering: Settings, changed: Server) -> None:
    run = previewed(remembering, mode="overwrite")
    set_again(changed.client())
    assert again(remembering, mode="overwrite", preview=run, kinds={"new"})["restored"] == 2


def test_what_happens_by_itself_is_no_change(source: Server, start_server: StartServer, tmp_path: Path) -> None:
    client = asking(source)
    client.execute_command("SET", "goes", "x", "PX", 1200)
    client.execute_command("SET", "stays", "x")
    client.execute_command("SET", "session", "x", "EX", 1000)
    client.execute_command("SADD", "members", *range(0, 4000, 2), "x")
    client.execute_command("XADD", "events", "1-1", "f", "v")
    client.execute_command("XGROUP", "CREATE", "events", "group", "$")
    take(source, tmp_path / "b")
    client.execute_command("SET", "session", "y", "EX", 500)
    client.execute_command("SADD", "members", *range(2, 6000))
    client.execute_command("XADD", "events", "2-1", "f", "v")
    client.execute_command("XREADGROUP", "GROUP", "group", "Ann", "STREAMS", "events", ">")
    client.execute_command("SET", "of somebody", "x", "PX", 1200)
    settings = settings_for(source, tmp_path / "b", celery_broker_url=start_server(source.binary).url)
    run = previewed(settings, mode="mirror")
    time.sleep(1.3)
    # A session is prolonged, a consumer looks in, and a hash table grows on while it is read.
    client.execute_command("EXPIRE", "session", 800)
    client.execute_command("XREADGROUP", "GROUP", "group", "Ann", "STREAMS", "events", ">")
    for number in range(3000):
        client.execute_command("SISMEMBER", "members", number)
    report = again(settings, mode="mirror", preview=run)
    assert (report["expired"], report["deleted"]) == (1, 0)
    assert not any("has changed" in warning for warning in report["warnings"])


def test_a_preview_of_something_else_is_refused(remembering: Settings, changed: Server, tmp_path: Path) -> None:
    run = previewed(remembering, mode="overwrite", match="int:*")
    with pytest.raises(RefusedError, match=r"something else \(match, mode\)"):
        again(remembering, preview=run)
    with pytest.raises(NotFoundError, match="no run of the id 'never'"):
        again(remembering, preview="never")
    other = new(str(uuid.uuid4()), "verify", {}, "test")
    perform(Recording(remembering, other), lambda _: {})
    with pytest.raises(UsageError, match="is no preview"):
        again(remembering, preview=other.id)
    many = [f"{number}:{'x' * 500}" for number in range(200)]
    run = previewed(remembering, keys=[*many, "text"])
    with pytest.raises(RefusedError, match=r"something else \(keys\)"):
        again(remembering, preview=run, keys=many)
    assert again(remembering, preview=run, keys=["text", *many])["skipped"] == 2
    run = previewed(remembering, mode="overwrite", match="int:*")
    take(changed, tmp_path / "rdb")
    with pytest.raises(RefusedError, match=r"is one of redis_backup_.* and not of redis_backup_"):
        again(remembering, mode="overwrite", match="int:*", preview=run)
