"""Two real workers at the same copy, and a broker that goes away in the middle of one: one whole copy in the end."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.copies.given import NAME, both_files, folder, names, take
from tests.support.bucket import S3
from tests.support.obstacle import Obstacle, before
from tests.support.processes import CELERY, Background, environment, eventually, sender
from tests.support.servers import Binary, Server
from worker.config.settings import Settings
from worker.repository import catalogue
from worker.runs.run import Run
from worker.runs.store import open_runs
from worker.storage.local import Folder
from worker.storage.remote import Remote

CONTENT = os.urandom(20 << 20)
"""Three parts."""

Begin = Callable[[Server, str], Background]


@pytest.fixture
def home(tmp_path: Path) -> Folder:
    kept = folder(tmp_path / "home")
    take(kept, content=CONTENT)
    return kept


@pytest.fixture
def obstacle(s3: S3) -> Iterator[Obstacle]:
    with before(s3.endpoint) as found:
        yield found


def settings(broker: Server, home: Folder, there: Remote, obstacle: Obstacle, tmp_path: Path) -> dict[str, str]:
    return environment(
        REDIS_URL=broker.url,
        CELERY_BROKER_URL=broker.url,
        CELERY_RESULT_BACKEND=broker.url,
        BACKUP_STORAGE=str(home),
        BACKUP_COPIES=there.place,
        BACKUP_CACHE=str(tmp_path / "cache"),
        AWS_ENDPOINT_URL=obstacle.endpoint,
    )


@pytest.fixture
def begin(home: Folder, in_s3: Remote, obstacle: Obstacle, tmp_path: Path) -> Iterator[Begin]:
    """A worker of that broker, of that name."""
    with ExitStack() as stack:

        def begun(broker: Server, name: str) -> Background:
            env = settings(broker, home, in_s3, obstacle, tmp_path)
            words = (*CELERY, "worker", "--concurrency", "1", "-n", f"{name}@here")
            worker = Background(*words, env=env, cwd=tmp_path, name=name, forked=False)
            stack.callback(worker.stop)
            worker.wait_until_it_says("ready.")
            return worker

        yield begun


def runs_of(broker: Server, home: Folder) -> list[Run]:
    with open_runs(Settings(celery_broker_url=broker.url, backup_storage=str(home))) as runs:
        return [*runs.ours.each("copy")]


def copy(broker: Server, home: Folder, there: Remote, obstacle: Obstacle, tmp_path: Path) -> None:
    app = sender(settings(broker, home, there, obstacle, tmp_path))
    app.send_task("worker.tasks.copy", kwargs={"name": NAME, "to": there.place})


def is_artifact(method: str, path: str) -> bool:
    """Whether a request brings bytes of the backup itself."""
    return method == "PUT" and ".partial" not in path and ".manifest.json" not in path


def held_up(obstacle: Obstacle) -> tuple[threading.Event, threading.Event]:
    """Hears when an artifact is on its way, which then waits for a minute, or until it may go on."""
    uploading, go_on = threading.Event(), threading.Event()

    def trouble(_: int, method: str, path: str) -> None:
        if is_artifact(method, path):
            uploading.set()
            go_on.wait(60)

    obstacle.trouble = trouble
    return uploading, go_on


def became(run: Run) -> Any:
    """What one run says of its one copy."""
    (copied,) = run.value["copies"]
    return "skipped" if "skipped" in copied else copied["new"]


@pytest.mark.slow
@pytest.mark.parametrize("brokers", [1, 2])
def test_two_workers_at_one_copy_make_it_once(
    brokers: int,
    begin: Begin,
    home: Folder,
    in_s3: Remote,
    obstacle: Obstacle,
    newest: Binary,
    start_server: StartServer,
    tmp_path: Path,
) -> None:
    """With two brokers nobody knows of the other but by the mark in the bucket, which the second one takes over."""
    of = [start_server(newest) for _ in range(brokers)] * (3 - brokers)
    workers = [begin(broker, f"worker{number}") for number, broker in enumerate(of)]
    uploading, go_on = held_up(obstacle)
    copy(of[0], home, in_s3, obstacle, tmp_path)
    assert uploading.wait(60)
    copy(of[1], home, in_s3, obstacle, tmp_path)

    def both() -> list[Run]:
        return [run for broker in {id(each): each for each in of}.values() for run in runs_of(broker, home)]

    eventually(lambda: len(both()) == 2 and all(run.started_at for run in both()), "both of them at work")
    go_on.set()

    def ended() -> list[Run] | None:
        runs = both()
        return runs if all(run.ended for run in runs) else None

    runs: list[Run] = eventually(ended, lambda: "\n".join(worker.said for worker in workers), 150)
    assert [(run.state, run.error) for run in runs] == [("SUCCESS", None)] * 2
    assert {became(run) for run in runs} & {True}
    assert len({run.worker for run in runs}) == 2
    assert names(in_s3) == [NAME]
    assert both_files(in_s3) == both_files(home)
    assert [thing.name for thing in in_s3.bucket.things() if thing.name.startswith(".")] == []


@pytest.mark.slow
def test_a_broker_that_goes_away_in_the_middle_of_a_copy_costs_no_copy(
    begin: Begin,
    home: Folder,
    in_s3: Remote,
    obstacle: Obstacle,
    newest: Binary,
    start_server: StartServer,
    tmp_path: Path,
) -> None:
    broker = start_server(newest, "--appendonly", "yes")
    worker = begin(broker, "worker")
    uploading, go_on = held_up(obstacle)
    copy(broker, home, in_s3, obstacle, tmp_path)
    assert uploading.wait(60)
    broker.kill()
    go_on.set()
    eventually(lambda: "onnection" in worker.said, lambda: worker.said)
    assert all(in_s3.read(NAME) == CONTENT for _ in catalogue.read(in_s3).backups)
    broker.start()
    eventually(lambda: catalogue.read(in_s3).backups, lambda: worker.said, 150)
    assert names(in_s3) == [NAME]
    assert both_files(in_s3) == both_files(home)
