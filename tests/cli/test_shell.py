"""`python -m worker`: every verb as a process, without any broker, and what it says to a person and to a program."""

import contextlib
import gzip
import json
import pty
import re
import select
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from os import close, read, urandom
from pathlib import Path
from typing import Any

import click
import pytest

import worker.cli as shell_folder
from tests.conftest import StartServer
from tests.support.backups import files, take
from tests.support.processes import CANARY, PYTHON, Shell, command, environment, listing, run
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.cli.verbs import VERBS, Verbs, module_of

NAME = re.compile(r"redis_backup_\d{8}_\d{6}\.(rdb\.zst|json\.gz)")


@pytest.fixture
def source(newest: Binary, start_server: StartServer) -> Server:
    """A source with a password and a hundred keys."""
    server = start_server(newest, password=CANARY)
    pipe = server.client().pipeline()
    for number in range(100):
        pipe.set(f"user:{number}", f"name {number}")
    pipe.execute()
    return server


@pytest.fixture
def shell(source: Server, tmp_path: Path) -> Shell:
    """A shell at that source, with a storage where nothing lies yet."""
    return Shell(source.url, tmp_path / "backups", tmp_path)


@pytest.fixture
def fresh(shell: Shell) -> Shell:
    """The same, where each command is a new interpreter."""
    return replace(shell, forked=False)


def test_a_session_ends_with_the_lost_data_back_and_needs_no_broker(fresh: Shell, source: Server) -> None:
    before = state(source)
    made = fresh("backup")
    assert (made.code, made.err) == (0, "")
    assert "100 keys" in made.out
    assert "point-in-time by replication" in made.out
    client = source.client()
    client.delete(*(f"user:{number}" for number in range(50)))
    client.set("user:99", "spoilt")
    kept = fresh("restore", "latest")
    assert kept.code == 0
    assert "50 restored, 50 skipped (1 of them differs and stays as it is), 0 expired, 0 failed" in kept.out
    assert client.get("user:99") == b"spoilt"
    replaced = fresh("restore", "latest", "--mode", "overwrite", "--yes")
    assert replaced.code == 0
    assert "100 restored, 0 skipped" in replaced.out
    assert_same(source, before)


