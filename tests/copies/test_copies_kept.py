"""How many are kept where: each storage by its own number, and home fewer once the others hold them."""

from pathlib import Path
from typing import Any

import pytest

from tests.copies.given import CONTENT, NO_BROKER, copied, folder, names, settings_of, take_ago
from tests.support.processes import Shell
from worker.arguments.backups import PinArguments, PruneArguments, UnpinArguments
from worker.backups.pin import pin, unpin
from worker.backups.prune import prune
from worker.config.settings import Settings
from worker.errors import UsageError
from worker.progress import silent
from worker.repository import catalogue
from worker.storage.local import Folder


def taken(home: Folder, *hours: float, **more: Any) -> list[str]:
    """Backups of so many hours ago, in that order."""
    return [take_ago(home, ago, **more) for ago in hours]


def pruned(settings: Settings, **arguments: Any) -> dict[str, Any]:
    return prune(settings, PruneArguments(**arguments), silent)


def test_home_gives_up_what_lies_in_each_other_storage_and_nothing_else(
    tmp_path: Path, home: Folder, there: Folder
) -> None:
    second = folder(tmp_path / "second")
    settings = settings_of(home, there, second, backup_local_keep=1)
    young, half, whole = taken(home, 1, 2, 3)
    copied(settings, half, str(there))
    copied(settings, whole)
    copied(settings, young)
    report = pruned(settings)
    assert [gone["name"] for gone in report["deleted"]] == [whole]
    assert {kept["name"]: kept["reason"] for kept in report["kept"]}[half] == f"it does not lie in {second} yet"
    assert (names(home), names(there), names(second)) == ([young, half], [young, half, whole], [young, whole])
    copied(settings, half)
    assert [gone["name"] for gone in pruned(settings)["deleted"]] == [half]
    assert (names(home), names(second)) == ([young], [young, half, whole])


def test_nothing_goes_from_home_while_another_storage_cannot_be_looked_into(home: Folder, there: Folder) -> None:
    settings = settings_of(home, there, backup_local_keep=1)
    young, old = taken(home, 1, 2)
    for name in (young, old):
        copied(settings, name)
    there.path.rename(there.path.with_name("unmounted"))
    report = pruned(settings)
    assert (report["deleted"], names(home)) == ([], [young, old])
    assert [kept["reason"] for kept in report["kept"]][1] == f"nobody can tell whether it lies in {there}"
    (copies,) = report["copies"]
    assert copies["error"].startswith(f"The copies in {there} were not pruned. The folder {there} is not there")
    assert copies["error"] in report["warnings"]


@pytest.mark.parametrize("fault", ["short", "in the trash", "another", "without a manifest"])
def test_what_is_not_whole_there_does_not_count(fault: str, home: Folder, there: Folder) -> None:
    settings = settings_of(home, there, backup_local_keep=1)
    young, old = taken(home, 1, 2)
    for name in (young, old):
        copied(settings, name)
    if fault == "short":
        (there.path / old).write_bytes(CONTENT[:-1])
    elif fault == "in the trash":
        from worker.arguments.backups import DeleteArguments  # noqa: PLC0415
        from worker.backups.trash import delete  # noqa: PLC0415

        delete(settings_of(there), DeleteArguments(name=old))
    elif fault == "another":
        manifest = catalogue.get(there, old)
        catalogue.remove(there, old)
        there.put(old, CONTENT[::-1])
        catalogue.add(there, manifest.model_copy(update={"sha256": "0" * 64}))
    else:
        (there.path / f"{old}.manifest.json").unlink()
    assert (pruned(settings)["deleted"], names(home)) == ([], [young, old])


def test_each_other_storage_keeps_its_own_number_and_all_that_home_has(home: Folder, there: Folder) -> None:
    settings = settings_of(home, there, backup_keep=2, backup_copies_keep=3)
    for hours in (6, 5, 4, 3, 2):
        copied(settings, take_ago(home, hours))
        report = pruned(settings)
    lying = names(there)
    assert (len(names(home)), len(lying), lying[:2]) == (2, 3, names(home))
    (copies,) = report["copies"]
    assert (copies["where"], len(copies["deleted"]), copies["kept_total"]) == (str(there), 1, 3)
    assert copies["deleted"][0]["reason"] == "older than the 3 newest of the schedule"


