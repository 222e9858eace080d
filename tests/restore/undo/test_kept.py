"""What a restore keeps for its undo: a verified backup, used once, for its days, and nothing that is not needed."""

import os
import re
import resource
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.restore.undo.undoing import kept_in, small, take_back
from tests.support.backups import aged, bring_back, files, fill_all, killed, rewrite, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import DeleteArguments, PruneArguments
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.backups.prune import prune
from worker.backups.trash import delete
from worker.errors import ArtifactError, NotFoundError, RefusedError, StorageError
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.restore import restore
from worker.restore.undo import snapshot
from worker.restore.undo.undo import undo
from worker.storage.local import Folder


def test_an_undo_can_be_used_once_and_says_so(server: Server, tmp_path: Path) -> None:
    client = small(server, tmp_path)
    bring_back(server, tmp_path, mode="overwrite")
    take_back(server, tmp_path)
    client.set("stays", "newer")
    before = state(server)
    with pytest.raises(RefusedError, match=r"undone already, on 20\d\d-.* nothing was changed now: --force"):
        take_back(server, tmp_path)
    assert_same(server, before)
    assert kept_in(tmp_path)[0].undone_at is not None


def test_what_is_kept_is_a_verified_backup_that_names_the_restore(server: Server, tmp_path: Path) -> None:
    small(server, tmp_path)
    backup = catalogue.read(Folder(tmp_path)).backups[0]
    bring_back(server, tmp_path, mode="overwrite", match="*a*")
    (kept,) = kept_in(tmp_path)
    assert (kept.kind, kept.restored, kept.keys, kept.source.address) == (
        "undo",
        backup.name,
        2,
        f"127.0.0.1:{server.port}",
    )
    assert kept.restore_arguments == {"name": backup.name, "mode": "overwrite", "match": ["*a*"]}
    assert kept.verified_at is not None
    assert catalogue.get(Folder(tmp_path), "latest").name == backup.name
    assert catalogue.read(Folder(tmp_path)).backups == [backup]


def test_where_nothing_is_touched_nothing_is_kept(server: Server, tmp_path: Path) -> None:
    small(server, tmp_path)
    before = files(tmp_path)
    assert bring_back(server, tmp_path, mode="overwrite", match="nothing")["undo"] is None
    settings = settings_for(server, tmp_path, backup_undo_days=0)
    report = restore(settings, RestoreArguments(name="latest", mode="overwrite"), silent)
    assert (report["restored"], report["undo"]) == (4, None)
    assert files(tmp_path) == before


def test_before_keys_that_exist_are_left_alone_only_their_names_are_kept(
    server: Server, target: Server, tmp_path: Path
) -> None:
    fill_all(server)
    take(server, tmp_path)
    target.client().mset({"text": os.urandom(1 << 20), "other": "x"})
    target.client(3).set("list:big", "another type")
    before = state(target)
    told = bring_back(target, tmp_path)["undo"]
    assert told["keys"] == 2
    # Those two, after all was written: to tell whether they differ.
    assert target.client().info("commandstats")["cmdstat_dump"]["calls"] == 2
    (kept,) = kept_in(tmp_path)
    assert kept.bytes.raw < 1000
    with pytest.raises(RefusedError, match=f"holds the names .* no values.*worker undo {kept.name}"):
        bring_back(target, tmp_path, kept.name, mode="overwrite")
    assert take_back(target, tmp_path)["left_alone"] == 0
    assert_same(target, before)
    backup = kept.restored or ""
    delete(settings_for(target, tmp_path), DeleteArguments(name=backup, now=True))
    with pytest.raises(NotFoundError, match="which keys that created: delete those by hand"):
        undo(settings_for(target, tmp_path), UndoArguments(run=kept.name, force=True), silent)


