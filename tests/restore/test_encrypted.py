"""Encrypted backups: for who has the key all is as ever, for who has none they are said to be closed, and nothing is touched."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.age_keys import Pair, age, age_pair, ssh_pair
from tests.support.backups import each_format, files, fill_all, rewrite, settings_for, wipe
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from tests.support.stopwatch import peak
from worker.arguments.backups import AdoptArguments, BackupArguments, PruneArguments, VerifyArguments
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.backups.adopt import adopt
from worker.backups.backup import backup
from worker.backups.export import export
from worker.backups.prune import prune
from worker.backups.repair import repair
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.errors import ArtifactError, BackupSystemError, SealedError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import INDEX_SUFFIX, MANIFEST_SUFFIX, from_json
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.restore.undo.undo import undo
from worker.search.search import search
from worker.storage.local import Folder

SECRETS = ("customer:4711", "iban:DE02")
"""Names of keys."""


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return age_pair(tmp_path)


@pytest.fixture
def small(newest: Binary, start_server: StartServer) -> Server:
    source = start_server(newest)
    source.client().mset({SECRETS[0]: "x" * 500, SECRETS[1]: "y"} | {f"key:{number}": "value" for number in range(50)})
    return source


def made(server: Server, storage: Path, pair: Pair, **arguments: Any) -> dict[str, Any]:
    """Back it up where nothing but the public key is."""
    settings = settings_for(server, storage, backup_age_recipients=pair.recipient)
    return backup(settings, BackupArguments(**arguments), silent)


def reading(server: Server, storage: Path, pair: Pair, **more: Any) -> Settings:
    return settings_for(server, storage, **pair.settings, **more)


def closed(server: Server, storage: Path, pair: Pair) -> Settings:
    return settings_for(server, storage, backup_age_recipients=pair.recipient)


def bring_back(settings: Settings, **arguments: Any) -> dict[str, Any]:
    return restore(settings, RestoreArguments(**{"name": "latest", **arguments}), silent)


def clear(storage: Path, *secrets: str) -> list[str]:
    """The files of a storage that hold one of these."""
    return [
        name for name in files(storage) if any(secret.encode() in (storage / name).read_bytes() for secret in secrets)
    ]


@pytest.mark.sweep
@each_format
@pytest.mark.parametrize("engine", ["replication", "scan", "typed"])
@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_what_is_encrypted_comes_back(
    engine: str, data_format: str, compression: str, source: Server, tmp_path: Path, pair: Pair
) -> None:
    if (engine, data_format) == ("typed", "rdb"):
        pytest.skip("read by values, it is written as JSON")
    times, storage = data_format == "rdb", tmp_path / "backups"
    before = state(fill_all(source), times=times)
    told = made(source, storage, pair, engine=engine, format=data_format, compression=compression)
    suffix = {"zstd": ".zst", "gzip": ".gz", "none": ""}[compression]
    assert told["name"].endswith(f".{data_format}{suffix}.age")
    assert told["encryption"] == {"recipients": [pair.recipient]}
    stored = (storage / told["name"]).read_bytes()
    assert (told["bytes"]["stored"], stored[:21]) == (len(stored), b"age-encryption.org/v1")
    settings = reading(source, storage, pair)
    assert verify(settings, VerifyArguments(name="latest"), silent)["contents"]
    wipe(source)
    report = bring_back(settings)
    assert (report["failed"], report["restored"]) == (0, told["keys"])
    assert_same(before, state(source, times=times))


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_key_of_ssh_opens_it(kind: str, small: Server, tmp_path: Path) -> None:
    pair, storage = ssh_pair(tmp_path, kind), tmp_path / "backups"
    named = Pair(" ".join(pair.recipient.split()[:2]), pair.file)
    before = state(small)
    assert made(small, storage, named)["encryption"]["recipients"][0].startswith(f"ssh-{kind} SHA256:")
    wipe(small)
    bring_back(reading(small, storage, named))
    assert_same(before, state(small))
    found = search(reading(small, storage, named), SearchArguments(key="key:7"), silent)
    assert (found["problems"], len(found["found"])) == ([], 1)
    assert not any(name.endswith(INDEX_SUFFIX) for name in files(storage)), "its public half is not known"


@pytest.mark.parametrize("mode", ["skip", "overwrite", "mirror"])
def test_a_restore_of_what_is_encrypted_is_undone(mode: str, small: Server, tmp_path: Path, pair: Pair) -> None:
    storage = tmp_path / "backups"
    made(small, storage, pair)
    small.client().mset({"key:7": "since", "since": "x", SECRETS[1]: "z"})
    small.client().delete("key:8", SECRETS[0])
    before, settings = state(small), reading(small, storage, pair)
    chosen = {"match": ["key:*", SECRETS[0]]} if mode != "mirror" else {}
    report = bring_back(settings, mode=mode, **chosen)
    assert state(small) != before
    (kept,) = catalogue.read(Folder(storage)).undos
    assert kept.encrypted
    assert set(kept.restore_arguments) <= {"name", "mode"}
    assert clear(storage, *SECRETS, "key:*") == []
    with pytest.raises(SealedError, match="no key that opens it"):
        undo(closed(small, storage, pair), UndoArguments(run=kept.name), silent)
    undone = undo(settings, UndoArguments(run=kept.name), silent)
    assert (undone["failed"], report["failed"]) == (0, 0)
    assert_same(before, state(small))


def test_what_a_mirror_by_replication_is_given_is_opened_on_the_way(
    newest: Binary, start_server: StartServer, tmp_path: Path, pair: Pair
) -> None:
    source, target = start_server(newest), start_server(newest)
    before = state(fill_all(source))
    made(source, tmp_path / "backups", pair, engine="replication")
    target.client().set("other", "x")
    settings = settings_for(source, tmp_path / "backups", **pair.settings, redis_targets={"t": target.url})
    report = restore(settings, RestoreArguments(name="latest", target="t", mode="mirror"), silent)
    assert not [one for one in report["warnings"] if "key by key" in one]
    assert_same(before, state(target))


ASKED: dict[str, Callable[[Settings, str, Path], object]] = {
    "restore": lambda settings, name, _: restore(settings, RestoreArguments(name=name, mode="overwrite"), silent),
    "mirror": lambda settings, name, _: restore(settings, RestoreArguments(name=name, mode="mirror"), silent),
    "preview": lambda settings, name, _: preview(settings, PreviewArguments(name=name), silent),
    "show": lambda settings, name, _: search(settings, SearchArguments(key="key:7", show=name), silent),
    "export": lambda settings, name, folder: export(settings, name, folder / "out.json", silent),
    "export the file": lambda settings, name, folder: export(
        settings, str(Path(settings.backup_storage) / name), folder / "out.json", silent
    ),
    "adopt": lambda settings, name, _: adopt(
        settings, AdoptArguments(file=Path(settings.backup_storage) / name), silent
    ),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("other", [False, True], ids=["no key", "another key"])
def test_without_its_key_nothing_is_done_and_it_is_said_what_to_do(
    asked: str, *, other: bool, small: Server, tmp_path: Path, pair: Pair
) -> None:
    storage = tmp_path / "backups"
    name = made(small, storage, pair)["name"]
    small.client().set("key:7", "since")
    before, there = state(small), files(storage)
    settings = closed(small, storage, pair)
    if other:
        settings = reading(small, storage, age_pair(tmp_path, "other.txt"))
    said = "was encrypted to another key" if other else "is encrypted, and this process has no key that opens it"
    with pytest.raises(SealedError, match=f"{said}.*BACKUP_AGE_IDENTITY_FILE"):
        ASKED[asked](settings, name, tmp_path)
    assert_same(before, state(small))
    assert (files(storage), (tmp_path / "out.json").exists()) == (there, False)


def test_without_a_key_backups_are_made_listed_verified_by_their_bytes_and_pruned(
    small: Server, tmp_path: Path, pair: Pair
) -> None:
    storage = tmp_path / "backups"
    settings = closed(small, storage, pair)
    names = [made(small, storage, pair)["name"] for _ in range(3)]
    told = verify(settings, VerifyArguments(name=names[0]), silent)
    assert (told["name"], told["contents"]) == (names[0], False)
    assert "Its bytes are those that were written; what is in them was not checked." in told["warnings"][0]
    assert catalogue.get(Folder(storage), names[0]).verified_at is None
    pruned = prune(settings, PruneArguments(keep=1, keep_manual=1), silent)
    assert sorted(one["name"] for one in pruned["deleted"]) == sorted(names[:2])


def test_a_search_without_a_key_says_of_each_that_it_is_closed(small: Server, tmp_path: Path, pair: Pair) -> None:
    storage = tmp_path / "backups"
    name = made(small, storage, pair)["name"]
    found = search(closed(small, storage, pair), SearchArguments(key="key:7", live=True), silent)
    assert len(found["problems"]) == 1
    assert f"{name} is encrypted" in found["problems"][0]
    assert [row["where"] for one in found["found"] for row in one["versions"]] == ["live"]


def test_keys_are_found_by_an_index_that_tells_nobody_else(small: Server, tmp_path: Path, pair: Pair) -> None:
    storage, settings = tmp_path / "backups", reading(small, tmp_path / "backups", pair)
    name = made(small, storage, pair)["name"]
    for _ in range(2):
        found = search(settings, SearchArguments(key=SECRETS[0]), silent)
        assert (found["problems"], found["found"][0]["versions"][-1]["where"]) == ([], name)
        assert (storage / (name + INDEX_SUFFIX)).read_bytes().startswith(b"age-encryption.org/v1")
    shown = search(settings, SearchArguments(key=SECRETS[0], show=name), silent)
    assert shown["rows"][0]["show"].startswith("xxx")
    index = storage / (name + INDEX_SUFFIX)
    index.write_bytes(index.read_bytes()[:-1] + b"?")
    assert search(settings, SearchArguments(key="key:7"), silent)["problems"] == []
    assert clear(storage, *SECRETS) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "longer"])
def test_damage_is_noticed_before_anything_is_written(damage: str, small: Server, tmp_path: Path, pair: Pair) -> None:
    storage = tmp_path / "backups"
    file = storage / made(small, storage, pair)["name"]
    content = file.read_bytes()
    changed = content[:-1] + bytes([content[-1] ^ 1])
    file.write_bytes({"cut": content[:-1], "flipped": changed, "longer": content + b"\0"}[damage])
    small.client().set("key:7", "since")
    before = state(small)
    for settings in (reading(small, storage, pair), closed(small, storage, pair)):
        with pytest.raises(ArtifactError, match=r"cut short|has changed|longer"):
            verify(settings, VerifyArguments(name=file.name), silent)
    with pytest.raises(ArtifactError, match=r"cut short|has changed|longer"):
        bring_back(reading(small, storage, pair), name=file.name, mode="mirror")
    assert_same(before, state(small))


def test_whoever_changes_the_manifest_too_is_noticed_by_age(small: Server, tmp_path: Path, pair: Pair) -> None:
    storage = Folder(tmp_path / "backups")
    manifest = catalogue.get(storage, made(small, storage.path, pair)["name"])
    content = bytearray((storage.path / manifest.name).read_bytes())
    content[-1] ^= 1
    (storage.path / manifest.name).write_bytes(content)
    rewrite(storage, manifest.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()}))
    with pytest.raises(ArtifactError, match="encrypted data is damaged"):
        verify(reading(small, storage.path, pair), VerifyArguments(name=manifest.name), silent)


def test_the_commands_of_debian_bring_it_back_without_us(small: Server, tmp_path: Path, pair: Pair) -> None:
    storage = tmp_path / "backups"
    told = made(small, storage, pair, compression="gzip")
    packed = age("-d", "-i", str(pair.file), str(storage / told["name"]))
    dump = subprocess.run(["gzip", "-d"], input=packed, capture_output=True, check=True).stdout
    assert (dump[:5], len(dump)) == (b"REDIS", told["bytes"]["raw"])


def test_what_age_made_of_a_dump_is_taken_in(small: Server, tmp_path: Path, pair: Pair) -> None:
    before = state(small)
    plain = backup(settings_for(small, tmp_path / "plain"), BackupArguments(compression="none"), silent)["name"]
    (tmp_path / "dump.rdb.age").write_bytes(age("-r", pair.recipient, str(tmp_path / "plain" / plain)))
    arguments = AdoptArguments(file=tmp_path / "dump.rdb.age")
    kept = adopt(settings_for(small, tmp_path / "kept", backup_age_identity_file=str(pair.file)), arguments, silent)
    assert (kept["encryption"], kept["name"].partition(".")[2]) == ({"recipients": []}, "rdb.age")
    assert (tmp_path / "kept" / kept["name"]).read_bytes() == (tmp_path / "dump.rdb.age").read_bytes()
    anew = adopt(reading(small, tmp_path / "anew", pair), arguments, silent)
    assert (anew["encryption"], anew["name"].partition(".")[2]) == ({"recipients": [pair.recipient]}, "rdb.zst.age")
    for folder in ("kept", "anew"):
        wipe(small)
        bring_back(reading(small, tmp_path / folder, pair))
        assert_same(before, state(small))


def test_a_plain_file_is_encrypted_as_it_is_taken_in(small: Server, tmp_path: Path, pair: Pair) -> None:
    plain = backup(settings_for(small, tmp_path / "plain"), BackupArguments(), silent)["name"]
    settings = reading(small, tmp_path / "backups", pair)
    told = adopt(settings, AdoptArguments(file=tmp_path / "plain" / plain), silent)
    assert told["encryption"] == {"recipients": [pair.recipient]}
    assert verify(settings, VerifyArguments(name=told["name"]), silent)["contents"]
    assert clear(tmp_path / "backups", *SECRETS) == []


def test_what_is_encrypted_is_exported_and_repaired(small: Server, tmp_path: Path, pair: Pair) -> None:
    storage, settings = tmp_path / "backups", reading(small, tmp_path / "backups", pair)
    told = made(small, storage, pair)
    export(settings, told["name"], tmp_path / "out.json", silent)
    export(settings, str(storage / told["name"]), tmp_path / "file.json", silent)
    for out in ("out.json", "file.json"):
        assert json.loads((tmp_path / out).read_text())["count"] == told["keys"]
    manifest = storage / (told["name"] + MANIFEST_SUFFIX)
    manifest.write_bytes(manifest.read_bytes().replace(b'"keys": 52', b'"keys": 99'))
    with pytest.raises(BackupSystemError):
        bring_back(settings, name=told["name"])
    assert repair(closed(small, storage, pair), silent)["left"][0]["error"].endswith("where backups are read.")
    assert repair(settings, silent)["repaired"][0]["keys"] == 52
    assert from_json(told["name"], manifest.read_bytes()).encrypted
    assert verify(settings, VerifyArguments(name=told["name"]), silent)["keys"] == 52


def test_old_backups_stay_readable_when_new_ones_are_encrypted(small: Server, tmp_path: Path, pair: Pair) -> None:
    storage = tmp_path / "backups"
    old = backup(settings_for(small, storage), BackupArguments(), silent)
    new = made(small, storage, pair)
    formats = [
        from_json(one["name"], (storage / (one["name"] + MANIFEST_SUFFIX)).read_bytes()).format for one in (old, new)
    ]
    assert formats == [4, 4]
    settings = closed(small, storage, pair)
    report = bring_back(settings, name=old["name"], mode="overwrite")
    assert report["failed"] == 0
    assert "undone only where the secret key is" in " ".join(report["warnings"]), "its undo is encrypted"


@pytest.mark.slow
def test_backing_up_and_reading_what_is_encrypted_takes_no_more_memory_than_else(
    newest: Binary, start_server: StartServer, tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, other = start_server(newest), start_server(newest)
    client = server.client()
    for number in range(300):
        client.set(f"large:{number}", os.urandom(1 << 20))
    steps = [("backup", "--engine", "scan"), ("verify", "latest"), ("restore", "latest", "--to", "t", "--yes")]
    plain = {step: peak(tmp_path / "plain", server, other, *step) for step in steps}
    other.client().flushall()
    monkeypatch.setenv("BACKUP_AGE_RECIPIENTS", pair.recipient)
    monkeypatch.setenv("BACKUP_AGE_IDENTITY_FILE", str(pair.file))
    sealed = {step: peak(tmp_path / "sealed", server, other, *step) for step in steps}
    assert all(sealed[step] < plain[step] + (24 << 20) for step in steps), (plain, sealed)
    assert other.client().dbsize() == 300


@pytest.mark.parametrize("kind", ["age", "ssh"])
def test_where_only_the_secret_key_is_what_is_kept_for_an_undo_is_for_that_key(
    kind: str, small: Server, tmp_path: Path, pair: Pair
) -> None:
    storage = tmp_path / "backups"
    if kind == "ssh":
        made_to = ssh_pair(tmp_path, "ed25519")
        pair = Pair(" ".join(made_to.recipient.split()[:2]), made_to.file)
    made(small, storage, pair)
    small.client().set("key:7", "since")
    before, alone = state(small), settings_for(small, storage, backup_age_identity_file=str(pair.file))
    warned = [one for one in bring_back(alone, mode="overwrite")["warnings"] if "BACKUP_AGE_RECIPIENTS names" in one]
    (kept,) = catalogue.read(Folder(storage)).undos
    assert (kept.encrypted, len(warned)) == ((True, 0) if kind == "age" else (False, 1))
    undo(alone, UndoArguments(run=kept.name), silent)
    assert_same(before, state(small))
