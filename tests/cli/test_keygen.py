"""`keygen` and `reencrypt` from a shell: a secret key that is in its file alone, and a sheet that brings the data back."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tests.conftest import StartServer
from tests.formats.rdb.damaged import DAMAGED, FINE, file_of
from tests.support.age_keys import age, age_pair
from tests.support.backups import files, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments, BackupArguments, ReencryptArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.adopt import adopt
from worker.backups.backup import backup
from worker.backups.reencrypt import reencrypt
from worker.errors import BackupSystemError, NotFoundError, RefusedError, SealedError, UsageError
from worker.formats.entries import Entry
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.restore import restore
from worker.storage.local import Folder


def shell(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "worker", *arguments]
    root = str(Path(__file__).parents[2])
    given = {**os.environ, "PYTHONPATH": root, "CELERY_BROKER_URL": "redis://127.0.0.1:1/0", **env}
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)


@pytest.fixture
def small(newest: Binary, start_server: StartServer) -> Server:
    source = start_server(newest)
    source.client().mset({f"key:{number}": "value" for number in range(20)})
    return source


def test_the_secret_key_is_in_a_file_of_ones_own_and_nowhere_else(tmp_path: Path) -> None:
    done = shell(tmp_path, "keygen")
    assert (done.returncode, files(tmp_path)) == (0, ["age-key.txt"])
    content = (tmp_path / "age-key.txt").read_text()
    assert (tmp_path / "age-key.txt").stat().st_mode & 0o777 == 0o600
    secret = content.splitlines()[2]
    public = str(pyrage.x25519.Identity.from_str(secret).to_public())
    assert f"# public key: {public}" in content
    assert secret[16:] not in done.stdout + done.stderr
    assert f"Encrypted to: {public}" in done.stdout
    assert f"BACKUP_AGE_RECIPIENTS={public}" in done.stderr
    again = shell(tmp_path, "keygen")
    assert (again.returncode, again.stdout) == (2, "")
    assert "age-key.txt exists already, and is not overwritten" in again.stderr
    assert (tmp_path / "age-key.txt").read_text() == content
    nowhere = shell(tmp_path, "keygen", "--out", "no/folder/key")
    assert (nowhere.returncode, "There is no folder no/folder" in nowhere.stderr) == (2, True)


@pytest.mark.slow
def test_a_passphrase_protects_the_file(tmp_path: Path) -> None:
    done = shell(tmp_path, "keygen", "--passphrase", "--json", BACKUP_AGE_PASSPHRASE="correct horse")
    told = json.loads(done.stdout)
    opened = pyrage.passphrase.decrypt((tmp_path / "age-key.txt").read_bytes(), "correct horse").decode()
    assert f"# public key: {told['public_key']}" in opened
    nobody = shell(tmp_path, "keygen", "--passphrase", "--out", "other.txt")
    assert (nobody.returncode, files(tmp_path)) == (1, ["age-key.txt"])


def test_the_commands_of_the_sheet_bring_the_data_back_with_us_and_without(small: Server, tmp_path: Path) -> None:
    storage, before = tmp_path / "my backups", state(small)
    env = {"REDIS_URL": small.url, "BACKUP_STORAGE": str(storage)}
    told = json.loads(shell(tmp_path, "keygen", "--json", **env).stdout)
    made = shell(tmp_path, "backup", "--json", **env, BACKUP_AGE_RECIPIENTS=told["public_key"])
    name = json.loads(made.stdout)["name"]
    small.client().flushall()
    lines = [line.strip() for line in told["sheet"] if line.startswith("  ")]
    export, *verbs = lines[:4]
    assigned = dict(part.split("=", 1) for part in shlex.split(export)[1:])
    assigned["REDIS_URL"] = small.url
    assert "credentials of the storage" not in "".join(told["sheet"])
    bucket = shell(tmp_path, "keygen", "--json", "--out", "another", BACKUP_STORAGE="s3://bucket/prefix")
    assert "credentials of the storage" in "".join(json.loads(bucket.stdout)["sheet"])
    assert "rclone" not in bucket.stdout
    server = shell(tmp_path, "keygen", "--json", "--out", "third", BACKUP_STORAGE="sftp://me@host/srv/redis")
    assert "pip install -r requirements-rclone.txt" in server.stdout
    assert (verbs[0], len(verbs)) == ("python -m worker list", 3)
    listed = shell(tmp_path, "list", **assigned)
    assert "ENCRYPTED" in listed.stdout.splitlines()[0]
    for verb in verbs[1:]:
        done = shell(tmp_path, *verb.split()[3:], *(["--yes"] if "restore" in verb else []), **assigned)
        assert done.returncode == 0, done.stderr
    assert_same(before, state(small))
    decrypt, packed = lines[4].split(" | ")[0].split(), storage / name
    assert (decrypt[:3], lines[4].endswith("| zstd -d > dump.rdb")) == (["age", "-d", "-i"], True)
    assert age("-d", "-i", str(tmp_path / decrypt[3]), str(packed))[:4] == b"\x28\xb5\x2f\xfd"


@pytest.mark.parametrize("rotated", [False, True], ids=["plain", "to another key"])
def test_an_old_backup_is_encrypted_to_the_present_keys(*, rotated: bool, small: Server, tmp_path: Path) -> None:
    storage, before = tmp_path / "backups", state(small)
    old_pair, pair = age_pair(tmp_path, "old"), age_pair(tmp_path, "new")
    earlier: dict[str, Any] = {"backup_age_recipients": old_pair.recipient} if rotated else {}
    old = backup(settings_for(small, storage, **earlier), BackupArguments(), silent)
    pair.file.write_text(pair.file.read_text() + old_pair.file.read_text())
    catalogue.note(Folder(storage), old["name"], pinned=True, pin_reason="the audit")
    settings = settings_for(small, storage, **pair.settings)
    told = reencrypt(settings, ReencryptArguments(name=old["name"]), silent)
    assert (told["replaced"], told["recipients"]) == (old["name"], [pair.recipient])
    (now,) = catalogue.read(Folder(storage)).backups
    assert (now.name, now.pin_reason, now.keys) == (told["name"], "the audit", old["keys"])
    assert now.created_at.isoformat() == old["created_at"].replace("Z", "+00:00")
    assert [name for name in files(storage) if name.startswith(f"{old['name']}.manifest")] == []
    small.client().flushall()
    restore(settings, RestoreArguments(name="latest"), silent)
    assert_same(before, state(small))


def test_nothing_goes_before_the_new_one_was_opened(small: Server, tmp_path: Path) -> None:
    storage, pair = tmp_path / "backups", age_pair(tmp_path)
    name = take(small, storage)["name"]
    there = files(storage)
    tried: list[tuple[dict[str, Any], str, type[BackupSystemError], str]] = [
        ({}, name, UsageError, "nobody to encrypt to"),
        ({"backup_age_recipients": pair.recipient}, name, SealedError, "nothing was replaced"),
        (pair.settings, "latest", NotFoundError, "in full"),
    ]
    for more, asked, kind, said in tried:
        with pytest.raises(kind, match=said):
            reencrypt(settings_for(small, storage, **more), ReencryptArguments(name=asked), silent)
        assert files(storage) == there
    settings = settings_for(small, storage, **pair.settings)
    small.client().set("key:1", "since")
    restore(settings, RestoreArguments(name=name, mode="overwrite"), silent)
    (kept,) = catalogue.read(Folder(storage)).undos
    for asked, said in ((name, "is needed to undo a restore"), (kept.name, "is kept to undo a restore")):
        with pytest.raises(RefusedError, match=said):
            reencrypt(settings, ReencryptArguments(name=asked), silent)


def test_no_manifest_of_what_is_encrypted_names_a_key_of_damaged_values(small: Server, tmp_path: Path) -> None:
    storage, pair = tmp_path / "backups", age_pair(tmp_path)
    bad = Entry(3, b"bad:key", None, *DAMAGED["a field twice"])
    arguments = AdoptArguments(file=file_of(tmp_path, [*FINE, bad], "rdb"), with_damaged=True)
    sealed = adopt(settings_for(small, storage, **pair.settings), arguments, silent)
    old = adopt(settings_for(small, storage), arguments, silent)
    settings = settings_for(small, storage, **pair.settings)
    again = reencrypt(settings, ReencryptArguments(name=old["name"]), silent)["name"]
    for name in (sealed["name"], again):
        manifest = catalogue.get(Folder(storage), name)
        assert (manifest.damaged, "one of its values is damaged" in manifest.warnings[0]) == (1, True)
    assert b"bad:key" not in b"".join(path.read_bytes() for path in storage.iterdir())
