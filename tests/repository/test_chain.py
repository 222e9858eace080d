"""What somebody else removes, or puts back, is named; what we delete ourselves never is, whatever is killed and whoever else is at it."""

import os
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tests.faults.sweeps import sweep
from tests.support.backups import ANYWHERE, kill_myself, killed, manifest_of
from worker.arguments.backups import DeleteArguments, PruneArguments, PutBackArguments, VerifyArguments
from worker.backups.prune import prune
from worker.backups.trash import delete, put_back
from worker.backups.verify import verify
from worker.config.settings import Settings, load
from worker.errors import NotFoundError, RefusedError, UntrustedError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.behalf import acting_for
from worker.repository.manifest import MANIFEST_SUFFIX, artifact_name, to_json
from worker.repository.signing import journal, keys, ledger
from worker.storage.local import Folder

NAMES = [f"redis_backup_20231205_1430{second}.rdb" for second in range(10, 60)]
NAME, OTHER, THIRD = NAMES[:3]


pytestmark = pytest.mark.usefixtures("machine")


def become(machine: Path, monkeypatch: pytest.MonkeyPatch, *trusted: str) -> None:
    """From now on this process is another machine."""
    monkeypatch.setenv("BACKUP_STATE", str(machine))
    monkeypatch.setenv("BACKUP_TRUSTED_KEYS", ",".join(trusted))
    load.cache_clear()


def store(folder: Folder, *names: str) -> None:
    for name in names:
        with folder.draft([name]) as draft:
            draft.write(b"content")
            draft.publish()
            catalogue.add(folder, manifest_of(name, b"content"))


def steal(folder: Folder, name: str) -> None:
    for file in (name, name + MANIFEST_SUFFIX):
        (folder.path / file).unlink()


def amiss(folder: Folder) -> list[str]:
    contents = catalogue.read(folder)
    assert contents.alarms == [*contents.amiss.values()]
    assert all(sentence in contents.problems for sentence in contents.alarms)
    return sorted(contents.amiss)


def settings_of(folder: Folder, **more: Any) -> Settings:
    return Settings(backup_storage=str(folder.path), celery_broker_url="redis://127.0.0.1:1/0", **more)


def kept(folder: Folder) -> journal.Journal:
    there = journal.known(load(), folder)
    assert there
    return there


def test_what_we_delete_ourselves_is_not_missed(folder: Folder) -> None:
    store(folder, *NAMES[:5])
    catalogue.remove(folder, NAME)
    delete(settings_of(folder), DeleteArguments(name=OTHER))
    assert amiss(folder) == []
    put_back(settings_of(folder), PutBackArguments(name=OTHER))
    delete(settings_of(folder), DeleteArguments(name=OTHER, now=True))
    prune(settings_of(folder), PruneArguments(keep=1), silent)
    assert [one.name for one in catalogue.read(folder).listed] == NAMES[4:5]
    assert amiss(folder) == []
    store(folder, NAMES[5])
    assert (amiss(folder), sorted(kept(folder).live), kept(folder).head) == ([], [5, 6], 6)


def test_a_backup_that_somebody_removed_is_named_until_we_say_that_it_may_be_gone(folder: Folder) -> None:
    store(folder, NAME, OTHER, THIRD)
    steal(folder, OTHER)
    assert amiss(folder) == [OTHER]
    with pytest.raises(NotFoundError, match=f"{OTHER} was stored here and is gone, and none of us has deleted it"):
        catalogue.get(folder, OTHER, ANYWHERE)
    with acting_for("token thief"), pytest.raises(RefusedError, match="No token may delete"):
        delete(settings_of(folder), DeleteArguments(name=OTHER, now=True))
    assert amiss(folder) == [OTHER]
    assert delete(settings_of(folder), DeleteArguments(name=OTHER, now=True))["deleted"] == OTHER
    assert amiss(folder) == []
    with pytest.raises(NotFoundError):
        delete(settings_of(folder), DeleteArguments(name=OTHER, now=True))


def test_the_newest_one_is_missed_as_well_and_so_is_the_manifest_alone(folder: Folder) -> None:
    store(folder, NAME, OTHER)
    steal(folder, OTHER)
    (folder.path / (NAME + MANIFEST_SUFFIX)).unlink()
    assert amiss(folder) == [NAME, OTHER]


