"""What every member of the family of storages does, a folder and one that knows no path; and that all verbs ask for no more."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import fill_all, settings_for, wipe
from tests.support.memory import SCHEME, Memory
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from web.api.metrics import exposition
from worker.arguments.backups import (
    BackupArguments,
    DeleteArguments,
    PinArguments,
    PruneArguments,
    PutBackArguments,
    VerifyArguments,
)
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.backups.backup import backup
from worker.backups.pin import pin
from worker.backups.prune import prune
from worker.backups.repair import repair
from worker.backups.stats import stats
from worker.backups.trash import delete, put_back
from worker.backups.verify import verify
from worker.cli.stats import view_of as show_numbers
from worker.config.settings import Settings
from worker.errors import NotFoundError, StorageError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import INDEX_SUFFIX, MANIFEST_SUFFIX, Manifest
from worker.repository.signing.ledger import is_ledger
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.restore.undo.undo import undo
from worker.search.search import search
from worker.storage import MEMBERS, Storage, open_storage
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"
OTHER = "redis_backup_20231205_143023.rdb"


NEAR, AWAY = ["folder", SCHEME, "s3"], ["gs", "az", "sftp", "webdav", "gdrive", "rclone"]
QUICK = ["gs", "sftp"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Through those further away the verbs take their time, and few of them are tried each time."""
    if "storage" in metafunc.fixturenames:
        is_long = "settings" in metafunc.fixturenames
        rest = [pytest.param(one, marks=pytest.mark.slow if is_long or one not in QUICK else ()) for one in AWAY]
        metafunc.parametrize("storage", [*NEAR, *rest], indirect=True)


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    if request.param == "folder":
        return Folder(tmp_path / "backups")
    if request.param in ("s3", *AWAY):
        found: Storage = request.getfixturevalue(f"in_{request.param}")
        return found
    memory = Memory(f"{SCHEME}://{tmp_path.name}")
    monkeypatch.setitem(MEMBERS, SCHEME, lambda _: memory)
    return memory


@pytest.fixture
def source(newest: Binary, start_server: StartServer) -> Server:
    """One server is enough where only storages differ."""
    return fill_all(start_server(newest))


@pytest.fixture
def settings(source: Server, storage: Storage) -> Settings:
    return settings_for(source, Path("unused")).model_copy(update={"backup_storage": str(storage)})


def names(storage: Storage) -> list[str]:
    """All of them, but for what tells others what was signed and deleted there."""
    return [file.name for file in storage.files() if not is_ledger(file.name)]


def version(storage: Storage, name: str) -> Any:
    return next(file.version for file in storage.files() if file.name == name)


def test_it_is_opened_by_its_address_and_both_are_one(storage: Storage) -> None:
    again = open_storage(str(storage))
    assert (again, hash(again), again.place) == (storage, hash(storage), storage.place)


def test_nothing_is_seen_of_a_draft_that_is_not_published(storage: Storage) -> None:
    with storage.draft([NAME]) as draft:
        draft.write(b"half")
        assert names(storage) == []
    assert names(storage) == []


def test_a_draft_takes_the_first_name_that_is_free(storage: Storage) -> None:
    storage.put(NAME, b"first")
    with storage.draft([NAME, OTHER]) as draft:
        draft.write(b"one ")
        draft.write(b"two")
        draft.publish()
    assert (draft.name, storage.read(NAME), storage.read(OTHER)) == (OTHER, b"first", b"one two")
    with pytest.raises(StorageError, match="No free name"), storage.draft([NAME, OTHER]):
        raise AssertionError


def test_what_was_published_goes_with_the_work_that_fails(storage: Storage) -> None:
    with suppress(ZeroDivisionError), storage.draft([NAME]) as draft:
        draft.publish()
        raise ZeroDivisionError
    assert names(storage) == []


def test_nothing_is_shown_that_is_not_proven(storage: Storage) -> None:
    def refuse() -> None:
        raise ZeroDivisionError

    with suppress(ZeroDivisionError):
        storage.put(NAME, b"content", prove=refuse)
    assert names(storage) == []


def test_an_existing_file_is_only_replaced_where_that_is_said(storage: Storage) -> None:
    storage.put(NAME, b"first")
    with pytest.raises(StorageError):
        storage.put(NAME, b"second")
    assert storage.read(NAME) == b"first"
    storage.put(NAME, b"second", replace=True)
    assert storage.read(NAME) == b"second"
    with pytest.raises(NotFoundError):
        storage.put(OTHER, b"new", replace=True)


def test_a_stream_gives_the_bytes_once_and_a_fetched_file_again(storage: Storage) -> None:
    storage.put(NAME, b"content")
    with storage.open(NAME) as stream:
        assert (stream.read(3), stream.read(), stream.read(1)) == (b"con", b"tent", b"")
        assert not hasattr(stream, "seek")
    with storage.fetch(NAME) as file:
        storage.delete(NAME, [])
        assert (file.read(), file.seek(1), file.read(3)) == (b"content", 1, b"ont")


@pytest.mark.parametrize("ask", ["open", "fetch", "read"])
def test_what_is_not_there_is_not_found(storage: Storage, ask: str) -> None:
    with pytest.raises(NotFoundError):
        getattr(storage, ask)(NAME)


def test_a_small_file_is_read_up_to_its_limit(storage: Storage) -> None:
    storage.put(NAME, b"12345")
    assert storage.read(NAME, limit=5) == b"12345"
    with pytest.raises(StorageError, match="larger than"):
        storage.read(NAME, limit=4)