def test_with_json_every_verb_prints_one_document_and_nothing_else(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "copy.json.gz"

    def data(*arguments: str) -> Any:
        ended = shell(*arguments, "--json")
        assert (ended.code, ended.err) == (0, ""), arguments
        return ended.data

    made = data("backup", "--engine", "scan")
    name = made["name"]
    assert NAME.fullmatch(name)
    assert (made["keys"], made["engine"], made["consistency"]) == (100, "scan", "per-key")
    assert [one["name"] for one in data("list")["backups"]] == [name]
    assert data("restore", name)["skipped"] == 100
    assert data("preview", name, "--mode", "overwrite", "--only", "new")["forecast"] == {
        "restored": 0,
        "skipped": 100,
        "differing": 0,
        "expired": 0,
        "failed": 0,
        "deleted": 0,
    }
    assert data("verify", name)["sha256"] == made["sha256"]
    assert data("export", name, "-o", str(out))["keys"] == 100
    adopted = data("adopt", str(out))
    assert (adopted["kind"], adopted["keys"], adopted["data_format"]) == ("adopted", 100, "json")
    assert {one["name"] for one in data("prune", "--dry-run")["kept"]} == {adopted["name"], name}
    assert data("stats")["count"] == 2
    assert data("ping")["engine"]["name"] == "replication"
    (undo,) = data("list")["undos"]
    assert data("undo", undo["name"], "--yes")["deleted"] == 0
    for one in (name, undo["name"]):
        assert data("delete", one) == {"deleted": one, "trash_days": 7, "freed_bytes": 0}
    assert {one["name"] for one in data("list", "--trash")["trash"]} == {name, undo["name"]}
    assert data("put-back", name) == {"put_back": name, "warnings": []}
    assert data("delete", name, "--now")["freed_bytes"] == made["bytes"]["stored"]
    assert [one["name"] for one in data("list")["backups"]] == [adopted["name"]]


def test_for_people_every_verb_prints_lines_that_name_what_matters(shell: Shell, tmp_path: Path) -> None:
    def told(*arguments: str) -> str:
        ended = shell(*arguments)
        assert (ended.code, ended.err) == (0, ""), arguments
        return ended.out

    match = NAME.match(told("backup", "--format", "json"))
    assert match
    name = match[0]
    header, row = told("list").splitlines()
    columns = ["NAME", "AGE", "KEYS", "SIZE", "OF", "CONSISTENCY", "ENCRYPTED", "VERIFIED", "REHEARSED", "PINNED"]
    assert header.split() == columns
    assert row.startswith(name)
    assert re.search(r" 100 .* point-in-time +no +no +no +no$", row)
    assert f"{name} is whole: 100 keys" in told("verify", name)
    assert re.search(r" yes +no +no$", told("list").splitlines()[1])
    restored = told("restore", name)
    assert f"{name} to 127.0.0.1:" in restored
    undo = restored.split()[-1]
    seen = told("preview", name, "--match", "user:1*")
    assert re.search(r"^  the same +11$", seen, re.MULTILINE)
    assert re.search(r"^A restore would say: 0 restored, 11 skipped, 0 expired, 0 failed$", seen, re.MULTILINE)
    assert "copy.json: 100 keys" in told("export", name, "-o", "copy.json")
    assert json.loads((tmp_path / "copy.json").read_bytes())
    assert "100 keys" in told("adopt", "copy.json")
    assert "2 backups kept, 0 deleted" in told("prune")
    stats = told("stats")
    assert re.search(r"^Backups +2 ", stats, re.MULTILINE)
    assert re.search(r"^Its keys +db0: 100$", stats, re.MULTILINE)
    assert re.search(r"^Engine +replication ", told("ping"), re.MULTILINE)
    assert "0 put back, 0 deleted" in told("undo", undo, "--yes")
    for one in (name, undo):
        assert f"{one} is moved to the trash, which is emptied after 7 days" in told("delete", one)
    assert name in told("list", "--trash")
    assert f"{name} is back among the backups" in told("put-back", name)
    assert f"{name} is deleted" in told("delete", name, "--now")


@pytest.mark.slow
def test_an_empty_catalogue_says_how_to_make_the_first_backup(fresh: Shell) -> None:
    listed = fresh("list")
    assert (listed.code, listed.err) == (0, "")
    assert listed.out == "There is no backup yet. Make the first: python -m worker backup\n"
    nothing = fresh("restore", "latest")
    assert nothing.code == 1
    assert "python -m worker backup" in nothing.err
    assert not fresh.storage.exists()


def test_the_default_storage_is_the_folder_backups_where_one_stands(shell: Shell, tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    assert replace(shell, folder=elsewhere)("backup", BACKUP_STORAGE="").code == 0
    assert list((elsewhere / "backups").glob("*.manifest.json"))


@pytest.mark.slow
def test_help_says_what_each_verb_does(tmp_path: Path) -> None:
    for verb in VERBS.keys() - {"token"}:
        shown = run(*PYTHON, verb, "--help", env=environment(), cwd=tmp_path)
        assert (shown.code, shown.err) == (0, "")
        assert f" {verb} " in shown.out.splitlines()[0]
        assert "--json" in shown.out
        assert len(shown.out.split("\n\n")[1].strip()) > 10


def test_help_lists_every_verb_and_the_exit_codes(tmp_path: Path) -> None:
    shown = run(*PYTHON, "--help", env=environment(), cwd=tmp_path, forked=False)
    assert shown.code == 0
    assert "0 done, 1 failed, 2" in shown.out
    assert shown.out.startswith("Usage: python -m worker ")
    assert all(re.search(rf"^  {verb} ", shown.out, re.MULTILINE) for verb in VERBS)
    assert run(*PYTHON, "--version", env=environment(), cwd=tmp_path, forked=False).out.startswith(
        "redis-backup, version "
    )


def test_every_verb_has_a_module_of_its_own_and_help_of_one_line() -> None:
    shell = Verbs()
    commands = {verb: shell.get_command(click.Context(shell), verb) for verb in VERBS}
    modules = {path.stem for path in Path(shell_folder.__path__[0]).glob("[a-z]*.py")}
    assert {verb: command and command.name for verb, command in commands.items()} == {verb: verb for verb in VERBS}
    assert modules - {
        "verbs",
        "runner",
        "recorded",
        "repair",
        "options",
        "console",
        "stopping",
        "max_size",
        "examples",
        "traces",
    } == {module_of(verb).removeprefix("worker.cli.") for verb in VERBS}
    assert shell.get_command(click.Context(shell), "performing") is None


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, b"name 1"), ("n\n", 1, b"new"), ("", 1, b"new")])
def test_overwrite_asks_first(fresh: Shell, source: Server, answer: str, code: int, left: bytes) -> None:
    name = take(source, fresh.storage)["name"]
    source.client().set("user:1", "new")
    ended = fresh("restore", "latest", "--mode", "overwrite", "--json", answer=answer)
    assert ended.code == code
    address = f"127.0.0.1:{source.port}"
    assert f"Overwrite keys of {address} with {name} of {address} (100 keys)? [y/N]" in ended.err
    assert source.client().get("user:1") == left
    assert (ended.data["restored"] == 100) if code == 0 else (ended.out == "")


