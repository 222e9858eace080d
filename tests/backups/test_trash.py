"""What is deleted lies in the trash, from where it is put back, until a prune empties that; and what no token can do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.backups.given import DUMP, NAME, stored
from tests.conftest import StartServer
from tests.support.backups import files, manifest_of, partial_of
from tests.support.servers import Binary
from worker.arguments.backups import (
    DeleteArguments,
    PinArguments,
    PruneArguments,
    PutBackArguments,
    UnpinArguments,
    VerifyArguments,
)
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.pin import pin, unpin
from worker.backups.prune import prune
from worker.backups.stats import stats
from worker.backups.trash import delete, put_back
from worker.backups.verify import verify
from worker.broker import lock
from worker.config.settings import Settings
from worker.errors import BusyError, NotFoundError, RefusedError, StorageError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.behalf import acting_for
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest, Origin, artifact_name
from worker.restore.restore import restore
from worker.search.search import search
from worker.storage.local import Folder

TOKEN = "token ci"
HERE = Origin(address="here:6379")


@pytest.fixture
def broker_settings(settings: Settings, start_server: StartServer, newest: Binary) -> Settings:
    """The same, with a broker: without one there is no lock."""
    return settings.model_copy(update={"celery_broker_url": start_server(newest).url})


def name_of(day: int) -> str:
    return f"redis_backup_202312{day:02}_143022.rdb"


def given(storage: Path, day: int, **more: Any) -> str:
    """A backup of that day, of one source."""
    manifest = manifest_of(name_of(day), DUMP, **{"source": HERE, **more})
    return kept(storage, manifest)


def kept(storage: Path, manifest: Manifest) -> str:
    Folder(storage).put(manifest.name, DUMP)
    catalogue.add(Folder(storage), manifest)
    return manifest.name


def backed_up_twice(storage: Path, *, days_ago: float = 0) -> list[str]:
    """Of another source: what bears a clock out that says how late it is. The names, newest first."""
    now = datetime.now(UTC) - timedelta(days=days_ago)
    moments = [now - timedelta(seconds=10 * number) for number in range(2)]
    there: dict[str, Any] = {"source": Origin(address="there:6379")}
    return [kept(storage, manifest_of(artifact_name(at, "rdb", ""), DUMP, created_at=at, **there)) for at in moments]


def deleted(settings: Settings, name: str, by: str = "admin", *, days_ago: float = 0) -> dict[str, Any]:
    with acting_for(by):
        told = delete(settings, DeleteArguments(name=name))
    if days_ago:
        at = datetime.now(UTC) - timedelta(days=days_ago)
        catalogue.note(Folder(Path(settings.backup_storage)), name, deleted_at=at)
    return told


def pruned(settings: Settings, by: str = "admin", **arguments: Any) -> dict[str, list[str]]:
    """The names of what became of which."""
    with acting_for(by):
        told = prune(settings, PruneArguments(**arguments), silent)
    return {how: [one["name"] for one in told[how]] for how in ("deleted", "trashed", "emptied", "kept")}


def listed(storage: Path) -> list[str]:
    return [one.name for one in catalogue.read(Folder(storage)).listed]


def in_trash(storage: Path) -> list[str]:
    return [one.name for one in catalogue.read(Folder(storage)).trash]


def test_what_is_deleted_is_as_if_it_were_gone_until_it_is_put_back(settings: Settings, storage: Path) -> None:
    stored(storage, DUMP)
    older = given(storage, 4)
    told = deleted(settings, NAME)
    assert told == {"deleted": NAME, "trash_days": 7, "freed_bytes": 0}
    found = catalogue.read(Folder(storage))
    assert [one.name for one in found.listed] == [older]
    assert (found.problems, found.warnings) == ([], [])
    assert (found.trash[0].name, found.trash[0].deleted_by, found.trash[0].bytes) == (NAME, "admin", len(DUMP))
    assert catalogue.get(Folder(storage), "latest").name == older
    numbers = stats(settings)
    assert (numbers["count"], numbers["bytes"]) == (1, len(DUMP))
    assert numbers["trash"] == {"count": 1, "bytes": len(DUMP)}
    looked = search(settings, SearchArguments(match="k*", live=False), silent)
    assert NAME not in str(looked)
    with pytest.raises(RefusedError, match="lies in the trash: put it back first"):
        restore(settings, RestoreArguments(name=NAME), silent)
    with pytest.raises(RefusedError, match="lies in the trash: put it back first"):
        verify(settings, VerifyArguments(name=NAME), silent)
    with pytest.raises(RefusedError, match="lies in the trash already"):
        deleted(settings, NAME)
    assert put_back(settings, PutBackArguments(name=NAME)) == {"put_back": NAME, "warnings": []}
    assert listed(storage) == [NAME, older]
    assert in_trash(storage) == []
    assert verify(settings, VerifyArguments(name=NAME), silent)["keys"] == 20
    with pytest.raises(RefusedError, match="does not lie in the trash"):
        put_back(settings, PutBackArguments(name=NAME))
    with pytest.raises(NotFoundError):
        put_back(settings, PutBackArguments(name=name_of(30)))


def test_the_trash_is_emptied_of_what_lay_there_for_its_days_and_of_nothing_else(
    settings: Settings, storage: Path
) -> None:
    old, young, left = (given(storage, day) for day in (1, 2, 3))
    others = backed_up_twice(storage)
    deleted(settings, old, days_ago=7.01)
    deleted(settings, young, days_ago=6.99)
    dry = prune(settings, PruneArguments(dry_run=True), silent)
    assert set(in_trash(storage)) == {old, young}
    told = prune(settings, PruneArguments(), silent)
    assert {**dry, "dry_run": False} == told
    assert [one["name"] for one in told["emptied"]] == [old]
    assert (told["deleted"], told["swept"], told["freed_bytes"]) == ([], [], len(DUMP))
    assert not [name for name in files(storage) if name.startswith(old)]
    assert in_trash(storage) == [young]
    assert [one["name"] for one in told["kept"]] == [*others, left]


def test_a_clock_that_is_set_forward_empties_no_trash(settings: Settings, storage: Path) -> None:
    """Neither alone, nor with the backup that is made at once because the last one looks old."""
    given(storage, 1)
    name = given(storage, 2)
    deleted(settings, name, days_ago=8)
    backed_up_twice(storage, days_ago=7)
    for another in (False, True):
        if another:
            at = datetime.now(UTC) - timedelta(hours=1)
            kept(storage, manifest_of(artifact_name(at, "rdb", ""), DUMP, created_at=at, source=HERE))
        told = prune(settings, PruneArguments(dry_run=True), silent)
        assert told == prune(settings, PruneArguments(), silent) | {"dry_run": True}
        assert told["emptied"] == []
        assert (
            "1 backup lies in the trash whose days are over by the clock of this machine alone" in told["warnings"][0]
        )
        assert in_trash(storage) == [name]
    backed_up_twice(storage)
    told = prune(settings, PruneArguments(), silent)
    assert ([one["name"] for one in told["emptied"]], told["warnings"]) == ([name], [])


def test_what_was_deleted_in_the_future_stays(settings: Settings, storage: Path) -> None:
    """By a clock that was ahead then, and is right again."""
    name = given(storage, 1)
    deleted(settings, name, days_ago=-30)
    backed_up_twice(storage)
    assert pruned(settings)["emptied"] == []
    assert pruned(settings.model_copy(update={"backup_trash_days": 0}))["emptied"] == []
    assert in_trash(storage) == [name]


def test_what_lies_in_the_trash_counts_for_no_number_that_is_kept(settings: Settings, storage: Path) -> None:
    newest, *others = (given(storage, day) for day in (9, 8, 7, 6))
    deleted(settings, newest)
    assert pruned(settings, keep=2)["kept"] == others[:2]
    assert in_trash(storage) == [newest]
    told = put_back(settings, PutBackArguments(name=newest))
    assert told["warnings"] == []


def test_who_puts_back_what_retention_gives_up_is_told(settings: Settings, storage: Path) -> None:
    oldest = given(storage, 1)
    deleted(settings, oldest)
    for day in range(2, 9):
        given(storage, day)
    (warning,) = put_back(settings, PutBackArguments(name=oldest))["warnings"]
    assert warning.startswith("The next prune deletes it, unless it is pinned")
    assert pruned(settings)["deleted"] == [oldest]


def test_without_a_trash_and_with_now_it_is_gone_at_once(settings: Settings, storage: Path) -> None:
    first, second = given(storage, 1), given(storage, 2)
    none = settings.model_copy(update={"backup_trash_days": 0})
    assert delete(none, DeleteArguments(name=first)) == {"deleted": first, "trash_days": 0, "freed_bytes": len(DUMP)}
    deleted(settings, second)
    assert delete(settings, DeleteArguments(name=second, now=True))["freed_bytes"] == len(DUMP)
    assert files(storage) == []


@pytest.mark.parametrize("harm", ["manifest", "artifact", "cut"])
def test_what_is_damaged_can_be_deleted_and_put_back_too(settings: Settings, storage: Path, harm: str) -> None:
    name = given(storage, 1)
    if harm == "manifest":
        (storage / (name + MANIFEST_SUFFIX)).write_text("{")
    elif harm == "cut":
        (storage / name).write_bytes(DUMP[:-1])
    else:
        (storage / name).unlink()
    problems = catalogue.read(Folder(storage)).problems
    assert len(problems) == 1
    deleted(settings, name)
    found = catalogue.read(Folder(storage))
    assert (found.problems, found.damaged, [one.name for one in found.trash]) == ([], [], [name])
    assert pruned(settings) == {"deleted": [], "trashed": [], "emptied": [], "kept": []}
    put_back(settings, PutBackArguments(name=name))
    assert catalogue.read(Folder(storage)).problems == problems
    deleted(settings, name, days_ago=8)
    backed_up_twice(storage)
    assert pruned(settings)["emptied"] == [name]
    assert not [one for one in files(storage) if one.startswith(name)]


def test_what_cannot_be_noted_is_not_deleted_and_says_what_frees_room(
    settings: Settings, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = given(storage, 1)

    def full(*_: Any, **__: Any) -> None:
        raise StorageError("The storage is full: free some space.")

    monkeypatch.setattr(Folder, "put", full)
    with pytest.raises(StorageError, match=f"Nothing was deleted.*delete --now {name}"):
        delete(settings, DeleteArguments(name=name))
    assert listed(storage) == [name]
    delete(settings, DeleteArguments(name=name, now=True))
    assert files(storage) == []


def test_a_token_cannot_delete_the_last_good_backup_of_a_source(settings: Settings, storage: Path) -> None:
    """Whoever stole it deletes all that there is, by name."""
    names = [given(storage, day) for day in range(1, 6)]
    for name in names[1:]:
        deleted(settings, name, TOKEN)
    with pytest.raises(RefusedError, match="the last good backup of here:6379, and no token may delete that"):
        deleted(settings, names[0], TOKEN)
    with pytest.raises(RefusedError, match="No token may delete a backup past the trash"), acting_for(TOKEN):
        delete(settings, DeleteArguments(name=names[1], now=True))
    assert listed(storage) == names[:1]
    assert set(in_trash(storage)) == set(names[1:])
    for name in names[1:]:
        put_back(settings, PutBackArguments(name=name))
    assert set(listed(storage)) == set(names)
    for by, name in zip(("admin", "shell ann@there", "beat daily", "celery", "admin"), names, strict=True):
        deleted(settings, name, by)
    assert listed(storage) == []


@pytest.mark.parametrize(
    "other",
    [
        {"keys": 0, "keys_by_db": {}},
        {"source": Origin(address="there:6379")},
        {"source": Origin(address="here:6379", databases=[3])},
        {"kind": "partial", "warnings": ["It is partial."]},
        {"kind": "part", "warnings": ["It is a part."]},
        {"kind": "adopted"},
        {"kind": "undo"},
    ],
    ids=lambda other: " ".join(map(str, other)),
)
def test_nothing_stands_for_the_last_good_backup_but_another_of_the_same(
    settings: Settings, storage: Path, other: dict[str, Any]
) -> None:
    name = given(storage, 1)
    given(storage, 2, **other)
    with pytest.raises(RefusedError, match="the last good backup"):
        deleted(settings, name, TOKEN)
    given(storage, 3)
    deleted(settings, name, TOKEN)


def test_what_is_dated_in_the_future_stands_for_nothing(settings: Settings, storage: Path) -> None:
    name = given(storage, 1)
    kept(storage, manifest_of("redis_backup_20991231_235959.rdb", DUMP, source=HERE))
    with pytest.raises(RefusedError, match="the last good backup"):
        deleted(settings, name, TOKEN)


def test_a_partial_backup_is_no_good_one(settings: Settings, storage: Path) -> None:
    name = kept(storage, partial_of(name_of(1), DUMP))
    deleted(settings, name, TOKEN)
    assert in_trash(storage) == [name]


def test_two_tokens_that_delete_at_once_do_not_take_the_last_two(
    settings: Settings, storage: Path, broker_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would see the other's backup, and call its own not the last."""
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0)
    first, second = given(storage, 1), given(storage, 2)
    with lock.held(broker_settings, f"storage {Folder(storage).place}"):
        with pytest.raises(BusyError):
            deleted(broker_settings, first, TOKEN)
        with pytest.raises(BusyError):
            put_back(broker_settings, PutBackArguments(name=second))
    assert in_trash(storage) == []