def test_files_come_by_name_with_their_sizes_and_another_content_has_another_version(storage: Storage) -> None:
    storage.put(OTHER, b"12")
    storage.put(NAME, b"1")
    assert [(file.name, file.size) for file in storage.files()] == [(NAME, 1), (OTHER, 2)]
    before = version(storage, NAME)
    storage.put(NAME, b"2", replace=True)
    # What nobody can tell yet is None, which is not to be remembered.
    assert version(storage, NAME) is None or version(storage, NAME) != before


def test_a_record_goes_with_its_files_and_what_is_gone_cannot_be_locked(storage: Storage) -> None:
    for name in (NAME, OTHER):
        storage.put(name, b"content")
    with storage.locked(NAME):
        assert names(storage) == [NAME, OTHER]
    storage.delete(NAME, [OTHER, "not_there"])
    assert names(storage) == []
    with pytest.raises(NotFoundError):
        storage.delete(NAME, [])
    with pytest.raises(NotFoundError), storage.locked(NAME):
        raise AssertionError


def made(settings: Settings, **arguments: Any) -> Manifest:
    return Manifest.model_validate(backup(settings, BackupArguments(**arguments), silent))


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_every_verb_works_through_it(source: Server, storage: Storage, settings: Settings, data_format: str) -> None:
    times, client = data_format == "rdb", source.client()
    before = state(source, times=times)
    name = made(settings, format=data_format).name
    assert verify(settings, VerifyArguments(name="latest"), silent)["warnings"] == []
    (listed,) = catalogue.read(storage).backups
    assert (listed.name, listed.verified_at is not None) == (name, True)

    wipe(source)
    client.set("new", "since")
    there = state(source, times=times)
    seen = preview(settings, PreviewArguments(name=name, mode="overwrite"), silent)
    assert seen["refusal"] is None
    report = restore(settings, RestoreArguments(name=name, mode="overwrite"), silent)
    assert (report["failed"], report["restored"]) == (0, listed.keys)
    client.delete("new")
    assert_same(before, state(source, times=times))

    client.set("new", "since")
    undo(settings, UndoArguments(run=report["undo"]["name"]), silent)
    assert_same(there, state(source, times=times))
    restore(settings, RestoreArguments(name=name, mode="mirror"), silent)
    assert_same(before, state(source, times=times))


def test_a_key_is_found_through_it_with_and_without_its_index(
    source: Server, storage: Storage, settings: Settings
) -> None:
    source.client().set("wanted", "1")
    first = made(settings).name
    source.client().set("wanted", "2")
    second = made(settings).name
    for _ in range(2):
        (found,) = search(settings, SearchArguments(key="wanted"), silent)["found"]
        assert [(row["where"], row["change"]) for row in found["versions"]] == [
            ("live", "identical"),
            (second, "differs"),
            (first, "first"),
        ]
    assert {first + INDEX_SUFFIX, second + INDEX_SUFFIX} <= set(names(storage))
    (one,) = search(settings, SearchArguments(match="want*"), silent)["keys"]
    assert one["key"] == "wanted"


def test_backups_are_pruned_kept_and_deleted_through_it(storage: Storage, settings: Settings) -> None:
    oldest, pinned, newest = (made(settings).name for _ in range(3))
    pin(settings, PinArguments(name=pinned, why="to be kept"))
    assert [one["name"] for one in prune(settings, PruneArguments(keep=1, keep_manual=1), silent)["deleted"]] == [
        oldest
    ]
    assert [one.name for one in catalogue.read(storage).backups] == [newest, pinned]
    delete(settings, DeleteArguments(name=pinned))
    assert [one.name for one in catalogue.read(storage).backups] == [newest]
    put_back(settings, PutBackArguments(name=pinned))
    assert [one.name for one in catalogue.read(storage).backups] == [newest, pinned]
    delete(settings, DeleteArguments(name=pinned, now=True))
    assert names(storage) == [newest, newest + MANIFEST_SUFFIX]


def test_the_numbers_say_what_is_free_only_where_somebody_can_tell(
    storage: Storage, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    made(settings)
    told = stats(settings)
    assert (told["count"], told["storage"]["where"]) == (1, str(storage))
    show_numbers(told)
    shown, exposed = capsys.readouterr().out, exposition(settings)[0]
    assert str(storage) in shown
    assert (" free)" in shown, b"storage_free_bytes" in exposed) == 2 * (storage.free_bytes() is not None,)
    assert b"redis_backup_storage_up 1.0" in exposed


@pytest.mark.parametrize("exactly", [True, False])
def test_a_damaged_manifest_is_made_anew_through_it(storage: Storage, settings: Settings, *, exactly: bool) -> None:
    before = made(settings)
    text = storage.read(before.name + MANIFEST_SUFFIX)
    damaged = text.replace(b'"keys"', b'"keyr"') if exactly else b"nonsense"
    storage.put(before.name + MANIFEST_SUFFIX, damaged, replace=True)
    assert catalogue.read(storage).backups == []
    (told,) = repair(settings, silent)["repaired"]
    assert (told["name"], told["exactly"], told["keys"]) == (before.name, exactly, before.keys)
    assert [one.name for one in catalogue.read(storage).backups] == [before.name]
    assert storage.read(told["aside"]) == damaged
