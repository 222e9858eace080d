"""A target that refuses every further key, from some moment on: the sentence says what happened and what to do, the counts
are exact, and the same again completes it.

| the target says | because | moment | operation |
|---|---|---|---|
| READONLY, MASTERDOWN | it has become a replica, without a link to its primary | writing | restore in each mode, undo |
| NOAUTH | who was connected must name a password | writing | the same |
| LOADING | it loads its data anew | writing | the same |
| MOVED, CLUSTERDOWN | it has become a node of a cluster | writing | the same |

A real server refuses them all: it becomes a replica, and says so in its own words, or a line puts the others in their place.
"""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.line import Line
from tests.faults.moments import Asked
from tests.faults.sweeps import sweep
from tests.support.backups import asking, settings_for, take
from tests.support.servers import Binary, Server, free_port
from tests.support.states import assert_same, state
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.config.settings import Settings
from worker.errors import TargetError
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.restore import restore
from worker.restore.undo.undo import check_complete, undo
from worker.storage.local import Folder

KEYS = 5000
# What a replica says that takes no writes.
READONLY = b"-READONLY You can't write against a read only replica."


class Refusal(NamedTuple):
    """What the target says, and what is told then."""

    words: bytes
    told: str


ELSEWHERE = (
    "is a node of a cluster, and taking the backup needs slots that it has not .*: name the node that has them, or a "
)
NO_LINK = "is a replica without a link to its primary: mend that link, or name the primary"
REFUSALS = {
    "READONLY": Refusal(READONLY, "answered .READONLY .* it is a replica, so name its primary"),
    "MASTERDOWN": Refusal(b"-MASTERDOWN Link with MASTER is down", NO_LINK),
    "NOAUTH": Refusal(b"-NOAUTH Authentication required.", "refuses the user name or password: check REDIS_URL"),
    "LOADING": Refusal(b"-LOADING Redis is loading", "is still loading its data: try again when it is done"),
    "MOVED": Refusal(b"-MOVED 3999 127.0.0.1:6381", ELSEWHERE),
    "CLUSTERDOWN": Refusal(b"-CLUSTERDOWN The cluster is down", ELSEWHERE),
}
each_word = pytest.mark.parametrize("word", REFUSALS)


class Scene(NamedTuple):
    """A backup, and a target by way of a line."""

    target: Server
    line: Line
    storage: Path

    @property
    def settings(self) -> Settings:
        return settings_for(self.target, self.storage, redis_url=self.line.url, backup_pace="full")

    def restore(self, mode: str) -> dict[str, Any]:
        # What is narrowed is mirrored key by key.
        told = {"name": "latest", "mode": mode, "exclude": ["nothing"]}
        return restore(self.settings, RestoreArguments.model_validate(told), silent)

    def refuse(self, word: str, command: bytes) -> None:
        """From the middle on, in such words."""
        self.line.reword(READONLY, REFUSALS[word].words)
        nowhere = ("REPLICAOF", "127.0.0.1", free_port())
        self.line.call(Asked(command, nth=KEYS // 2), lambda: asking(self.target).execute_command(*nowhere))

    def mend(self) -> None:
        self.line.heal()
        asking(self.target).execute_command("REPLICAOF", "NO", "ONE")


@pytest.fixture(params=["rdb", pytest.param("json", marks=pytest.mark.slow)])
def scene(
    request: pytest.FixtureRequest, newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path
) -> Scene:
    target = start_server(newest)
    target.client().mset({f"key:{number}": "of the backup" for number in range(KEYS)})
    take(target, tmp_path / "backups", format=request.param)
    return Scene(target, wire_to(target), tmp_path / "backups")


def written_by(scene: Scene) -> bytes:
    return b"RESTORE" if next(scene.storage.glob("*.rdb.*"), None) else b"SET"


@each_word
@sweep("mode", ["overwrite", "skip", "mirror"])
def test_a_restore_ends_with_what_to_do_and_exact_counts(mode: str, word: str, scene: Scene) -> None:
    scene.target.client().flushall()
    scene.refuse(word, written_by(scene))
    with pytest.raises(TargetError, match=REFUSALS[word].told) as caught:
        scene.restore(mode)
    report, there = caught.value.report, scene.target.client().dbsize()
    assert report is not None
    assert 0 < report["restored"] == there < KEYS
    assert (report["failed"], report["unconfirmed"], report["cut_short"], report["keys_after"]) == (0, 0, True, there)
    assert f"Until then: {there:,} restored, 0 skipped" in str(caught.value)
    assert str(caught.value).endswith("Run the same again to complete it.")
    scene.mend()
    completed = scene.restore(mode)
    assert completed["restored"] + completed["skipped"] == scene.target.client().dbsize() == KEYS


@each_word
def test_an_undo_ends_with_what_to_do_and_is_not_noted_as_made(word: str, scene: Scene) -> None:
    scene.target.client().mset({f"key:{number}": "since" for number in range(KEYS)})
    before = state(scene.target)
    kept = scene.restore("overwrite")["undo"]["name"]
    scene.refuse(word, written_by(scene))
    with pytest.raises(TargetError, match=REFUSALS[word].told) as caught:
        undo(scene.settings, UndoArguments(run=kept), silent)
    report, there = caught.value.report, scene.target.client().mget([f"key:{number}" for number in range(KEYS)])
    assert report is not None
    assert 0 < report["put_back"] == there.count(b"since") < KEYS
    assert (report["failed"], report["unconfirmed"]) == (0, 0)
    assert catalogue.get(Folder(scene.storage), kept).undone_at is None
    scene.mend()
    check_complete(undo(scene.settings, UndoArguments(run=kept), silent))
    assert_same(before, state(scene.target))