def test_a_token_that_asks_to_keep_one_moves_to_the_trash_what_the_settings_keep(
    settings: Settings, storage: Path
) -> None:
    """Whoever stole it prunes all but one."""
    names = [given(storage, day) for day in range(1, 11)]
    dry = pruned(settings, TOKEN, keep=1, keep_manual=1, dry_run=True)
    told = pruned(settings, TOKEN, keep=1, keep_manual=1)
    assert dry == told
    assert told["kept"] == names[9:]
    assert told["trashed"] == names[8:2:-1]
    assert told["deleted"] == names[2::-1], "what the settings give up goes as it always did"
    assert catalogue.read(Folder(storage)).trash[0].deleted_by == TOKEN
    for name in told["trashed"]:
        put_back(settings, PutBackArguments(name=name))
    assert listed(storage) == names[:2:-1]
    assert pruned(settings, keep=1)["deleted"] == names[8:2:-1], "the admin's word is the last one"


def test_what_was_unpinned_goes_by_the_trash(settings: Settings, storage: Path) -> None:
    """Whoever stole a token that may restore unpins all that was to be kept for years, and waits for a prune."""
    for_years = given(storage, 1)
    pin(settings, PinArguments(name=for_years, why="the end of the year"))
    for day in range(2, 9):
        given(storage, day)
    with acting_for(TOKEN):
        unpin(settings, UnpinArguments(name=for_years))
    told = pruned(settings, "beat prune")
    assert (told["deleted"], told["trashed"]) == ([], [for_years])
    put_back(settings, PutBackArguments(name=for_years))
    assert listed(storage)[-1] == for_years


