"""Backups on their pages: what is known of one, what is wrong with one, and how to do without us."""

import os
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from tests.support.age_keys import age_pair
from tests.support.backups import manifest_of, partial_of, settings_for
from tests.support.dashboard import Browser, Web
from tests.support.processes import CANARY
from tests.support.states import assert_same, state
from tests.web.pages.given import ended, make_backup, manifest
from tests.web.pages.reading import read, words
from web.wording import by_hand
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX, Origin
from worker.storage import open_storage


def test_a_backup_that_failed_its_verification_is_called_damaged_everywhere(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    ended(web_app, "FAILURE", operation="verify", arguments={"name": name}, error="Byte 7 is another one.")
    assert f"{name}: Byte 7 is another one." in read(admin, "/")
    assert "damaged" in read(admin, "/backups")
    assert "Its last verification failed. Byte 7 is another one." in read(admin, f"/backups/{name}")
    assert "Its last verification failed." in read(admin, f"/backups/{name}/restore?mode=skip")
    ended(web_app, "SUCCESS", id="again", operation="verify", arguments={"name": name}, value={"keys": 22})
    assert "damaged" not in read(admin, "/backups")


def test_the_page_of_a_backup_says_all_of_its_manifest(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    one = manifest(web_app, name)
    answer = admin.get(f"/backups/{name}")
    said = words(answer)
    for told in (
        one.sha256,
        "One point in time",
        "replication",
        "RDB version",
        f"{one.source.server} {one.source.version}",
    ):
        assert told in said
    assert "Database 0 21 keys" in said
    assert "Database 3 1 key" in said
    assert f'href="/api/backup/download/{name}"' in answer.text
    assert "src=x" not in answer.text


@pytest.mark.parametrize(("compression", "unpack"), [("zstd", "zstd -d"), ("gzip", "gunzip -c"), ("none", "cp")])
def test_the_shell_lines_of_a_backup_bring_it_back_without_us(
    web_app: Web, admin: Browser, compression: str, unpack: str
) -> None:
    name = make_backup(web_app, compression=compression)
    steps = by_hand.steps(manifest(web_app, name))
    # The server's own: one of an older server does not know its files.
    (web_app.storage / "redis-check-rdb").symlink_to(web_app.source.binary.path)
    assert all(step.line in unescape(admin.get(f"/backups/{name}").text) for step in steps)
    assert steps[1].line.startswith(unpack)
    for step in steps[:3]:
        program = step.line.split()[0]
        if program == "echo" or shutil.which(program):
            path = {"PATH": f".:{os.environ['PATH']}"}
            subprocess.run(["sh", "-ec", step.line], cwd=web_app.storage, check=True, capture_output=True, env=path)
    assert (web_app.storage / "dump.rdb").read_bytes()[:5] == b"REDIS"


def test_the_shell_lines_of_a_json_backup_bring_its_text_back(web_app: Web) -> None:
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    web_app.source.client().rpush("a list", "one", 'two "quoted"')
    web_app.source.client().zadd("a zset", {"member": 1.5})
    web_app.source.client().sadd("a set", "x y")
    steps = by_hand.steps(manifest(web_app, make_backup(web_app, format="json")))
    for step in steps[:-1]:
        subprocess.run(["sh", "-ec", step.line], cwd=web_app.storage, check=True, capture_output=True)
    before = state(web_app.source)
    web_app.source.client().flushall()
    commands = (web_app.storage / "commands.txt").read_bytes()
    line = ["redis-cli", "-s", web_app.source.socket, "-a", CANARY, "--no-auth-warning"]
    if not shutil.which("redis-cli"):
        pytest.skip("redis-cli is not installed")
    subprocess.run(line, input=commands, check=True, capture_output=True)
    assert_same(web_app.source, before)


@pytest.mark.parametrize(
    ("harm", "problem"), [("damage", "is damaged"), ("cut", "is not whole"), ("lose", "only its manifest is there")]
)
def test_a_backup_that_is_not_whole_says_so_and_can_be_deleted(
    web_app: Web, admin: Browser, harm: str, problem: str
) -> None:
    name = make_backup(web_app)
    artifact = web_app.storage / name
    if harm == "damage":
        (web_app.storage / f"{name}{MANIFEST_SUFFIX}").write_text("{")
    elif harm == "cut":
        artifact.write_bytes(artifact.read_bytes()[:-1])
    else:
        artifact.unlink()
    for path in (f"/backups/{name}", f"/backups/{name}/restore?mode=skip"):
        assert problem in read(admin, path)
    assert f"Type {name} to delete it" in read(admin, f"/backups/{name}")
    assert "is missing: type" in words(admin.post(f"/backups/{name}/delete"))
    for what in ("verify", "restore"):
        assert admin.post(f"/backups/{name}/{what}").status_code == 303, "the task tells what is wrong"
    assert admin.post(f"/backups/{name}/delete", data={"confirm": name}).status_code == 303


def test_the_latest_of_the_pages_is_that_of_the_api(web_app: Web, admin: Browser) -> None:
    own = make_backup(web_app)
    storage = open_storage(str(web_app.storage))
    other = manifest_of("redis_backup_20300101_000000.rdb", b"12345")
    storage.put(other.name, b"12345")
    catalogue.add(storage, other)
    told = admin.get("/api/backup/manifest/latest").get_json()
    assert told["name"] == own
    assert own in read(admin, "/backups/latest")
    assert own in read(admin, "/backups/latest/restore?mode=overwrite")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (50, "10.0\N{MULTIPLICATION SIGN} smaller"),
        (6, "1.2\N{MULTIPLICATION SIGN} smaller"),
        (5, "no smaller"),
        (4, "no smaller"),
    ],
)
def test_the_list_says_what_compression_has_won_where_it_has(raw: int, said: str, web_app: Web, admin: Browser) -> None:
    storage = open_storage(str(web_app.storage))
    one = manifest_of("redis_backup_20231205_143022.rdb.zst", b"12345")
    one = one.model_copy(update={"compression": "zstd", "bytes": one.bytes.model_copy(update={"raw": raw})})
    storage.put(one.name, b"12345")
    catalogue.add(storage, one)
    assert said in read(admin, "/backups")


