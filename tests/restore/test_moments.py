"""A moment of the source is previewed, restored, undone, searched and exported as a backup is."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking, fill_all
from tests.support.servers import Binary, Server
from tests.support.states import State, assert_same, state
from tests.support.streams import BACKLOG, Streamed, assert_played
from worker.arguments.backups import DrillArguments
from worker.arguments.questions import BrowseArguments, CountArguments, SearchArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.backups.export import export
from worker.config.settings import Settings
from worker.errors import NotFoundError, UsageError
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.drill.drill import drill
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.restore.selection.count import count
from worker.restore.undo.undo import undo
from worker.search.browse import browse
from worker.search.search import search
from worker.segments.playing.made import shelf_of
from worker.storage.local import Folder


class Moment:
    """A source that was emptied by mistake, and what it was right before."""

    def __init__(self, source: Server, folder: Path) -> None:
        self.streamed = Streamed(source, folder)
        fill_all(source)
        self.base = self.streamed.take()["name"]
        self.streamed.visit()
        source.client().mset({f"since:{number}": number for number in range(50)})
        source.client(3).set("expiring", "later", px=9_000_000)
        self.state = state(source, times=False)
        self.offset: int = self.streamed.visit()["to"]
        source.client().flushall()
        source.client().set("afterwards", "written")
        self.streamed.visit()

    @property
    def settings(self) -> Settings:
        return self.streamed.settings

    def restore(self, name: str = "@before:FLUSHALL", **arguments: Any) -> dict[str, Any]:
        return restore(self.settings, RestoreArguments(name=name, **arguments), silent)


@pytest.fixture
def moment(newest: Binary, start_server: StartServer, tmp_path: Path) -> Moment:
    return Moment(start_server(newest, *BACKLOG), tmp_path)


def same(server: Server, then: State) -> None:
    assert_same(then, state(server, times=False), times=False)


@pytest.mark.every_server
def test_the_moment_before_a_flush_comes_back_and_can_be_undone(source: Server, tmp_path: Path) -> None:
    asking(source).execute_command("CONFIG", "SET", "repl-backlog-size", str(64 << 20))
    moment = Moment(source, tmp_path)
    before = state(source, times=False)
    report = moment.restore(mode="mirror")
    assert_played(moment.state, source)
    assert report["name"].startswith("@offset:")
    assert f"made from {moment.base}" in report["warnings"][0]
    undone = undo(moment.settings, UndoArguments(run=report["undo"]["name"]), silent)
    assert undone["restored"] == report["name"]
    same(source, before)


def test_what_a_preview_has_made_is_what_the_restore_writes(moment: Moment, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = preview(moment.settings, PreviewArguments(name="@before:FLUSHALL", mode="overwrite"), silent)
    assert seen["counts"]["new"] > 50
    monkeypatch.setattr("worker.segments.playing.made.played", None)
    report = moment.restore(seen["name"], mode="overwrite", match=("since:*",))
    assert report["restored"] == 50
    assert moment.streamed.source.client().get("since:7") == b"7"
    assert moment.streamed.source.client().get("afterwards") == b"written"


def test_it_is_made_of_what_lies_in_storage_too(moment: Moment) -> None:
    assert moment.streamed.end_the_hour()["sealed"]
    assert [*moment.streamed.stream.glob("*.whole")] == []
    moment.restore(mode="mirror")
    same(moment.streamed.source, moment.state)


def test_it_is_looked_into_like_a_backup(moment: Moment, tmp_path: Path) -> None:
    place = f"@offset:{moment.offset}"
    found = search(moment.settings, SearchArguments(key="since:7", names=(place, moment.base), live=False), silent)
    name, base = found["looked_through"]
    assert (name.startswith(f"{place}:"), base) == (True, moment.base)
    shown = search(moment.settings, SearchArguments(key="since:7", show=name), silent)
    assert shown["restore"]["name"] == name
    counted = count(moment.settings, CountArguments(name=name, match=("since:*",)), silent)
    assert (counted["name"], counted["keys"]) == (name, 50)
    assert browse(moment.settings, BrowseArguments(name=name), silent)["name"] == name
    exported = export(moment.settings, name, tmp_path / "moment.json", silent)
    assert exported["keys"] == counted["of"]
    drilled = drill(moment.settings, DrillArguments(name=name, full=True), silent)
    assert (drilled["name"], drilled["differs"]) == (name, [])
    assert [backup.name for backup in catalogue.read(Folder(moment.streamed.storage)).backups] == [moment.base]
    assert catalogue.read(Folder(moment.streamed.storage)).backups[0].rehearsed is None


def test_what_is_no_moment_is_said_with_the_nearest(moment: Moment) -> None:
    with pytest.raises(NotFoundError, match=r"the first behind it is \d{4}-"):
        moment.restore("@2020-01-01 00:00:00")
    with pytest.raises(NotFoundError, match="No FLUSHDB was seen from"):
        moment.restore("@before:FLUSHDB")
    with pytest.raises(NotFoundError, match="There is no moment at offset"):
        moment.restore("@offset:999999999")
    with pytest.raises(UsageError, match="is no moment: write it as"):
        moment.restore("@yesterday")
    with pytest.raises(UsageError, match="leave out where to read it"):
        moment.restore(storage=str(moment.streamed.storage))


def test_a_moment_that_was_restored_is_kept_as_long_as_its_undo(
    moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = moment.restore(mode="overwrite")
    shelf = shelf_of(moment.settings)
    monkeypatch.setattr("worker.segments.playing.shelf.MOST_SECONDS", 0)
    moment.restore(f"@offset:{moment.offset - 1}")
    shelf.sweep()
    assert len([*shelf.folder.iterdir()]) >= 1
    undo(moment.settings, UndoArguments(run=report["undo"]["name"], force=True), silent)


def test_what_was_restored_is_undone_when_its_chain_has_gone(moment: Moment) -> None:
    before = state(moment.streamed.source, times=False)
    report = moment.restore(mode="mirror")
    for path in moment.streamed.stream.iterdir():
        path.unlink()
    with pytest.raises(NotFoundError):
        moment.restore()
    undo(moment.settings, UndoArguments(run=report["undo"]["name"]), silent)
    same(moment.streamed.source, before)


def test_without_the_moment_its_undo_says_what_to_do(moment: Moment) -> None:
    report = moment.restore(mode="overwrite")
    for path in moment.streamed.stream.iterdir():
        path.unlink()
    shutil.rmtree(moment.settings.backup_cache)
    with pytest.raises(NotFoundError, match="which was restored, is gone"):
        undo(moment.settings, UndoArguments(run=report["undo"]["name"]), silent)
