"""A worker: what is due is rehearsed once, however many beats ask for it; and a kill -9 leaves no server and no folder."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery

from tests.conftest import StartServer
from tests.restore.drill.conftest import servers_below
from tests.support.backups import settings_for, take
from tests.support.processes import CELERY, Background, environment, eventually, sender
from tests.support.servers import Server, binaries
from worker.arguments.backups import CopyArguments
from worker.backups.copies.copy import copy
from worker.config.settings import Settings
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.drill import due
from worker.runs.run import Run
from worker.runs.store import open_runs
from worker.storage.local import Folder
from worker.storage.tempfiles import sweep

pytestmark = pytest.mark.slow


@dataclass
class Site:
    """A worker, what it backs up and where to, another storage for copies, and the worker's folder for temporary files."""

    source: Server
    settings: Settings
    home: Path
    there: Path
    temporary: Path
    app: Celery
    worker: Background

    def drills(self) -> list[Run]:
        """The runs of drills."""
        with open_runs(self.settings) as runs:
            return [*runs.each("drill")]

    def received(self, task: str) -> int:
        """How many messages of that task the worker has taken."""
        return sum(f"Task worker.tasks.{task}[" in line["event"] for line in self.worker.events)


def swept(folder: Path) -> bool:
    """Whether nothing is left there once what nobody holds was removed."""
    sweep()
    return not [*folder.iterdir()]


@pytest.fixture
def site(start_server: StartServer, tmp_path: Path, scratch_folder: Path) -> Iterator[Site]:
    binary, home, there = binaries()[-1], tmp_path / "home", tmp_path / "there"
    there.mkdir()
    source, broker = start_server(binary), start_server(binary)
    source.client().mset({f"key:{number}": "value" for number in range(100)})
    env = environment(
        REDIS_URL=source.url,
        CELERY_BROKER_URL=broker.url,
        CELERY_RESULT_BACKEND=broker.url,
        BACKUP_STORAGE=str(home),
        BACKUP_COPIES=str(there),
        DRILL_SERVERS=":".join(binary.path for binary in binaries()),
        TMPDIR=str(scratch_folder),
    )
    worker = Background(*CELERY, "worker", "--concurrency", "2", env=env, cwd=tmp_path, name="worker", forked=False)
    try:
        worker.wait_until_it_says("ready.")
        settings = settings_for(source, home, backup_copies=str(there), celery_broker_url=broker.url)
        yield Site(source, settings, home, there, scratch_folder, sender(env), worker)
    finally:
        worker.stop()
        # The worker's own folder goes with the next look for what was left.
        eventually(lambda: swept(scratch_folder), "the end of its folder")


def test_of_two_beats_one_has_the_newest_an_older_one_and_each_copy_rehearsed(site: Site) -> None:
    older, newest = (take(site.source, site.home)["name"] for _ in range(2))
    copy(site.settings, CopyArguments(name=newest), silent)
    for _ in range(2):
        site.app.send_task("worker.tasks.drills")

    def ended() -> list[Run]:
        runs = site.drills()
        return runs if len(runs) == 3 and all(run.ended for run in runs) else []

    # Each waits until the one before it is at its end; what finds its slot taken is forgotten.
    runs = eventually(ended, lambda: f"three drills: {site.drills()}\n{site.worker.said}", 120)
    assert site.received("drills") == 2
    assert {run.state for run in runs} == {"SUCCESS"}, [run.error for run in runs]
    assert {run.asked_by for run in runs} == {"beat, for a rehearsal"}
    asked = Counter((run.arguments["name"], run.arguments.get("storage")) for run in runs)
    assert asked == Counter([(newest, None), (older, None), (newest, str(site.there))])
    kept = {name: catalogue.get(Folder(site.home), name) for name in (older, newest)}
    noted = [kept[older].rehearsed, kept[newest].rehearsed, kept[newest].copies[str(site.there)].rehearsed]
    assert all(drill is not None and drill.is_good for drill in noted)
    assert due.planned(site.settings) == [], "nothing is due any more"


def test_a_worker_that_is_killed_leaves_no_server_and_no_data(site: Site) -> None:
    site.source.client().execute_command("DEBUG", "POPULATE", "300000", "many", "100")  # type: ignore[no-untyped-call]
    name = take(site.source, site.home)["name"]
    site.app.send_task("worker.tasks.drill", kwargs={"name": name, "full": True, "way": "keys"})
    eventually(lambda: servers_below(site.temporary), lambda: f"a scratch server:\n{site.worker.said}", 60)
    os.killpg(site.worker.process.pid, signal.SIGKILL)
    eventually(lambda: not servers_below(site.temporary), "the end of the scratch server", 60)
    eventually(lambda: not [*site.temporary.glob("*/s")], "the end of its socket", 60)
    assert catalogue.get(Folder(site.home), name).drilled is None