def test_the_list_names_what_in_storage_is_no_backup(web_app: Web, admin: Browser) -> None:
    make_backup(web_app)
    (web_app.storage / "redis_backup_20240101_000000.rdb.zst").write_bytes(b"foreign")
    left = web_app.storage / "redis_backup_20240102_000000.rdb"
    left.write_bytes(b"of a run that was killed")
    (web_app.storage / f".{left.name}.partial").hardlink_to(left)
    shown = read(admin, "/backups")
    assert "redis_backup_20240101_000000.rdb.zst has no manifest, so it is no backup" in shown
    words = f"{left.name} has no manifest yet: the run that makes it is just ending, or was killed"
    assert words in shown
    assert words in str((admin.get("/api/backup/list").json or {})["problems"])
    assert "2 problems in storage" in read(admin, "/")


def test_a_partial_backup_is_shown_as_such_on_every_page(web_app: Web, admin: Browser) -> None:
    storage, name = open_storage(str(web_app.storage)), "redis_backup_20240101_000000.rdb"
    storage.put(name, b"12345")
    own = Origin(address=f"127.0.0.1:{web_app.source.port}")
    catalogue.add(storage, partial_of(name, b"12345", source=own))
    assert "partial" in read(admin, "/backups").partition(name)[2]
    said = read(admin, f"/backups/{name}")
    assert "It is partial: 1 of 9 keys were read" in said
    assert "until there are two newer partial ones" in said
    assert "Mind that this backup is partial" in read(admin, f"/backups/{name}/restore?mode=overwrite")
    assert "The last backup is partial" in read(admin, "/")
    assert "partial, one of the 2 newest such" in read(admin, "/schedule")
    (listed,) = web_app.with_token("read").get("/api/backup/list").get_json()["backups"]
    assert (listed["name"], listed["kind"]) == (name, "partial")


def test_a_damaged_manifest_is_named_with_its_page_and_with_what_mends_it(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    path = web_app.storage / (name + MANIFEST_SUFFIX)
    path.write_bytes(path.read_bytes().replace(b'"keys": ', b'"keys":  '))
    told = f"The manifest of {name} is damaged: python -m worker list --repair makes it anew"
    assert told in read(admin, "/backups")
    assert f'href="/backups/{name}"' in admin.get("/backups").text
    assert told in read(admin, f"/backups/{name}")
    assert "Not everything in storage is a good backup" in read(admin, "/")
    listed = admin.get("/api/backup/list").get_json()
    assert (listed["backups"], [one["name"] for one in listed["damaged"]]) == ([], [name])
    assert "redis_backup_damaged_manifests 1.0" in admin.get("/metrics").text


def test_notes_that_are_damaged_are_told_on_the_page(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    (web_app.storage / f"{name}.notes.json").write_bytes(b"{")
    assert f"The notes of {name} are damaged, so it counts as pinned" in read(admin, "/backups")
    assert "its notes are damaged" in admin.get("/api/backup/list").get_json()["backups"][0]["pin_reason"]


def test_what_is_encrypted_is_shown_as_such_and_how_to_open_it(web_app: Web, admin: Browser, tmp_path: Path) -> None:
    plain, pair = make_backup(web_app), age_pair(tmp_path)
    settings = settings_for(web_app.source, web_app.storage, backup_age_recipients=pair.recipient)
    name = backup(settings, BackupArguments(), silent)["name"]
    assert "encrypted" in read(admin, "/backups")
    said = read(admin, f"/backups/{name}")
    assert "age: only a secret key opens it" in said
    assert pair.recipient in said
    assert "Encryption none" in read(admin, f"/backups/{plain}")
    unpack = [step.line for step in by_hand.steps(manifest(web_app, name))][1]
    assert unpack == f"age -d -i key.txt -o {name.removesuffix('.age')} {name}"
    served = admin.get(f"/api/backup/download/{name}").data
    assert served == (web_app.storage / name).read_bytes()


def test_the_recovery_sheet_is_a_page_that_has_no_secret(web_app: Web, admin: Browser) -> None:
    assert "/recovery-sheet" in admin.get("/system").text
    said = read(admin, "/recovery-sheet")
    assert "python -m worker restore latest" in said
    assert str(web_app.storage) in said
    assert CANARY not in said