def test_what_is_pinned_at_home_stays_there_also_when_home_is_lost(home: Folder, there: Folder) -> None:
    settings = settings_of(home, there, backup_keep=1, backup_copies_keep=1)
    old, young = taken(home, 3, 1)
    for name in (old, young):
        copied(settings, name)
    pin(settings, PinArguments(name=old, why="the audit"))
    assert (pruned(settings)["copies"][0]["deleted"], names(there)) == ([], [young, old])
    catalogue.remove(home, old)
    assert (pruned(settings)["copies"][0]["deleted"], names(there)) == ([], [young, old])
    assert catalogue.get(there, old).pin_reason == "the audit"


def test_what_was_unpinned_goes_by_the_trash_there_too(home: Folder, there: Folder) -> None:
    settings = settings_of(home, there, backup_keep=1, backup_copies_keep=1)
    old, young = taken(home, 3, 1)
    for name in (old, young):
        copied(settings, name)
    pin(settings, PinArguments(name=old, why="the audit"))
    pruned(settings)
    unpin(settings, UnpinArguments(name=old))
    pruned(settings.model_copy(update={"backup_keep": 2, "backup_copies_keep": 2}))
    assert not catalogue.get(there, old).pinned
    assert [gone["name"] for gone in pruned(settings)["trashed"]] == [old]
    assert names(there) == [young, old]  # for as long as it lies in the trash at home
    catalogue.remove(home, old)
    assert [gone["name"] for gone in pruned(settings)["copies"][0]["trashed"]] == [old]


def test_of_a_home_that_is_not_there_nothing_follows(home: Folder, there: Folder) -> None:
    settings = settings_of(home, there, backup_keep=1, backup_copies_keep=1)
    for hours in (3, 2, 1):
        copied(settings, take_ago(home, hours))
    home.path.rename(home.path.with_name("unmounted"))
    assert (pruned(settings)["copies"], len(names(there))) == ([], 3)


def test_the_last_good_one_stays_there_however_many_empty_ones_come(home: Folder, there: Folder) -> None:
    settings = settings_of(home, there, backup_keep=1, backup_copies_keep=1)
    (good,) = taken(home, 5)
    copied(settings, good)
    catalogue.remove(home, good)
    for hours in (3, 2):
        copied(settings, take_ago(home, hours, keys=0, keys_by_db={}))
    pruned(settings)
    assert good in names(there)


def test_nothing_goes_there_before_what_pushes_it_out_was_read_back(home: Folder, there: Folder) -> None:
    settings = settings_of(home, there, backup_keep=1, backup_copies_keep=1)
    old, young = taken(home, 3, 1)
    for name in (old, young):
        copied(settings, name)
    catalogue.remove(home, old)
    (there.path / young).write_bytes(CONTENT[::-1])
    (copies,) = pruned(settings)["copies"]
    assert "has changed since it was written" in copies["error"]
    assert {file.name for file in there.files()} >= {old, young}


def test_a_dry_run_says_what_would_go_and_a_token_prunes_at_home_alone(home: Folder, there: Folder) -> None:
    settings = settings_of(home, there, backup_keep=1, backup_copies_keep=1)
    old, young = taken(home, 3, 1)
    for name in (old, young):
        copied(settings, name)
    catalogue.remove(home, old)
    assert [gone["name"] for gone in pruned(settings, dry_run=True)["copies"][0]["deleted"]] == [old]
    assert pruned(settings, made_by="token ci")["copies"] == []
    assert pruned(settings, keep=1)["copies"][0]["deleted"] != []
    assert names(there) == [young]


def test_a_shell_says_what_went_where(home: Folder, there: Folder, tmp_path: Path) -> None:
    settings = settings_of(home, there)
    old, young = taken(home, 3, 1)
    for name in (old, young):
        copied(settings, name)
    shell = Shell(NO_BROKER, home.path, tmp_path)
    known = {"BACKUP_COPIES": str(there), "BACKUP_LOCAL_KEEP": "1"}
    shown = shell("prune", preexec=None, **known)
    assert shown.code == 0, shown.err
    assert f"deleted: {old} (older than the 1 newest of the schedule)" in shown.out
    assert f"2 backups kept in {there}, 0 deleted" in shown.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"backup_local_keep": 1}, "must not be set without BACKUP_COPIES"),
        ({"backup_keep": 3, "backup_copies_keep": 2}, "must be at least BACKUP_KEEP"),
    ],
)
def test_numbers_that_cannot_be_are_refused_at_the_start(
    more: dict[str, int], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker.config.settings import load  # noqa: PLC0415

    for name, value in more.items():
        monkeypatch.setenv(name.upper(), str(value))
    load.cache_clear()
    with pytest.raises(UsageError, match=said):
        load()
    load.cache_clear()
