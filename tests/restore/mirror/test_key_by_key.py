"""What cannot be loaded as one goes key by key, and says why."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.restore.mirror.mirrors import limited, mirror, other_data, role
from tests.support.backups import Given, rewrite, settings_for, take
from tests.support.gates import Disguise
from tests.support.servers import Binary, Server, free_port
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.adopt import adopt
from worker.formats import portable
from worker.formats.entries import Entry, Opaque
from worker.formats.rdb.payload import crc64, seal
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.mirror import handover, replicate
from worker.restore.mirror.primary import Primary
from worker.restore.restore import restore
from worker.storage.local import Folder


def test_a_unix_socket_leads_to_the_same_machine(server: Server, tmp_path: Path) -> None:
    server.client().set("k", "v")
    take(server, tmp_path)
    server.client().set("other", "x")
    settings = settings_for(server, tmp_path, redis_url=f"unix://{server.socket}")
    assert restore(settings, RestoreArguments(name="latest", mode="mirror"), silent)["way"] == "replication"
    assert server.client().keys() == [b"k"]


BY_KEYS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a part": ({}, {"match": "*"}, "only a part of the backup is meant"),
    "elsewhere": ({}, {"prefix": "new:"}, "its keys go elsewhere"),
    "other times": ({}, {"expiry": "floor:100"}, "expire at other times"),
    "json": ({"format": "json"}, {}, "no RDB file"),
    "some databases": ({"databases": {0}}, {}, "of some databases only"),
}


@pytest.mark.parametrize(("backup", "arguments", "words"), BY_KEYS.values(), ids=BY_KEYS)
def test_what_cannot_be_loaded_as_one_goes_key_by_key_and_says_why(
    backup: dict[str, Any], arguments: dict[str, Any], words: str, server: Server, tmp_path: Path
) -> None:
    server.client().set("k", "v")
    take(server, tmp_path, **backup)
    report = mirror(server, tmp_path, **arguments)
    assert report["way"] == "keys"
    assert words in report["reason"]
    assert "not all or nothing" in " ".join(report["warnings"])


def test_an_adopted_file_goes_key_by_key(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    """A server that meets damage in a file has dropped its data by then, and does not start with that file again."""
    server = start_server(newest)
    server.client().set("k", "v")
    server.client().save()
    adopt(settings_for(server, tmp_path / "backups"), AdoptArguments(file=server.folder / "dump.rdb"), silent)
    server.client().set("other", "x")
    report = mirror(server, tmp_path / "backups")
    assert (report["way"], report["deleted"], server.client().keys()) == ("keys", 1, [b"k"])
    assert "adopted" in report["reason"]


@pytest.mark.parametrize(
    ("origin", "words"),
    [({"server": "garnet"}, "of a server of another make"), ({"version": "99.1.0"}, "of a newer server")],
)
def test_a_backup_of_a_server_that_the_target_may_not_understand_goes_key_by_key(
    origin: dict[str, str], words: str, server: Server, tmp_path: Path
) -> None:
    server.client().set("k", "v")
    take(server, tmp_path)
    (manifest,) = catalogue.read(Folder(tmp_path)).backups
    made = manifest.model_copy(update={"source": manifest.source.model_copy(update=origin)})
    rewrite(Folder(tmp_path), made)
    report = mirror(server, tmp_path)
    assert (report["way"], words in report["reason"]) == ("keys", True)


def _disguised(server: Server, **disguise: Any) -> dict[str, Any]:
    return {"redis_url": f"redis://127.0.0.1:{Disguise(server.port, **disguise).port}/0"}


def _set(server: Server, name: str, value: str) -> dict[str, Any]:
    server.client().config_set(name, value)
    return {}


UNABLE: dict[str, tuple[Callable[[Server], dict[str, Any]], str]] = {
    "it is no real Redis": (lambda server: _disguised(server, unknown=b"repl-diskless-load"), "does not say whether"),
    "it has no id": (lambda server: _disguised(server, renamed=b"master_replid"), "no replication id"),
    "it takes writes as a replica": (lambda server: _set(server, "replica-read-only", "no"), "replica-read-only"),
    "it replicates over TLS": (lambda server: _disguised(server, yes=b"tls-replication"), "replicates over TLS only"),
    "it may not be asked": (lambda server: limited(server, "-config"), "does not say whether it would keep its data"),
    "no REPLICAOF": (lambda server: limited(server, "-replicaof"), "does not allow REPLICAOF: NOPERM"),
    "the port is taken": (
        lambda server: {"mirror_port": server.port},
        "nobody can listen on 127.0.0.1: Address already",
    ),
    "not our address": (lambda _: {"mirror_bind": "192.0.2.1"}, "nobody can listen on 192.0.2.1: Cannot assign"),
}


@pytest.mark.parametrize(("obstacle", "words"), UNABLE.values(), ids=UNABLE)
def test_a_target_that_cannot_load_it_as_one_gets_it_key_by_key(
    obstacle: Callable[[Server], dict[str, Any]],
    words: str,
    server: Server,
    tmp_path: Path,
) -> None:
    server.client().set("k", "v")
    take(server, tmp_path)
    server.client().set("other", "x")
    settings = settings_for(server, tmp_path, **obstacle(server))
    report = restore(settings, RestoreArguments(name="latest", mode="mirror"), silent)
    assert report["way"] == "keys"
    assert re.search(words, report["reason"])
    assert (report["deleted"], server.client().keys(), role(server)) == (1, [b"k"], "master")


def test_a_target_that_is_reached_over_tls_gets_it_key_by_key(encrypted: Server, tmp_path: Path) -> None:
    encrypted.client().set("k", "v")
    take(encrypted, tmp_path)
    encrypted.client().set("other", "x")
    report = mirror(encrypted, tmp_path)
    assert (report["way"], report["deleted"], encrypted.client().keys()) == ("keys", 1, [b"k"])
    assert "encrypted" in report["reason"]


def test_where_a_key_cannot_be_written_nothing_is_deleted(server: Server, tmp_path: Path) -> None:
    """As where the target lacks a module: load it, and run the mirror again."""
    payload = b"\x07\x81" + (0x4964D87DB6990C00).to_bytes(8, "big") + b"\0"
    entries = [
        Entry(0, b"doc", None, "module", None, Opaque(seal(payload, 9))),
        Entry(0, b"k", None, "string", None, b"v"),
    ]
    (tmp_path / "given.json").write_bytes(b"".join(portable.write(Given(entries), {})))
    adopt(settings_for(server, tmp_path / "backups"), AdoptArguments(file=tmp_path / "given.json"), silent)
    server.client().set("other", "x")
    report = mirror(server, tmp_path / "backups")
    assert (report["restored"], report["failed"], report["deleted"]) == (1, 1, 0)
    assert "Nothing was deleted, for not every key of the backup could be written." in report["warnings"]
    assert set(server.client().keys()) == {b"k", b"other"}


class Elsewhere(Primary):
    """One that listens where nobody looks for it, as behind a firewall."""

    def __init__(self, bind: str, port: int) -> None:
        super().__init__(bind, port)
        self.port = free_port()


def test_a_target_that_cannot_reach_us_gets_it_key_by_key(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "COMING_SECONDS", 0.3)
    monkeypatch.setattr(replicate, "Primary", Elsewhere)
    server.client().set("k", "v")
    take(server, tmp_path)
    other_data(server)
    report = mirror(server, tmp_path)
    assert report["way"] == "keys"
    assert (
        report["reason"] == "the target did not come to 127.0.0.1 to fetch the backup, see MIRROR_BIND and MIRROR_PORT"
    )
    assert (role(server), server.client().keys()) == ("master", [b"k"])


def test_a_file_of_a_version_that_the_target_does_not_load_goes_key_by_key(varied: Server, tmp_path: Path) -> None:
    varied.client().save()
    before = state(varied)
    dump = b"REDIS0079" + (varied.folder / "dump.rdb").read_bytes()[9:-8]
    (tmp_path / "new.rdb").write_bytes(dump + crc64(dump).to_bytes(8, "little"))
    settings = settings_for(varied, tmp_path / "backups")
    name = adopt(settings, AdoptArguments(file=tmp_path / "new.rdb"), silent)["name"]
    assert catalogue.get(Folder(tmp_path / "backups"), name).rdb_version == 79
    other_data(varied)
    report = mirror(varied, tmp_path / "backups", name=name)
    assert (report["way"], report["failed"]) == ("keys", 0)
    assert_same(varied, before)
