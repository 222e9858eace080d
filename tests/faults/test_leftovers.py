"""What processes leave in the folder for temporary files: nothing, once another worker has begun there.

| fault | moment | outcome |
|---|---|---|
| a worker is killed with its children | at rest | what it left is gone when the next one begins |
| a worker ends | at rest | it leaves nothing |
| a folder of that name is no worker's | - | somebody else's stays |
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.processes import CELERY, Background, environment
from tests.support.servers import Binary, Server
from worker.storage import tempfiles


@dataclass
class House:
    """A broker, and a folder for temporary files that only these workers use."""

    broker: Server
    folder: Path

    @property
    def temporary(self) -> list[str]:
        return sorted(os.listdir(self.folder / "tmp"))

    @contextmanager
    def worker(self) -> Iterator[Background]:
        env = environment(
            REDIS_URL=self.broker.url,
            CELERY_BROKER_URL=self.broker.url,
            CELERY_RESULT_BACKEND=self.broker.url,
            BACKUP_STORAGE=str(self.folder / "backups"),
        )
        worker = Background(
            *CELERY, "worker", "--concurrency", "2", env=env | {"TMPDIR": str(self.folder / "tmp")}, cwd=self.folder
        )
        try:
            worker.wait_until_it_says("ready.")
            yield worker
        finally:
            worker.stop()


@pytest.fixture
def house(newest: Binary, start_server: StartServer, tmp_path: Path) -> House:
    (tmp_path / "tmp").mkdir()
    return House(start_server(newest), tmp_path)


def test_a_worker_has_one_folder_and_leaves_none(house: House) -> None:
    with house.worker() as worker:
        (own,) = house.temporary
        assert list((house.folder / "tmp" / own).glob("pymp-*")), "if multiprocessing makes none, all of this can go"
        worker.process.terminate()
        assert worker.process.wait(30) == 0
        assert house.temporary == []
        assert "Traceback" not in worker.said


def test_what_a_killed_worker_left_is_gone_with_the_next(house: House) -> None:
    with house.worker() as worker:
        (left,) = house.temporary
    assert house.temporary == [left]
    with house.worker() as worker:
        (own,) = house.temporary
        assert own != left
        # Neither does one that begins take away what another has.
        with house.worker():
            assert own in house.temporary
            assert len(house.temporary) == 2
        assert worker.process.poll() is None


def test_a_folder_of_that_name_that_is_none_of_ours_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / f"{tempfiles.PREFIX}link"
    link.symlink_to(elsewhere)
    file = tmp_path / f"{tempfiles.PREFIX}file"
    file.touch()
    for path in (link, file):
        tempfiles._remove_if_left(path)
    assert elsewhere.exists()
    assert link.is_symlink()
    assert file.exists()
    if os.geteuid() == 0:
        theirs = tmp_path / f"{tempfiles.PREFIX}theirs"
        theirs.mkdir()
        os.chown(theirs, 65534, 65534)
        tempfiles._remove_if_left(theirs)
        assert theirs.exists()
