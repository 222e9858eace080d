"""A run stands still for longer than its lease, another one does its work meanwhile, and then the first one goes on.

Whatever it was doing: what others have written since stays, its run stays interrupted, and its verb fails.
"""

import os
import re
import threading

import pytest

from tests.faults.frozen import KEYS, Scene, forbid_clients, went_wrong
from tests.faults.moments import Asked
from tests.faults.sweeps import sweep
from tests.support.processes import PYTHON, Ended, eventually
from tests.support.states import assert_same

# So slow that loading is a step of its own.
SLOWLY = ("--key-load-delay", "300", "--loading-process-events-interval-bytes", "1024", "--hz", "100")
CHECKS, WRITES, DELETES = Asked(b"RESTORE", nth=1), Asked(b"RESTORE", nth=1200), Asked(b"UNLINK", nth=3)
ALL, LESS = "all rights", "none over clients"
RESTORES = [
    ("skip", WRITES, ALL),
    ("overwrite", WRITES, LESS),
    ("mirror", WRITES, ALL),
    ("mirror", DELETES, LESS),
    *(
        pytest.param(mode, moment, rights, marks=pytest.mark.slow)
        for mode in ("skip", "overwrite", "mirror")
        for moment in (CHECKS, *(Asked(b"RESTORE", nth) for nth in (250, 1500, 2990)))
        for rights in (ALL, LESS)
    ),
    *(pytest.param("mirror", Asked(b"UNLINK", nth), ALL, marks=pytest.mark.slow) for nth in (2, 5)),
]


@pytest.mark.sweep
@pytest.mark.parametrize(("mode", "moment", "rights"), RESTORES, ids=str)
def test_a_frozen_restore_goes_on_and_touches_nothing(mode: str, moment: Asked, rights: str, scene: Scene) -> None:
    if rights == LESS:
        forbid_clients(scene)
    # A part of it, or a mirror would be made as one file.
    verb = ("restore", "latest", "--mode", mode, "--yes", "--match", "*")
    scene.server.client().flushall()
    pipe = scene.server.client().pipeline(transaction=False)
    for number in range(1500):
        pipe.set(f"other:{number}", "x")
    pipe.execute()
    with scene.frozen_on_the_line(moment, *verb) as process:
        said = went_wrong(scene, process, "restore", lambda: scene.shell(*verb))
    told = re.search(r"Until then: ([\d,]+) restored", said)
    # Who only asks whether it may has nothing to tell.
    assert (told is None) == (moment == CHECKS), said
    assert told is None or int(told[1].replace(",", "")) <= KEYS


@pytest.mark.slow
def test_what_a_frozen_restore_says_it_has_written_is_what_is_there(scene: Scene) -> None:
    scene.server.client().flushall()
    forbid_clients(scene)
    with scene.frozen_on_the_line(Asked(b"RESTORE", nth=1200), "restore", "latest") as process:
        scene.reaped("restore")
        said = scene.thawed(process)
    told = re.search(r"Until then: ([\d,]+) restored", said)
    assert told, said
    assert int(told[1].replace(",", "")) == scene.server.client().dbsize()


@pytest.mark.slow
@pytest.mark.parametrize("moment", [Asked(b"RESTORE", nth=300), Asked(b"UNLINK", nth=2)], ids=str)
def test_a_frozen_undo_goes_on_and_touches_nothing(moment: Asked, scene: Scene) -> None:
    scene.server.client().flushall()
    scene.fill("before", 1500)
    restored = scene.shell("restore", "latest", "--mode", "overwrite", "--yes", "--json")
    assert restored.code == 0, restored.err
    verb = ("undo", restored.data["undo"]["name"], "--yes")
    with scene.frozen_on_the_line(moment, *verb) as process:
        said = went_wrong(scene, process, "undo", lambda: scene.shell(*verb))
    assert re.search(r"Until then: [\d,]+ put back, [\d,]+ deleted", said)


