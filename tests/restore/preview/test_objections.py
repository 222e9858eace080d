"""What a preview says against a restore: what would be refused, what would fail, what cannot be known."""

import re
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.restore.preview.looks import adopted, as_foretold, look, report_of
from tests.support.backups import DATABASES, asking, settings_for, take
from tests.support.servers import Binary, Server
from worker.arguments.restore import PreviewArguments
from worker.errors import ArtifactError, NotFoundError, TargetError
from worker.formats.entries import Entry, Opaque, Stream
from worker.formats.rdb.payload import seal
from worker.progress import silent
from worker.restore.preview.compatibility import Foreign, type_name
from worker.restore.preview.preview import preview
from worker.restore.target.target import Target
from worker.server.endpoint import TARGET, Endpoint


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


def test_a_modules_value_counts_whether_it_is_a_payload_or_a_document_spells_it_out(
    newest: Binary, start_server: StartServer
) -> None:
    """What every server has counts as neither."""
    asked = Endpoint(start_server(newest).url, TARGET)
    payload = b"\x07\x81" + (0x14923DCA6A4E93 << 10 | 3).to_bytes(8, "big") + b"\x05\x01x\x00"
    foreign = Foreign((7, 4, 0), fields=True)
    for entry in (
        Entry(0, b"payload", None, "module", payload),
        Entry(0, b"spelt out", None, "module", None, Opaque(seal(payload, 9))),
        Entry(0, b"text", None, "string", b"\x00\x01x"),
        Entry(0, b"value", None, "string", None, b"x"),
    ):
        foreign.see(entry)
    failing, (sentence,) = foreign.judged(Target(asked, "skip"), asked)
    assert failing == 2
    assert sentence.startswith(f"2 keys hold values of the module type {type_name(payload)!r}, and the target has no")


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
        keys = "1 key holds bytes that only its" if number == 1 else "2 keys hold bytes that only their"
        assert warning.startswith(f"{keys} own server can read, of RDB version 79")
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