def test_what_is_taken_for_gone_is_told_to_other_machines_once(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(folder, NAME, OTHER, THIRD)
    catalogue.remove(folder, THIRD)
    steal(folder, NAME)
    told = folder.path / ledger.name_of(next(iter(folder.path.glob("redis_backup_ledger_*"))).stem.rpartition("_")[2])
    assert catalogue.let_go(folder, NAME)
    assert NAME not in told.read_text()
    said = told.read_bytes()
    assert not catalogue.let_go(folder, NAME)
    assert told.read_bytes() == said
    become(tmp_path / "empty", monkeypatch)
    assert amiss(folder) == []


def test_what_was_deleted_and_is_there_again_is_named(folder: Folder, tmp_path: Path) -> None:
    store(folder, NAME, OTHER)
    shutil.copytree(folder.path, tmp_path / "copy")
    catalogue.remove(folder, NAME)
    assert amiss(folder) == []
    for file in (NAME, NAME + MANIFEST_SUFFIX):
        shutil.copy(tmp_path / "copy" / file, folder.path)
    # A manifest that is younger than the clock can tell is looked at again.
    os.utime(folder.path / (NAME + MANIFEST_SUFFIX), (1, 1))
    assert _eventually(lambda: amiss(folder) == [NAME])
    catalogue.remove(folder, NAME)
    assert amiss(folder) == []


def _eventually(true: Callable[[], bool]) -> bool:
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while not true():
        if datetime.now(UTC) > deadline:
            return False
    return True


def test_a_storage_that_was_rolled_back_as_a_whole_is_noticed(folder: Folder, tmp_path: Path) -> None:
    store(folder, NAME, OTHER)
    catalogue.remove(folder, OTHER)
    store(folder, THIRD)
    shutil.copytree(folder.path, tmp_path / "before")
    catalogue.remove(folder, NAME)
    store(folder, NAMES[3])
    shutil.rmtree(folder.path)
    (tmp_path / "before").rename(folder.path)
    assert _eventually(lambda: amiss(folder) == [NAME, NAMES[3]])


def test_a_machine_that_remembers_nothing_reads_in_the_storage_what_was_given_up(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(folder, *NAMES[:4])
    catalogue.remove(folder, NAME)
    become(tmp_path / "empty", monkeypatch)
    assert amiss(folder) == []
    steal(folder, OTHER)
    assert amiss(folder) == [OTHER]
    # A copy of the storage somewhere else may hold what it likes.
    shutil.copytree(folder.path, tmp_path / "elsewhere")
    steal(Folder(tmp_path / "elsewhere"), THIRD)
    assert amiss(Folder(tmp_path / "elsewhere")) == []
    forged = folder.path / ledger.name_of(next(iter(folder.path.glob("redis_backup_ledger_*"))).stem.rpartition("_")[2])
    forged.write_bytes(forged.read_bytes().replace(OTHER.encode(), THIRD.encode()))
    assert amiss(folder) == []


def test_machines_that_trust_each_other_prune_what_the_other_has_made(
    folder: Folder, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(folder, NAME, OTHER)
    first = keys.own(load()).public
    become(tmp_path / "second", monkeypatch, first)
    store(folder, THIRD)
    second = keys.own(load()).public
    catalogue.remove(folder, NAME)
    assert amiss(folder) == []
    become(machine, monkeypatch, second)
    assert amiss(folder) == []
    catalogue.remove(folder, THIRD)
    store(folder, NAMES[3])
    become(tmp_path / "second", monkeypatch, first)
    assert amiss(folder) == []
    steal(folder, OTHER)
    become(machine, monkeypatch, second)
    assert amiss(folder) == [OTHER]


def test_an_unsigned_one_in_the_place_of_what_was_signed_is_not_read(folder: Folder) -> None:
    store(folder, NAME, OTHER)
    (folder.path / (NAME + MANIFEST_SUFFIX)).write_bytes(to_json(manifest_of(NAME, b"content")))
    with pytest.raises(UntrustedError, match="is not signed, and the one of that name that was stored here was"):
        catalogue.get(folder, NAME)
    contents = catalogue.read(folder)
    assert ([one.name for one in contents.listed], len(contents.alarms)) == ([OTHER], 1)


def test_hundreds_of_backups_from_before_there_were_signatures_are_no_alarm(folder: Folder) -> None:
    folder.path.mkdir()
    began = datetime(2023, 1, 1, tzinfo=UTC)
    for hour in range(300):
        name = artifact_name(began + timedelta(hours=hour), "rdb", "")
        (folder.path / name).write_bytes(b"content")
        (folder.path / (name + MANIFEST_SUFFIX)).write_bytes(to_json(manifest_of(name, b"content")))
    assert (len(catalogue.read(folder).listed), amiss(folder)) == (300, [])
    store(folder, NAME, OTHER)
    assert (len(catalogue.read(folder).listed), amiss(folder)) == (302, [])
    prune(settings_of(folder), PruneArguments(keep=10), silent)
    contents = catalogue.read(folder)
    assert (len(contents.listed), amiss(folder), contents.problems, contents.warnings) == (10, [], [], [])


def test_a_machine_that_was_set_back_goes_on_without_an_alarm(folder: Folder, machine: Path, tmp_path: Path) -> None:
    store(folder, NAME, OTHER)
    shutil.copytree(machine, tmp_path / "snapshot")
    store(folder, THIRD)
    catalogue.remove(folder, NAME)
    shutil.rmtree(machine)
    (tmp_path / "snapshot").rename(machine)
    assert amiss(folder) == []
    store(folder, NAMES[3])
    assert amiss(folder) == []
    chains = [catalogue.get(folder, name).chain for name in (OTHER, THIRD, NAMES[3])]
    assert (chains[0] == chains[1], chains[1] == chains[2]) == (True, False)
    steal(folder, THIRD)
    assert amiss(folder) == [THIRD]


def test_where_nothing_can_be_put_on_record_a_backup_is_deleted_all_the_same(folder: Folder, machine: Path) -> None:
    store(folder, NAME, OTHER)
    path = journal.shelf(load(), folder).path
    (in_the_way := path.with_name(f".{path.name}.{threading.get_native_id()}")).mkdir()
    catalogue.remove(folder, NAME)
    assert not (folder.path / NAME).exists()
    in_the_way.rmdir()
    assert delete(settings_of(folder), DeleteArguments(name=NAME, now=True))["deleted"] == NAME
    assert amiss(folder) == []


def test_a_journal_that_is_damaged_is_begun_anew(folder: Folder) -> None:
    store(folder, NAME, OTHER)
    catalogue.remove(folder, NAME)
    path = journal.shelf(load(), folder).path
    path.write_bytes(path.read_bytes()[:-30])
    assert amiss(folder) == []
    store(folder, THIRD)
    assert ([one.name for one in catalogue.read(folder).listed], amiss(folder)) == ([THIRD, OTHER], [])


def test_a_verification_says_whose_signature_it_is(folder: Folder) -> None:
    raw = b"REDIS0009\xff" + bytes(8)
    folder.put(NAME, raw)
    catalogue.add(folder, manifest_of(NAME, raw, keys=0, keys_by_db={}))
    told = verify(settings_of(folder), VerifyArguments(name=NAME), silent)
    assert (told["signature"], told["signer"]) == ("own", keys.own(load()).public)


def test_what_a_killed_run_left_on_its_way_is_watched_over_after_the_next_prune(folder: Folder) -> None:
    store(folder, NAME)

    def work() -> None:
        dying("rename", 2)  # the first puts the number on record, the second that the manifest has arrived
        store(folder, OTHER)

    assert killed(work)
    assert ([entry.name for entry in kept(folder).coming.values()], amiss(folder)) == ([OTHER], [])
    prune(settings_of(folder), PruneArguments(), silent)
    assert (kept(folder).coming, sorted(kept(folder).live)) == ({}, [1, 2])
    steal(folder, OTHER)
    assert amiss(folder) == [OTHER]


# Killed at any step.

STEPS = ["rename", "fsync", "open", "write", "link", "unlink", "close"]


def dying(call: str, nth: int) -> None:
    """From now on this process is killed right before the nth time that it calls this function of `os`."""
    real, calls = getattr(os, call), count(1)

    def instead(*arguments: Any, **more: Any) -> Any:
        if next(calls) == nth:
            kill_myself()
        return real(*arguments, **more)

    setattr(os, call, instead)


@sweep("work, call", [(work, call) for call in STEPS for work in ("made", "deleted")])
def test_a_run_that_is_killed_at_any_step_is_no_alarm_here_nor_elsewhere(
    work: str, call: str, folder: Folder, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(folder, NAME, OTHER)
    catalogue.remove(folder, NAME)
    deaths = 0
    for nth, name in zip(range(1, 40), NAMES[2:], strict=False):
        if work == "deleted":
            store(folder, name)

        def run(nth: int = nth, name: str = name) -> None:
            dying(call, nth)
            if work == "made":
                store(folder, name)
            else:
                catalogue.remove(folder, name)

        died = killed(run)
        deaths += died
        for where in (machine, tmp_path / "empty"):
            become(where, monkeypatch)
            assert amiss(folder) == [], f"{call} {nth}"
        become(machine, monkeypatch)
        prune(settings_of(folder), PruneArguments(keep=50), silent)
        assert amiss(folder) == []
        if not died:
            break
    assert not died
    assert deaths >= (call in ("fsync", "rename"))
    # What is there by now is still watched over.
    left = [one.name for one in catalogue.read(folder).listed]
    assert OTHER in left
    steal(folder, OTHER)
    assert amiss(folder) == [OTHER]


def test_many_that_store_and_delete_at_once_are_no_alarm_to_anybody_who_looks_meanwhile(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(folder, NAME)
    catalogue.remove(folder, NAME)
    context = get_context("fork")

    def work(part: int) -> None:
        for name in NAMES[1 + part : 41 : 4]:
            store(folder, name)
            if int(name[-6]) % 2:
                catalogue.remove(folder, name)

    workers = [context.Process(target=work, args=(part,)) for part in range(4)]
    for worker in workers:
        worker.start()
    looks = 0
    while any(worker.is_alive() for worker in workers) or looks < 2:
        assert amiss(folder) == []
        looks += 1
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    become(tmp_path / "empty", monkeypatch)
    assert amiss(folder) == []
    become(tmp_path / "state", monkeypatch)
    listed = [one.name for one in catalogue.read(folder).listed]
    numbers = [catalogue.get(folder, name).sequence for name in listed]
    assert (len(listed), len(set(numbers)), kept(folder).head) == (20, 20, 41)
    for name in listed[::3]:
        steal(folder, name)
    assert amiss(folder) == sorted(listed[::3])