@pytest.mark.parametrize("scene", [SLOWLY], indirect=True, ids=["slow to load"])
@sweep("step", ["sending", "loading", "keeping what is there", "reading", "sending, all"])
def test_a_frozen_mirror_by_replication_goes_on_and_touches_nothing(step: str, scene: Scene) -> None:
    scene.fill("before", 1000)
    scene.server.client().mset({f"other:{number}": "x" for number in range(1500)})
    verb = ("restore", "latest", "--mode", "mirror", "--yes", "--json")

    def again() -> Ended:
        done = scene.shell(*verb)
        assert done.data["way"] == "replication"
        return done

    with scene.frozen_by_itself(step, *verb) as process:
        went_wrong(scene, process, "restore", again)
    assert scene.server.client().info("replication")["role"] == "master"


def test_what_was_on_its_way_when_a_restore_froze_never_lands(scene: Scene) -> None:
    begun, held = threading.Event(), threading.Event()
    scene.server.client().flushall()
    # This connection alone is held up, with all that it still had to carry.

    def hold() -> None:
        begun.set()
        held.wait(60)

    scene.line.call(WRITES, hold)
    with scene.begun(*PYTHON, "restore", "latest", "--mode", "overwrite", "--yes") as process:
        assert begun.wait(30), process.said
        scene.freezer.freeze(process.process.pid)
        try:
            scene.reaped("restore")
            assert scene.shell("restore", "latest", "--mode", "overwrite", "--yes").code == 0
            written = scene.write_later()
        finally:
            held.set()
        scene.thawed(process)
    eventually(lambda: scene.line.connections == 0, "the connection to be over, with all that was on it")
    assert_same(written, scene.server)


ENGINES = [("replication", "rdb"), ("scan", "rdb"), ("scan", "json"), ("typed", "json")]
# Of the artifact, of the folder that shows it, of its manifest: with the next one it is there.
COMMITS = ["fsync 1", "fsync 2", "fsync 3"]
BACKUPS = [
    *((engine, "reading") for engine in ENGINES),
    *((ENGINES[1], commit) for commit in COMMITS),
    *(
        pytest.param(engine, commit, marks=pytest.mark.slow)
        for engine in ENGINES
        if engine != ENGINES[1]
        for commit in COMMITS
    ),
]


@pytest.mark.sweep
@pytest.mark.parametrize(("way", "at"), BACKUPS, ids=str)
def test_a_frozen_backup_goes_on_and_commits_nothing(way: tuple[str, str], at: str, scene: Scene) -> None:
    before, (engine, data_format) = scene.manifests, way
    verb = ("backup", "--engine", engine, "--format", data_format)
    with scene.frozen_by_itself(at, *verb) as process:
        ended = scene.reaped("backup")
        assert scene.shell(*verb).code == 0
        after = scene.manifests
        assert len(after) == len(before) + 1
        said = scene.thawed(process)
    assert "stood still for" in said
    assert scene.manifests == after
    assert sorted(os.listdir(scene.folder / "backups")) == sorted([*after, *(one[:-14] for one in after)])
    second, first, _ = scene.runs("backup")
    assert (first.id, first.state, first.error) == (ended.id, "INTERRUPTED", ended.error)
    assert second.state == "SUCCESS"


def test_a_frozen_prune_goes_on_and_deletes_nothing(scene: Scene) -> None:
    for _ in range(3):
        assert scene.shell("backup").code == 0
    verb = ("prune", "--keep-manual", "1")
    with scene.frozen_by_itself("checking", *verb) as process:
        ended = scene.reaped("prune")
        before = scene.manifests
        said = scene.thawed(process)
    assert "stood still for" in said
    assert scene.manifests == before
    assert len(before) == 4
    (first,) = scene.runs("prune")
    assert (first.state, first.error) == ("INTERRUPTED", ended.error)
