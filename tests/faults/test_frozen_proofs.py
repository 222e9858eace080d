"""Each piece that is sent and each commit has a proof of its own: a run stands still in the midst of one, where no progress
is told, and goes on when another has done its work.
"""

import os

from tests.faults.frozen import Scene, forbid_clients, went_wrong
from tests.faults.moments import Asked
from tests.faults.sweeps import sweep
from tests.support.backups import files
from tests.support.processes import Ended

LARGE_KEYS, LARGE_BYTES = 10, 6 << 20
"""One of these is more than what a connection holds that nobody reads from."""
# Of the artifact, of the folder that shows it, of its manifest: with the next one it is there.
COMMITS = ["fsync 1", "fsync 2", "fsync 3"]


def test_a_restore_that_froze_in_the_midst_of_a_value_sends_no_more_of_it(scene: Scene) -> None:
    scene.server.client().flushall()
    for number in range(LARGE_KEYS):
        scene.server.client().set(f"key:{number}", os.urandom(LARGE_BYTES))
    assert scene.shell("backup").code == 0
    scene.server.client().flushall()
    forbid_clients(scene)
    scene.env["BACKUP_PACE"] = "full"
    verb = ("restore", "latest", "--mode", "overwrite", "--yes")
    with scene.frozen_on_the_line(Asked(b"RESTORE", of=b"key:5"), *verb) as process:
        went_wrong(scene, process, "restore", lambda: scene.shell(*verb))


@sweep("at", COMMITS)
def test_a_restore_that_froze_in_a_commit_keeps_nothing_for_an_undo(at: str, scene: Scene) -> None:
    scene.fill("before")
    verb, kept = ("restore", "latest", "--mode", "overwrite", "--yes"), [*scene.manifests]

    def again() -> Ended:
        done = scene.shell(*verb)
        kept[:] = scene.manifests
        assert len(kept) == 2, "the backup, and what the second restore has kept"
        return done

    with scene.frozen_by_itself(at, *verb) as process:
        went_wrong(scene, process, "restore", again)
    there = [name for name in files(scene.folder / "backups") if not name.endswith(".notes.json")]
    assert sorted(there) == sorted([*kept, *(one.removesuffix(".manifest.json") for one in kept)])
