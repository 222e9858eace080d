"""Restores and undos that die or fill the target midway, and one undo after the other."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.restore.undo.undoing import changed, kept_in, small, take_back
from tests.support.backups import bring_back, files, kill_myself, killed, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import PruneArguments
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.backups.prune import prune
from worker.errors import TargetError
from worker.progress import Progress, silent
from worker.restore.restore import restore
from worker.restore.undo.undo import undo


@pytest.fixture
def many(newest: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server with 3,000 keys that were backed up, and have all changed since; some are new."""
    server = start_server(newest)
    server.client().mset({f"key:{number}": b"old" + os.urandom(200) for number in range(3000)})
    take(server, tmp_path)
    server.client().mset({f"key:{number}": b"new" + os.urandom(200) for number in range(500, 3500)})
    server.client().delete(*(f"key:{number}" for number in range(500)))
    return server


Work = Callable[[], object]


def dying(when: str, moment: int) -> Progress:
    """A progress that kills its process when it hears of a phase for that many times."""
    heard: list[int] = []

    def tell(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == when:
            heard.append(current)
        if len(heard) == moment:
            kill_myself()

    return tell


def while_in(phase: str, moment: int, server: Server, storage: Path, **arguments: Any) -> Work:
    """A restore that is killed then."""
    told = dying(phase, moment)
    return lambda: restore(settings_for(server, storage), RestoreArguments(name="latest", **arguments), told)


@pytest.mark.parametrize(
    ("phase", "mode"),
    [("keeping what is there", "skip"), ("keeping what is there", "mirror"), ("walking", "overwrite")],
)
def test_killed_before_all_is_kept_the_target_is_untouched(phase: str, mode: str, many: Server, tmp_path: Path) -> None:
    before = state(many)
    assert killed(while_in(phase, 1, many, tmp_path, mode=mode))
    assert_same(many, before)
    assert len(kept_in(tmp_path)) == (phase != "keeping what is there")
    assert [manifest.keys for manifest in kept_in(tmp_path)] in ([], [2500], [3000])
    prune(settings_for(many, tmp_path), PruneArguments(), silent)
    assert [name for name in files(tmp_path) if name.startswith(".")] == []


@pytest.mark.parametrize(("mode", "moment"), [("skip", 3), ("overwrite", 1)])
def test_a_restore_that_was_killed_is_undone(mode: str, moment: int, many: Server, tmp_path: Path) -> None:
    before = state(many)
    assert killed(while_in("restoring", moment, many, tmp_path, mode=mode))
    assert state(many) != before
    assert take_back(many, tmp_path)["left_alone"] == 0
    assert_same(many, before)


@pytest.mark.parametrize("moment", [1, 3, 5])
def test_an_undo_that_was_killed_is_completed_by_the_next(moment: int, many: Server, tmp_path: Path) -> None:
    before = state(many)
    bring_back(many, tmp_path, mode="overwrite")
    restored = state(many)

    arguments = UndoArguments(run=kept_in(tmp_path)[0].name)
    assert killed(lambda: undo(settings_for(many, tmp_path), arguments, dying("undoing", moment)))
    assert state(many) not in (before, restored)
    assert kept_in(tmp_path)[0].undone_at is None
    assert take_back(many, tmp_path)["left_alone"] == 0
    assert_same(many, before)


def test_a_target_that_fills_up_meanwhile_is_said_and_the_undo_goes_on_later(many: Server, tmp_path: Path) -> None:
    client = many.client()
    client.set("key:1", os.urandom(2 << 20))
    before = state(many)
    bring_back(many, tmp_path, mode="overwrite")
    client.config_set("maxmemory", client.info("memory")["used_memory"] + (1 << 20))
    with pytest.raises(TargetError, match=r"OOM .*Until then: [\d,]+ put back, [\d,]+ deleted") as caught:
        take_back(many, tmp_path)
    assert "Run the same again" in str(caught.value)
    assert kept_in(tmp_path)[0].undone_at is None
    client.config_set("maxmemory", 0)
    assert take_back(many, tmp_path)["left_alone"] == 0
    assert_same(many, before)


def test_two_restores_are_undone_one_after_the_other_newest_first(server: Server, tmp_path: Path) -> None:
    client = small(server, tmp_path)
    states = [state(server)]
    first = bring_back(server, tmp_path, mode="overwrite", match="*a*")["undo"]["name"]
    states.append(state(server))
    client.set("stays", "between")
    states.append(state(server))
    second = bring_back(server, tmp_path, mode="mirror")["undo"]["name"]
    take_back(server, tmp_path, second)
    assert_same(server, states[2])
    assert changed(take_back(server, tmp_path, first)) == [(0, "stays")]
    client.set("stays", "old")
    assert_same(server, states[0])
