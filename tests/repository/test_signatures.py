"""Who has signed a manifest is known before anything of its backup is read; what is forged, or a stranger's, is not read at all."""

import json
import os
import re
import shlex
import stat
import subprocess
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import ANYWHERE, files, manifest_of
from tests.support.processes import ROOT, Ended, Shell
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.config.settings import Settings, load
from worker.config.signing_keys import from_text
from worker.errors import DamagedError, ForgedError, StorageError, UntrustedError
from worker.repository import catalogue, digest
from worker.repository.manifest import MANIFEST_SUFFIX, Encrypted, from_json, to_json
from worker.repository.signing import keys, seal
from worker.repository.signing.trust import trust_of
from worker.storage.local import Folder

NAMES = [f"redis_backup_20231205_14302{second}.rdb" for second in range(4)]
NAME = NAMES[0]


pytestmark = pytest.mark.usefixtures("machine")


def become(machine: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """From now on this process is another machine."""
    for name, value in {"BACKUP_STATE": str(machine), "BACKUP_TRUSTED_KEYS": "", **settings}.items():
        monkeypatch.setenv(name, value)
    load.cache_clear()


def stored(folder: Folder, *names: str) -> None:
    for name in names:
        folder.put(name, b"content")
        catalogue.add(folder, manifest_of(name, b"content"))


def manifest(folder: Folder, name: str) -> Path:
    return folder.path / (name + MANIFEST_SUFFIX)


def listed(folder: Folder) -> list[str]:
    return [backup.name for backup in catalogue.read(folder).listed]


def own_key() -> str:
    return keys.own(load()).public


# The format.


def test_a_stranger_checks_a_signature_by_the_lines_of_the_document(folder: Folder, tmp_path: Path) -> None:
    stored(folder, NAME)
    text = (ROOT / "docs/format.md").read_text()
    (script,) = re.findall(r"```\n(name=.*?)```", text, re.DOTALL)
    script = script.replace("redis_backup_20231205_143022.rdb.zst", shlex.quote(str(folder.path / NAME)))
    done = subprocess.run(["bash", "-ec", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "Verified Successfully" in done.stdout) == (0, True), done.stderr
    assert own_key() in done.stdout
    changed = manifest(folder, NAME).read_bytes().replace(b'"keys": 1', b'"keys": 2')
    manifest(folder, NAME).write_bytes(changed)
    done = subprocess.run(["bash", "-ec", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "Verified Successfully" in done.stdout) == (1, False)


def test_manifests_are_numbered_and_each_names_the_one_before(folder: Folder) -> None:
    stored(folder, *NAMES)
    made = [catalogue.get(folder, name) for name in NAMES]
    sums = [
        subprocess.run(
            ["sha256sum", manifest(folder, name)], capture_output=True, text=True, check=True
        ).stdout.split()[0]
        for name in NAMES
    ]
    assert [one.sequence for one in made] == [1, 2, 3, 4]
    assert [one.previous for one in made] == [None, *sums[:-1]]
    assert {(one.signer, one.chain) for one in made} == {(own_key(), made[0].chain)}


def test_each_bit_of_a_signed_manifest_counts_and_so_does_each_byte_that_is_cut(folder: Folder) -> None:
    stored(folder, NAME)
    text = manifest(folder, NAME).read_bytes()
    for bit in range(0, len(text) * 8, 3):
        changed = bytearray(text)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DamagedError, ForgedError)):
            from_json(NAME, bytes(changed))
    for size in range(0, len(text), 7):
        with pytest.raises(DamagedError):
            from_json(NAME, text[:size])


def forged(text: bytes, old: str, new: str) -> bytes:
    """The manifest with something else in it, and a digest that is right again."""
    document = (digest.opened(text) or b"").decode()
    assert old in document
    return digest.sealed(document.replace(old, new))


def test_whoever_makes_the_digest_right_again_has_forged_it(folder: Folder) -> None:
    stored(folder, *NAMES[:2])
    text, other = (manifest(folder, name).read_bytes() for name in NAMES[:2])
    signature, others = (re.search(rb'"signature": "(.*)"', one)[1].decode() for one in (text, other))  # type: ignore[index]
    for changed in (
        forged(text, '"keys": 1', '"keys": 2'),
        forged(text, '"sequence": 1', '"sequence": 3'),
        forged(text, signature, others),
        forged(text, own_key(), "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
        forged(text, own_key(), "ed25519:none"),
    ):
        manifest(folder, NAME).write_bytes(changed)
        with pytest.raises(ForgedError, match="is forged: its signature is not of what it says"):
            catalogue.get(folder, NAME)
        contents = catalogue.read(folder)
        assert ([*contents.faults], contents.damaged, len(contents.alarms)) == ([NAME], [], 1)
        assert catalogue.get(folder, "latest", ANYWHERE).name == NAMES[1]


def test_a_signature_cannot_be_left_out(folder: Folder) -> None:
    stored(folder, NAME)
    text = manifest(folder, NAME).read_bytes()
    signed = seal.apart(digest.opened(text) or b"")
    assert signed
    with pytest.raises(ForgedError):
        from_json(NAME, digest.sealed(signed.document.decode()))
    with pytest.raises(DamagedError):
        from_json(
            NAME,
            digest.sealed(
                signed.document.decode().replace('"format": 4', '"format": 2').replace(f'"{own_key()}"', "null")
            )
            + b" ",
        )


def test_the_manifest_of_one_backup_is_not_taken_for_that_of_another(folder: Folder) -> None:
    stored(folder, *NAMES[:2])
    manifest(folder, NAME).write_bytes(manifest(folder, NAMES[1]).read_bytes())
    assert "describes another backup" in catalogue.read(folder).faults[NAME]


# Whose word counts.


def test_what_another_key_has_signed_is_not_read_once_this_machine_has_signed_there(
    folder: Folder, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(folder, NAME)
    become(tmp_path / "stranger", monkeypatch)
    stored(folder, NAMES[1])
    stranger = own_key()
    become(machine, monkeypatch)
    assert listed(folder) == [NAME]
    with pytest.raises(UntrustedError, match=re.escape(f"signed by {stranger}, which is not trusted here")):
        catalogue.get(folder, NAMES[1])
    assert catalogue.get(folder, "latest", ANYWHERE).name == NAME
    assert [NAMES[1] in alarm for alarm in catalogue.read(folder).alarms] == [True]
    become(machine, monkeypatch, BACKUP_TRUSTED_KEYS=stranger)
    assert listed(folder) == [NAMES[1], NAME]
    assert catalogue.read(folder).alarms == []


def test_who_comes_second_trusts_whoever_signed_there_before(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(folder, NAME)
    first = own_key()
    become(tmp_path / "second", monkeypatch)
    contents = catalogue.read(folder)
    assert ([one.name for one in contents.listed], contents.alarms) == ([NAME], [])
    (warning,) = trust_of(load(), folder).strangers(contents.listed)
    assert f"BACKUP_TRUSTED_KEYS={first}" in warning
    stored(folder, NAMES[1])
    contents = catalogue.read(folder)
    assert ([one.name for one in contents.listed], contents.alarms) == ([NAMES[1], NAME], [])
    assert trust_of(load(), folder).strangers(contents.listed) == []
    become(tmp_path / "third", monkeypatch, BACKUP_TRUSTED_KEYS=own_key())
    assert "which is not trusted here" in catalogue.read(folder).faults[NAME]


def test_with_trusted_keys_nothing_unsigned_is_read_and_else_what_is_older_than_the_first_signature(
    folder: Folder, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, late = NAMES[0], "redis_backup_20990101_000000.rdb"
    for name in (old, late):
        folder.put(name, b"content")
        folder.put(name + MANIFEST_SUFFIX, to_json(manifest_of(name, b"content")))
    assert listed(folder) == [late, old]
    stored(folder, NAMES[1])
    assert listed(folder) == [NAMES[1], old]
    with pytest.raises(UntrustedError, match="is not signed, though what is stored here is signed since"):
        catalogue.get(folder, late)
    become(machine, monkeypatch, BACKUP_TRUSTED_KEYS="ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert listed(folder) == [NAMES[1]]
    with pytest.raises(UntrustedError, match="is not signed, and BACKUP_TRUSTED_KEYS is set"):
        catalogue.get(folder, old)


def test_what_was_written_before_there_were_signatures_is_read_as_it_was(folder: Folder) -> None:
    plain, sealed = NAMES[0], f"{NAMES[1]}.age"
    for name, encryption in ((plain, "none"), (sealed, Encrypted(recipients=["somebody"]))):
        folder.put(name, b"content")
        manifest = manifest_of(name, b"content", encryption=encryption)
        folder.put(name + MANIFEST_SUFFIX, to_json(manifest))
    contents = catalogue.read(folder)
    assert [(one.name, one.format, one.signer) for one in contents.listed] == [(sealed, 3, None), (plain, 2, None)]
    assert (contents.faults, contents.alarms, contents.warnings) == ({}, [], [])


# The key.


def test_the_key_is_made_once_and_read_by_its_user_alone(machine: Path) -> None:
    context = get_context("fork")
    answers = context.Queue()

    def begin() -> None:
        answers.put(keys.own(Settings(backup_state=str(machine))).public)

    workers = [context.Process(target=begin) for _ in range(12)]
    for worker in workers:
        worker.start()
    made = {answers.get(timeout=30) for _ in workers}
    for worker in workers:
        worker.join(30)
    assert len(made) == 1
    assert len(from_text(made.pop()) or b"") == 32
    assert files(machine) == [keys.KEY_FILE]
    assert stat.S_IMODE((machine / keys.KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(machine.stat().st_mode) == 0o700


BROKEN: dict[str, bytes] = {
    "empty": b"",
    "cut": b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLs\n",
    "of another kind": subprocess.run(
        ["openssl", "genpkey", "-algorithm", "x25519"], capture_output=True, check=True
    ).stdout,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_with_a_broken_key_nothing_is_stored_at_all(content: bytes, folder: Folder, machine: Path) -> None:
    stored(folder, NAME)
    (machine / keys.KEY_FILE).write_bytes(content)
    with pytest.raises(StorageError, match="holds no key to sign with, and nothing is stored unsigned"):
        stored(folder, NAMES[1])
    assert listed(folder) == [NAME]


def test_a_key_of_ones_own_is_used_and_never_made(
    folder: Folder, tmp_path: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.pem"
    become(machine, monkeypatch, BACKUP_SIGNING_KEY_FILE=str(mine))
    with pytest.raises(StorageError, match="openssl genpkey -algorithm ed25519 -out FILE"):
        stored(folder, NAME)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", mine], check=True)
    stored(folder, NAMES[1])
    der = subprocess.run(
        ["openssl", "pkey", "-in", mine, "-pubout", "-outform", "DER"], capture_output=True, check=True
    )
    assert from_text(catalogue.get(folder, NAMES[1]).signer or "") == der.stdout[-32:]
    assert not (machine / keys.KEY_FILE).exists()


def test_another_key_goes_on_and_trusts_the_one_before(folder: Folder, machine: Path) -> None:
    stored(folder, NAME)
    (machine / keys.KEY_FILE).unlink()
    stored(folder, NAMES[1])
    contents = catalogue.read(folder)
    assert ([one.name for one in contents.listed], contents.alarms) == ([NAMES[1], NAME], [])
    first, second = (catalogue.get(folder, name) for name in NAMES[:2])
    assert (first.signer != second.signer, first.chain != second.chain, second.sequence) == (True, True, 1)


# From a shell, with real data.


@pytest.fixture
def small(newest: Binary, start_server: StartServer) -> Server:
    source = start_server(newest)
    source.client().mset({f"key:{number}": "value" for number in range(20)})
    return source


def test_a_restore_of_a_strangers_backup_is_refused_before_a_value_is_read(small: Server, tmp_path: Path) -> None:
    shell = Shell(small.url, tmp_path / "backups", tmp_path)

    def run(machine: str, *words: str, **settings: Any) -> Ended:
        (tmp_path / machine).mkdir(exist_ok=True)
        return replace(shell, folder=tmp_path / machine)(*words, BACKUP_STATE="", **settings)

    good = run("ours", "backup", "--json").data
    foreign = run("theirs", "backup", "--json").data
    assert "which this machine cannot know" in run("empty", "list").err
    small.client().flushall()
    before = state(small)
    # Neither is its artifact looked at: it need not even be there.
    (tmp_path / "backups" / foreign["name"]).unlink()
    for words in (
        ("restore", foreign["name"], "--yes"),
        ("preview", foreign["name"]),
        ("export", foreign["name"], "-o", "copy.json"),
        ("verify", foreign["name"]),
        ("search", "key:1", "--in", foreign["name"], "--no-live"),
    ):
        done = run("ours", *words)
        assert (done.code, "which is not trusted here: it is not read" in done.err) == (1, True), (words, done.err)
    assert_same(before, state(small))
    restored: dict[str, Any] = run("ours", "restore", "latest", "--yes", "--json").data
    assert restored["restored"] == 20
    shown = run("ours", "list", "--json").data
    assert ([one["name"] for one in shown["backups"]], shown["backups"][0]["signer"]) == (
        [good["name"]],
        good["signer"],
    )
    assert json.loads(manifest(Folder(tmp_path / "backups"), good["name"]).read_text())["signer"] == good["signer"]
    assert os.listdir(tmp_path / "empty") == []


def test_a_strangers_backup_is_taken_in_by_name_and_signed_as_ours(small: Server, tmp_path: Path) -> None:
    shell = Shell(small.url, tmp_path / "backups", tmp_path)
    for machine in ("ours", "theirs"):
        (tmp_path / machine).mkdir()
    ours, theirs = (replace(shell, folder=tmp_path / machine) for machine in ("ours", "theirs"))
    own = ours("backup", "--json", BACKUP_STATE="").data
    foreign = theirs("backup", "--json", BACKUP_STATE="").data["name"]
    for path in (foreign, str(tmp_path / "backups" / foreign)):
        refused = ours("adopt", path, BACKUP_STATE="")
        assert (refused.code, f"python -m worker adopt --trust {foreign}" in refused.err) == (1, True)
    made = ours("adopt", "--trust", foreign, "--json", BACKUP_STATE="").data
    assert (made["kind"], made["signer"], made["sequence"], made["keys"]) == ("adopted", own["signer"], 2, 20)
    small.client().flushall()
    assert ours("restore", made["name"], "--yes", "--json", BACKUP_STATE="").data["restored"] == 20