def test_a_token_cannot_fill_the_storage_by_making_backups_and_deleting_them(settings: Settings, storage: Path) -> None:
    own = {"trigger": "manual", "asked_by": TOKEN}
    old, *others = [given(storage, day) for day in range(1, 10)]
    deleted(settings, old, days_ago=8)
    _, elsewhere = backed_up_twice(storage)
    for name in others:
        deleted(settings, name)
    made = [given(storage, day, **own) for day in range(10, 21)]
    for name, ago in zip(made[:-1], range(10, 0, -1), strict=True):
        deleted(settings, name, TOKEN, days_ago=ago / 100)
    told = pruned(settings, f"{TOKEN}, after the backup", made_by=TOKEN)
    assert told["emptied"] == made[2::-1], "the first deleted of its own, and nothing of others, go"
    assert pruned(settings, TOKEN, keep=1, keep_manual=1)["emptied"] == [old], "it is no number that can be asked for"
    assert set(in_trash(storage)) == {*others, *made[3:-1], elsewhere}


def test_an_undo_in_the_trash_is_said_to_lie_there(settings: Settings, storage: Path) -> None:
    name = given(storage, 1, kind="undo", undoes="a-run", restored=name_of(30))
    deleted(settings, name, TOKEN)
    for run in (name, "a-run"):
        with pytest.raises(RefusedError, match=f"{name} was deleted on .* and lies in the trash: put it back first"):
            catalogue.undo_of(Folder(storage), run)
    put_back(settings, PutBackArguments(name=name))
    assert catalogue.undo_of(Folder(storage), "a-run").name == name


def test_no_sweep_takes_what_lies_in_the_trash(settings: Settings, storage: Path) -> None:
    name = given(storage, 1)
    deleted(settings, name)
    (storage / f"{name}.index").write_bytes(b"x")
    before = files(storage)
    assert prune(settings, PruneArguments(), silent)["swept"] == []
    assert files(storage) == before


def test_damaged_notes_bring_a_deleted_backup_back(settings: Settings, storage: Path) -> None:
    name = given(storage, 1)
    deleted(settings, name)
    (storage / f"{name}.notes.json").write_text("{")
    found = catalogue.read(Folder(storage))
    assert ([one.name for one in found.listed], found.trash) == ([name], [])
    assert found.listed[0].pinned