def test_a_restore_can_be_narrowed(shell: Shell, source: Server) -> None:
    client, third = source.client(), source.client(3)
    client.rpush("user:list", 1)
    third.set("user:7", "in three")
    take(source, shell.storage)
    client.flushall()
    assert shell("restore", "latest", "--match", "user:[1-3]", "--type", "string", "--db", "0").code == 0
    assert sorted(client.keys()) == [b"user:1", b"user:2", b"user:3"]
    assert shell("restore", "latest", "--type", "list").code == 0
    assert shell("restore", "latest", "--db", "3").code == 0
    assert (client.dbsize(), third.dbsize()) == (4, 1)


def test_prune_keeps_as_many_as_it_is_told(shell: Shell, source: Server) -> None:
    names = [take(source, shell.storage)["name"] for _ in range(3)]
    before = listing(shell.storage)
    would = shell("prune", "--keep", "1", "--dry-run")
    assert "2 would be deleted" in would.out
    assert listing(shell.storage) == before
    done = shell("prune", "--keep", "1")
    assert all(f"deleted: {name}" in done.out for name in names[:2])
    assert files(shell.storage) == [names[2], names[2] + ".manifest.json"]


def test_export_to_standard_output_is_a_json_document(shell: Shell, source: Server) -> None:
    name = take(source, shell.storage)["name"]
    exported = shell("export", name, "-o", "-")
    assert (exported.code, exported.err) == (0, "")
    assert len(exported.data["keys"]) == 100
    assert shell("export", name, "-o", "-", "--json").code == 2


def test_export_reads_any_rdb_file(shell: Shell, source: Server, tmp_path: Path) -> None:
    source.client().save()
    exported = shell("export", str(source.folder / "dump.rdb"))
    assert exported.code == 0
    with gzip.open(tmp_path / "dump.json.gz") as file:
        assert len(json.load(file)["keys"]) == 100
    again = shell("export", str(source.folder / "dump.rdb"))
    assert again.code == 2
    assert "dump.json.gz exists already" in again.err


def test_an_adopted_dump_can_be_restored(shell: Shell, source: Server) -> None:
    source.client().save()
    before = state(source)
    assert shell("adopt", str(source.folder / "dump.rdb")).code == 0
    source.client().flushall()
    assert shell("restore", "latest").code == 0
    assert_same(source, before)


def test_a_person_sees_a_bar_and_standard_output_stays_clean(shell: Shell, source: Server) -> None:
    command(source, "DEBUG", "POPULATE", 50_000)
    env = environment(REDIS_URL=shell.source, BACKUP_STORAGE=str(shell.storage), TERM="xterm", COLUMNS="100")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PYTHON, "backup", "--json"], env=env, cwd=shell.folder, stdout=subprocess.PIPE, stderr=theirs
    )
    close(theirs)
    seen = b"".join(_shown(ours))
    assert process.stdout is not None
    with process.stdout as stdout:
        assert json.loads(stdout.read())["keys"] >= 50_000
    assert process.wait() == 0
    assert b"starting" in seen or b"reading" in seen


def _shown(terminal: int) -> Iterator[bytes]:
    """What a terminal was sent, until nobody holds its other end."""
    with contextlib.suppress(OSError):
        while select.select([terminal], [], [], 60)[0] and (shown := read(terminal, 4096)):
            yield shown
    close(terminal)


def test_a_log_level_brings_the_events_as_json_on_standard_error(shell: Shell) -> None:
    made = shell("backup", "--json", LOG_LEVEL="INFO")
    created, audit = map(json.loads, made.err.splitlines()[-2:])
    assert (created["event"], audit["event"]) == ("backup_created", "audit")
    assert created["name"] == made.data["name"]
    assert (audit["what"], audit["outcome"]) == ("backup", "SUCCESS")


def test_a_url_may_come_from_a_file(shell: Shell, source: Server, tmp_path: Path) -> None:
    (secret := tmp_path / "url").write_text(source.url + "\n")
    made = shell("backup", "--json", REDIS_URL="", REDIS_URL_FILE=str(secret))
    assert made.data["keys"] == 100


def test_the_broker_on_the_source_is_a_warning(shell: Shell, source: Server) -> None:
    made = shell("backup", CELERY_BROKER_URL=source.url)
    assert made.code == 0
    assert made.err == (
        "Note: The broker runs on the source: when that Redis is lost, so is the queue that should restore it.\n"
    )


def test_manifests_and_output_hold_no_password(shell: Shell) -> None:
    shown = [shell(*verb).out for verb in (("backup", "--json"), ("stats", "--json"), ("ping", "--json"), ("list",))]
    assert CANARY not in "".join(shown)
    assert not [path for path in shell.storage.iterdir() if CANARY.encode() in path.read_bytes()]


def test_a_backup_of_incompressible_data_is_whole(shell: Shell, source: Server) -> None:
    source.client().set("noise", urandom(1 << 20))
    made = shell("backup", "--json").data
    assert made["bytes"]["stored"] > 1 << 20
    assert shell("verify", made["name"]).code == 0
