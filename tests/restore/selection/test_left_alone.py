"""What a restore leaves alone is said to differ where it does, before and after; and what was named is shown first."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking, bring_back, settings_for, take
from tests.support.processes import Shell
from tests.support.servers import Binary, Server
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.cli.options import command_line
from worker.cli.restore import command
from worker.cli.runner import checked
from worker.errors import StorageError
from worker.formats.key_text import key_text
from worker.progress import silent
from worker.restore.preview import left_alone
from worker.restore.preview.preview import preview
from worker.restore.preview.samples import NAMED
from worker.restore.restore import restore
from worker.restore.selection.keyset import KeySet

FORMATS = [("rdb", "replication"), ("rdb", "scan"), ("json", "replication"), ("json", "typed")]
each_way = pytest.mark.parametrize(("data_format", "engine"), FORMATS)


def look(server: Server, storage: Path, **arguments: Any) -> dict[str, Any]:
    return preview(settings_for(server, storage), PreviewArguments(name="latest", **arguments), silent)


def damaged(server: Server, storage: Path, data_format: str = "rdb", engine: str = "auto") -> Server:
    """Forty keys that were backed up; of 10 the value is another one by now, of 5 the expiry, and 3 are gone."""
    client: Any = server.client()
    for number in range(20):
        client.set(f"text:{number:02}", f"value {number}")
        client.hset(f"hash:{number:02}", mapping={"name": f"Ann {number}", "mail": "a@x"})
    take(server, storage, format=data_format, engine=engine)
    for number in range(5):
        client.set(f"text:{number:02}", "damaged")
        client.hset(f"hash:{number:02}", "name", "damaged")
        client.expire(f"text:{number + 5:02}", 10_000)
    client.delete("text:17", "hash:18", "hash:19")
    return server


@pytest.mark.sweep
@each_way
def test_a_restore_says_how_many_of_the_keys_that_it_left_alone_differ(
    data_format: str, engine: str, source: Server, tmp_path: Path
) -> None:
    damaged(source, tmp_path, data_format, engine)
    foretold = look(source, tmp_path)["forecast"]
    assert foretold == {"restored": 3, "skipped": 37, "differing": 15, "expired": 0, "failed": 0, "deleted": 0}
    report = bring_back(source, tmp_path)
    assert {name: report[name] for name in foretold} == foretold
    assert report["warnings"] == []
    assert source.client().get("text:00") == b"damaged"
    # Of a narrowed one, and one that goes elsewhere.
    part = bring_back(source, tmp_path, match="hash:*", types=["hash"])
    assert (part["skipped"], part["differing"]) == (20, 5)
    moved: dict[str, Any] = {"prefix": "x:", "map_databases": {0: 3}}
    assert bring_back(source, tmp_path, **moved)["restored"] == 40
    source.client(3).set("x:text:09", "other")
    again = bring_back(source, tmp_path, **moved)
    assert (again["skipped"], again["differing"]) == (40, 1)
    # Those alone that differ, and nothing else.
    replaced = bring_back(source, tmp_path, mode="overwrite", kinds=["differs", "expiry"])
    assert (replaced["restored"], replaced["skipped"], replaced["differing"]) == (15, 25, 0)
    assert bring_back(source, tmp_path)["differing"] == 0


def test_what_other_kinds_leave_alone_is_counted_too(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server = damaged(start_server(newest), tmp_path)
    for mode, kinds in (("overwrite", ["new"]), ("overwrite", ["expiry"]), ("skip", ["new"]), ("skip", ["differs"])):
        foretold = look(server, tmp_path, mode=mode, kinds=kinds)["forecast"]
        report = bring_back(server, tmp_path, mode=mode, kinds=kinds)
        assert {name: report[name] for name in foretold} == foretold, (mode, kinds)
        assert foretold["differing"] > 0


def test_what_cannot_be_read_is_not_called_the_same(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server = damaged(start_server(newest), tmp_path)
    asking(server).execute_command("ACL", "SETUSER", "writer", "on", ">pw", "~*", "&*", "+@all", "-dump")
    url = server.url.replace("//", "//writer:pw@")
    settings = settings_for(server, tmp_path, redis_url=url, backup_undo_days=0)
    report = restore(settings, RestoreArguments(name="latest"), silent)
    assert (report["restored"], report["skipped"], report["differing"]) == (3, 37, None)
    (warning,) = report["warnings"]
    assert warning.startswith("Whether the keys that were left alone differ from the backup is not known: ")
    assert "dump" in warning


def test_a_full_disk_ends_no_restore(
    newest: Binary, start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = damaged(start_server(newest), tmp_path / "backups")

    class Full(KeySet):
        def add(self, db: int, keys: Any) -> None:
            raise StorageError(f"The folder for temporary files has no room for {len(list(keys))} of database {db}.")

    monkeypatch.setattr(left_alone, "KeySet", Full)
    report = bring_back(server, tmp_path / "backups")
    assert (report["restored"], report["skipped"], report["differing"]) == (3, 37, None)
    assert "no room" in report["warnings"][0]


def test_keys_that_were_named_come_first_whatever_they_are(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = damaged(start_server(newest), tmp_path)
    keys = ["text:00", "text:06", "text:15", "text:17", "nothing:1", "nothing:2"]
    found = look(server, tmp_path, keys=keys)
    assert {one["key"]: one["kind"] for one in found["named"]} == {
        "text:00": "differs",
        "text:06": "expiry",
        "text:15": "identical",
        "text:17": "new",
    }
    shown = {one["key"]: one["rows"] for one in found["named"]}
    assert shown["text:00"] == [{"part": "value", "backup": "value 0", "live": "damaged"}]
    assert shown["text:15"] == []
    assert found["warnings"] == [
        "2 keys that were named are not in the part of the backup that is asked for: nothing:1, nothing:2."
    ]
    report = bring_back(server, tmp_path, keys=frozenset(keys), mode="overwrite")
    assert (report["restored"], report["warnings"]) == (4, found["warnings"])
    stripped = look(server, tmp_path, keys=["text:00", "00", "text:*"], strip_prefix="text:")
    for warned in (
        stripped["warnings"],
        bring_back(server, tmp_path, keys=frozenset(["text:00", "00", "text:*"]), strip_prefix="text:")["warnings"],
    ):
        assert warned == [
            "2 keys that were named are not in the part of the backup that is asked for: 00, text:*. A name is taken to the "
            "letter: a pattern goes to --match (`match` in a call)."
        ]
    elsewhere = look(server, tmp_path, keys=keys[:2], strip_prefix="text:", prefix="new:")
    assert {one["key"]: one["kind"] for one in elsewhere["named"]} == {"new:00": "new", "new:06": "new"}
    assert elsewhere["warnings"] == []
    assert look(server, tmp_path)["named"] is None
    many = [f"{kind}:{number:02}" for kind in ("text", "hash") for number in range(20)]
    assert len(look(server, tmp_path, keys=many)["named"]) == NAMED


def test_the_shell_says_that_keys_differ_and_how_to_replace_those_too(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server, shell_folder = start_server(newest), tmp_path / "backups"
    damaged(server, shell_folder)
    shell = Shell(server.url, shell_folder, tmp_path)
    told = shell("preview", "latest", "--match", "text:*")
    assert told.code == 0
    assert "10 keys differ and would stay as they are." in told.out
    assert "A restore would say: 1 restored, 19 skipped (10 of them differ and stay as they are)" in told.out
    line = told.out.partition("What replaces those too: ")[2].splitlines()[0]
    done = shell("restore", "latest", "--match", "text:*")
    assert done.code == 0
    assert "1 restored, 19 skipped (10 of them differ and stay as they are), 0 expired, 0 failed" in done.out
    assert line in done.err
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "worker"]
    replaced = shell(*words[3:], "--yes")
    assert "10 restored, 10 skipped, 0 expired, 0 failed" in replaced.out
    assert "differ" not in replaced.out + replaced.err
    client: Any = server.client()
    assert (client.get("text:00"), client.ttl("text:05"), client.hget("hash:00", "name")) == (
        b"value 0",
        -1,
        b"damaged",
    )
    assert "differ" not in shell("preview", "latest", "--match", "text:*").out


def test_the_shell_takes_keys_by_name_and_shows_them_first(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = damaged(start_server(newest), tmp_path / "backups")
    awkward = b"-it's \xff\\"
    server.client().set(awkward, "x")
    take(server, tmp_path / "backups")
    server.client().set(awkward, "y")
    shell = Shell(server.url, tmp_path / "backups", tmp_path)
    told = shell("preview", "latest", "--key", key_text(awkward), "--key", "text:15", "--key", "nokey")
    lines = told.out.splitlines()
    assert "The same: database 0, string text:15" in lines
    assert f"Of another value: database 0, string {key_text(awkward)}" in lines
    assert "1 key that was named is not in the part of the backup that is asked for: nokey." in told.err
    line = told.out.partition("What replaces those too: ")[2].splitlines()[0]
    printed = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True)
    replaced = shell(*printed.stdout.splitlines()[3:], "--yes")
    assert "1 restored, 1 skipped" in replaced.out
    assert server.client().get(awkward) == b"x"


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"mode": "mirror", "match": ["a*", "it's"], "exclude": ["b*"]},
        {"mode": "overwrite", "kinds": ["new"], "types": ["hash", "set"], "databases": "0,3"},
        {"keys": ["one", "two words"], "map_databases": "0:5,1:6", "prefix": "p:", "strip_prefix": "-s"},
        {"target": "other", "expiry": "floor:60"},
    ],
)
def test_a_command_line_asks_for_the_same(told: dict[str, Any]) -> None:
    request = checked(RestoreArguments, name="n", **told)
    verb, *words = shlex.split(command_line("restore", request))[3:]
    assert verb == "restore"
    given = dict(command.make_context("restore", words).params)
    keys = (*given.pop("keys"), *given.pop("named"))
    del given["as_json"], given["yes"]
    assert checked(RestoreArguments, keys=keys, **given) == request


def test_many_keys_are_told_as_a_file() -> None:
    request = checked(RestoreArguments, name="n", keys=[f"k{number}" for number in range(50)])
    assert command_line("restore", request) == "python -m worker restore n --keys-from FILE"