def test_damage_that_a_manifest_vouches_for_is_found_before_the_first_key(server: Server, tmp_path: Path) -> None:
    small(server, tmp_path)
    bring_back(server, tmp_path, mode="overwrite")
    before = state(server)
    (kept,) = kept_in(tmp_path)
    for name in (kept.name, kept.restored or ""):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ArtifactError, match="has changed since it was written"):
            take_back(server, tmp_path, kept.name)
        (tmp_path / name).write_bytes(content)
    lying = kept.model_copy(update={"restore_arguments": {"name": kept.restored, "match": ["stays"]}})
    rewrite(Folder(tmp_path), lying)
    with pytest.raises(ArtifactError, match="does not fit the backup that was restored, so nothing was changed"):
        take_back(server, tmp_path, kept.name)
    assert_same(server, before)


def test_without_the_backup_that_was_restored_nothing_is_guessed(server: Server, tmp_path: Path) -> None:
    small(server, tmp_path)
    bring_back(server, tmp_path, mode="overwrite")
    (kept,) = kept_in(tmp_path)
    delete(settings_for(server, tmp_path), DeleteArguments(name=kept.restored or ""))
    before = state(server)
    with pytest.raises(
        RefusedError, match=f"{kept.restored} was deleted on .* and lies in the trash: put it back first"
    ):
        take_back(server, tmp_path)
    delete(settings_for(server, tmp_path), DeleteArguments(name=kept.restored or "", now=True))
    with pytest.raises(NotFoundError, match=f"is gone.* restore {kept.name} with the mode overwrite instead"):
        take_back(server, tmp_path)
    assert_same(server, before)


def test_pruning_keeps_an_undo_for_its_days_and_the_backup_that_it_needs(server: Server, tmp_path: Path) -> None:
    small(server, tmp_path)
    bring_back(server, tmp_path, mode="overwrite")
    backup, (kept,) = catalogue.read(Folder(tmp_path)).backups[0], kept_in(tmp_path)
    for _ in range(2):
        take(server, tmp_path)
    pruned = prune(settings_for(server, tmp_path, backup_keep=1), PruneArguments(), silent)
    reasons = {one["name"]: one["reason"] for one in pruned["kept"]}
    assert reasons[backup.name] == f"needed by {kept.name}, which can undo its restore"
    assert pruned["undos_kept"] == [{"name": kept.name, "reason": "a restore can be undone for 7 days"}]
    assert (len(pruned["kept"]), len(pruned["deleted"])) == (2, 1)
    old = aged(tmp_path, kept, days=7)
    # Only what has been backed up twice since its days were over is surely past.
    take(server, tmp_path)
    pruned = prune(settings_for(server, tmp_path, backup_keep=1), PruneArguments(), silent)
    assert {one["name"] for one in pruned["deleted"]} > {backup.name, old}
    assert kept_in(tmp_path) == []


def test_a_full_disk_refuses_the_restore_before_it_writes(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server, storage, said = start_server(newest), tmp_path / "backups", tmp_path / "said"
    client = server.client()
    client.set("key", "old")
    take(server, storage)
    client.set("key", os.urandom(4 << 20))
    before, there = state(server), files(storage)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            bring_back(server, storage, mode="overwrite")
        except StorageError as error:
            said.write_text(str(error))

    assert not killed(work)
    assert re.search("is full .*Nothing was restored, .*BACKUP_UNDO_DAYS=0", said.read_text())
    assert_same(server, before)
    assert files(storage) == there


def test_what_was_kept_for_nothing_goes_again_and_nothing_else(server: Server, tmp_path: Path) -> None:
    small(server, tmp_path)
    bring_back(server, tmp_path, mode="overwrite")
    (kept,) = kept_in(tmp_path)
    settings, before = settings_for(server, tmp_path), files(tmp_path)
    snapshot.discard(settings, None)
    assert files(tmp_path) == before
    snapshot.discard(settings, {"name": kept.name})
    assert files(tmp_path) == [name for name in before if not name.startswith(kept.name)]
    snapshot.discard(settings, {"name": kept.name})
