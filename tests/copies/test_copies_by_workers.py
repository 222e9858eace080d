"""A worker with a folder at home and a bucket elsewhere: each good backup is copied, and what was missed is made up for."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.conftest import StartServer
from tests.copies.given import both_files, folder, names
from tests.support.backups import fill_all, wipe
from tests.support.bucket import KEYS, S3
from tests.support.obstacle import Obstacle, before
from tests.support.processes import CELERY, Background, Sent, Shell, environment, eventually, sender
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.config.settings import Settings
from worker.runs.run import Run
from worker.runs.store import open_runs
from worker.storage.local import Folder
from worker.storage.remote import Remote


@dataclass
class Site:
    """Both storages, the way to the second, and a worker."""

    source: Server
    broker: Server
    home: Folder
    there: Remote
    obstacle: Obstacle
    env: dict[str, str]
    app: Celery
    worker: Background

    def do(self, task: str, **arguments: Any) -> Any:
        """Send a task and wait for what it returns."""
        return Sent(self.app.send_task(f"worker.tasks.{task}", kwargs=arguments).id, self.broker).result()

    def copies(self) -> list[Run]:
        """The runs of copies, newest first."""
        with open_runs(Settings(celery_broker_url=self.broker.url, backup_storage=str(self.home))) as runs:
            return [*runs.ours.each("copy")]

    def ended(self, number: int) -> list[Run]:
        """The same, once so many of them have ended."""

        def found() -> list[Run] | None:
            runs = self.copies()
            return runs if sum(run.ended for run in runs) >= number else None

        runs: list[Run] = eventually(found, f"{number} copies:\n{self.worker.said}", 120)
        return runs


@pytest.fixture
def site(newest: Binary, start_server: StartServer, s3: S3, in_s3: Remote, tmp_path: Path) -> Iterator[Site]:
    broker, source, home = start_server(newest), fill_all(start_server(newest)), folder(tmp_path / "home")
    with before(s3.endpoint) as obstacle:
        env = environment(
            REDIS_URL=source.url,
            CELERY_BROKER_URL=broker.url,
            CELERY_RESULT_BACKEND=broker.url,
            BACKUP_STORAGE=str(home),
            BACKUP_COPIES=in_s3.place,
            BACKUP_CACHE=str(tmp_path / "cache"),
            AWS_ENDPOINT_URL=obstacle.endpoint,
        )
        worker = Background(*CELERY, "worker", "--concurrency", "2", env=env, cwd=tmp_path, name="worker", forked=False)
        try:
            worker.wait_until_it_says("ready.")
            yield Site(source, broker, home, in_s3, obstacle, env, sender(env), worker)
        finally:
            worker.stop()


def test_each_good_backup_is_copied_and_comes_back_from_the_copy_alone(site: Site, tmp_path: Path, s3: S3) -> None:
    before = state(site.source)
    name = site.do("backup")["name"]
    (run,) = site.ended(1)
    assert (run.state, run.arguments, run.value["copies"][0]["new"]) == (
        "SUCCESS",
        {"name": name, "to": site.there.place},
        True,
    )
    assert run.progress is not None
    assert (run.asked_by.endswith(", after the backup"), run.progress["unit"]) == (True, "bytes")
    assert both_files(site.there, name) == both_files(site.home, name)
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in site.worker.said
    wipe(site.source)
    elsewhere = tmp_path / "empty machine"
    elsewhere.mkdir()
    shell = Shell(site.source.url, tmp_path / "unused", elsewhere, forked=False)
    settings = {"BACKUP_STORAGE": site.there.place, "BACKUP_CACHE": str(elsewhere / "cache")}
    (listed,) = shell("list", "--json", preexec=None, **settings).data["backups"]
    assert listed["name"] == name
    restored = shell("restore", "latest", "--yes", preexec=None, **settings)
    assert restored.code == 0, restored.err
    assert_same(before, state(site.source))


@pytest.mark.slow
def test_what_was_missed_while_the_storage_was_away_is_made_up_for(site: Site) -> None:
    site.obstacle.trouble = lambda *_: 403
    taken = [site.do("backup")["name"] for _ in range(2)]
    assert [run.state for run in site.ended(2)] == ["FAILURE", "FAILURE"]
    assert "does not let us list (403)" in str(site.copies()[0].error)
    site.obstacle.clear()
    with open_runs(Settings(celery_broker_url=site.broker.url, backup_storage=str(site.home))) as runs:
        for run in site.copies():
            runs.forget(run.id)
    site.app.send_task("worker.tasks.catch_up")
    assert [run.state for run in site.ended(2)] == ["SUCCESS", "SUCCESS"]
    assert sorted(names(site.there)) == sorted(taken)


@pytest.mark.slow
def test_a_storage_that_has_too_much_to_do_is_tried_again(site: Site) -> None:
    site.obstacle.trouble = lambda _, method, path: 503 if method == "GET" and "list-type" in path else None
    name = site.do("backup")["name"]
    eventually(lambda: any(run.state == "RETRY" for run in site.copies()), "another try")
    site.obstacle.clear()
    (run,) = site.ended(1)
    assert (run.state, run.attempt > 0, names(site.there)) == ("SUCCESS", True, [name])


@pytest.mark.slow
def test_a_copy_whose_process_is_killed_is_made_by_the_next(site: Site) -> None:
    hung: list[str] = []

    def trouble(_: int, method: str, path: str) -> str | None:
        if method == "PUT" and ".partial" not in path and ".manifest.json" not in path and not hung:
            hung.append(path)
            return "hang"
        return None

    site.obstacle.trouble = trouble
    name = site.do("backup")["name"]
    eventually(lambda: hung, "the upload")
    (busy,) = [run for run in site.copies() if run.state == "STARTED"]
    assert busy.worker is not None
    os.kill(int(busy.worker.rpartition(":")[2]), signal.SIGKILL)
    made, killed = site.ended(2)
    assert (made.state, made.repeats, killed.state) == ("SUCCESS", killed.id, "INTERRUPTED")
    assert (names(site.there), both_files(site.there, name)) == ([name], both_files(site.home, name))


@pytest.mark.slow
def test_without_a_broker_a_shell_copies_all_the_same(site: Site, tmp_path: Path) -> None:
    shell = Shell(site.source.url, site.home.path, tmp_path, forked=False)
    name = shell("backup", "--json", preexec=None).data["name"]
    settings = {"BACKUP_COPIES": site.there.place, "BACKUP_CACHE": str(tmp_path / "cache")}
    done = shell("copy", name, preexec=None, **settings)
    assert (done.code, names(site.there)) == (0, [name]), done.err
