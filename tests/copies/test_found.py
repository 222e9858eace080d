"""A backup is read from wherever it lies, or from where somebody says; and what is damaged names who holds it whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.copies.given import NAME, NO_BROKER, copied, folder, settings_of, take
from tests.support.backups import aged, eventually, settings_for, wipe
from tests.support.dashboard import Web
from tests.support.processes import Shell
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import BackupArguments, VerifyArguments
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.backups.backup import backup
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.errors import ArtifactError, NotFoundError, UsageError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.catalogue import ANY
from worker.repository.copies.found import find
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.restore.undo.undo import undo
from worker.search.search import search
from worker.storage.local import Folder


@pytest.fixture
def source(newest: Binary, start_server: StartServer) -> Server:
    server = start_server(newest)
    server.client().mset({f"key:{number}": "value" for number in range(20)})
    return server


@pytest.fixture
def settings(source: Server, home: Folder, there: Folder) -> Settings:
    known = {"backup_copies": (str(there),), "celery_broker_url": NO_BROKER}
    return settings_for(source, home.path, **known)


@pytest.fixture
def name(settings: Settings, home: Folder) -> str:
    made = backup(settings, BackupArguments(), silent)
    old = aged(home.path, catalogue.get(home, made["name"]), days=1)
    copied(settings, old)
    return old


def test_what_home_has_given_up_is_restored_from_a_copy_and_undone(
    settings: Settings, source: Server, home: Folder, name: str
) -> None:
    before = state(source)
    catalogue.remove(home, name)
    wipe(source)
    for asked in ("latest", name):
        assert preview(settings, PreviewArguments(name=asked), silent)["counts"]["new"] == 20
    report = restore(settings, RestoreArguments(name="latest"), silent)
    assert_same(before, state(source))
    undo(settings, UndoArguments(run=report["undo"]["name"]), silent)
    assert source.client().dbsize() == 0


def test_a_key_is_found_in_what_only_a_copy_holds_where_that_is_named(
    settings: Settings, source: Server, home: Folder, name: str
) -> None:
    catalogue.remove(home, name)
    source.client().set("key:7", "another")
    found = search(settings, SearchArguments(key="key:7", names=(name,)), silent)
    assert [(row["where"], row["change"]) for row in found["found"][0]["versions"]] == [
        ("live", "differs"),
        (name, "first"),
    ]
    shown = search(settings, SearchArguments(key="key:7", show=name, against="live"), silent)
    assert [(row["show"], row["against"]) for row in shown["rows"]] == [("value", "another")]
    restore(settings, RestoreArguments.model_validate(shown["restore"]), silent)
    assert source.client().get("key:7") == b"value"
    assert search(settings, SearchArguments(key="key:7"), silent)["looked_through"] == ["live"]


def test_the_storage_that_is_named_is_read_and_no_other(
    settings: Settings, home: Folder, there: Folder, name: str, source: Server
) -> None:
    assert verify(settings, VerifyArguments(name=name), silent)["where"] == str(home)
    assert verify(settings, VerifyArguments(name=name, storage=str(there)), silent)["where"] == str(there)
    assert catalogue.get(there, name).verified_at is not None
    catalogue.remove(home, name)
    with pytest.raises(NotFoundError):
        verify(settings, VerifyArguments(name=name, storage=str(home)), silent)
    for address in ("s3://elsewhere/x", str(home.path.parent), "/"):
        with pytest.raises(UsageError, match=f"No such storage is set, but {home} and {there}."):
            restore(settings, RestoreArguments(name=name, storage=address), silent)


@pytest.mark.parametrize("fault", ["changed", "missing"])
def test_what_is_damaged_at_home_names_the_copy_and_the_command(
    fault: str, settings: Settings, source: Server, home: Folder, there: Folder, name: str, tmp_path: Path
) -> None:
    if fault == "missing":
        (home.path / name).unlink()
    else:
        (home.path / name).write_bytes((home.path / name).read_bytes()[::-1])
    advice = f"The same backup lies in {there}: `python -m worker restore {name} --from {there}` reads it there."
    wipe(source)
    tries: list[Callable[[], object]] = [
        lambda: verify(settings, VerifyArguments(name=name), silent),
        lambda: restore(settings, RestoreArguments(name=name), silent),
        lambda: preview(settings, PreviewArguments(name=name), silent),
    ]
    for work in tries:
        with pytest.raises((ArtifactError, NotFoundError)) as raised:
            work()
        assert str(raised.value).endswith(advice)
    assert source.client().dbsize() == 0
    shell = Shell(source.url, home.path, tmp_path)
    given = {"BACKUP_COPIES": str(there)}
    assert advice in shell("export", name, preexec=None, **given).err
    assert shell("export", name, "--from", str(there), "-o", "whole.json", preexec=None, **given).code == 0
    assert shell("restore", name, "--from", str(there), preexec=None, **given).code == 0
    assert source.client().dbsize() == 20


def test_a_copy_that_is_damaged_as_well_is_not_recommended(tmp_path: Path, home: Folder, there: Folder) -> None:
    settings = settings_of(home, there)
    take(home)
    copied(settings)
    (home.path / NAME).write_bytes(b"damaged")
    (there.path / NAME).write_bytes(b"short")
    with pytest.raises(ArtifactError) as raised:
        verify(settings, VerifyArguments(name=NAME), silent)
    assert "The same backup lies" not in str(raised.value)


def test_home_comes_first_and_then_the_others_in_their_order(tmp_path: Path, home: Folder, there: Folder) -> None:
    second = folder(tmp_path / "second")
    settings = settings_of(home, there, second)
    take(home)
    copied(settings)
    for storage in (home, there, second):
        assert find(settings, NAME, ANY).storage == storage
        assert find(settings, "latest", ANY).storage == storage
        catalogue.remove(storage, NAME)
    with pytest.raises(NotFoundError):
        find(settings, NAME, ANY)


def test_the_api_lists_and_hands_out_what_lies_elsewhere(
    web_app: Web, there: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from web import lookup  # noqa: PLC0415
    from web.api import routes  # noqa: PLC0415

    script = web_app.with_token("read")
    home = Folder(Path(web_app.settings.backup_storage))
    settings = web_app.settings.model_copy(update={"backup_copies": (str(there),)})
    for module in (lookup, routes):
        monkeypatch.setattr(module, "load_web", lambda: settings)
    take(home)
    copied(settings_of(home, there))
    catalogue.remove(home, NAME)

    def listed() -> Any:
        return script.get("/api/backup/list").get_json()

    assert eventually(lambda: listed()["elsewhere"])
    answer = listed()
    assert ([one["name"] for one in answer["elsewhere"]], answer["where"]) == ([NAME], {NAME: [str(there)]})
    assert (answer["copies"][0]["count"], answer["copies"][0]["missing"]) == (1, 0)
    for query in ("", f"?storage={there}"):
        assert script.get(f"/api/backup/download/{NAME}{query}").data == there.read(NAME)
    assert script.get(f"/api/backup/download/{NAME}?storage={home}").status_code == 404
    assert script.get(f"/api/backup/download/{NAME}?storage=/etc").status_code == 404
    assert script.get(f"/api/backup/manifest/{NAME}").get_json()["name"] == NAME


def test_a_storage_that_cannot_be_read_is_not_recommended(tmp_path: Path, home: Folder, there: Folder) -> None:
    second = folder(tmp_path / "second")
    settings = settings_of(home, there, second)
    take(home)
    copied(settings)
    (home.path / NAME).write_bytes(b"damaged")
    there.path.rename(tmp_path / "away")
    there.path.write_bytes(b"a file")
    with pytest.raises(ArtifactError) as raised:
        verify(settings, VerifyArguments(name=NAME), silent)
    assert f"The same backup lies in {second}: `" in str(raised.value)
    (tmp_path / "away" / NAME).rename(tmp_path / "elsewhere")
    catalogue.remove(second, NAME)
    with pytest.raises(ArtifactError) as raised:
        verify(settings, VerifyArguments(name=NAME), silent)
    assert "The same backup lies" not in str(raised.value)
