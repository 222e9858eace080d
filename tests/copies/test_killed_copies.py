"""kill -9 of whoever copies a backup, at each request: nothing half is listed, and the next one completes it at once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.copies.given import NAME, both_files, copied, folder, names, settings_of, take
from tests.support.bucket import S3
from tests.support.obstacle import Trouble, before
from tests.support.processes import environment
from worker.repository import catalogue
from worker.storage.remote import Remote

COPYING = """
import sys
from tests.copies.given import NO_BROKER, copied
from worker.config.settings import Settings
print(flush=True)
sys.stdin.readline()
copied(Settings(celery_broker_url=NO_BROKER))
"""


@pytest.mark.slow
@pytest.mark.parametrize("arrives", [True, False], ids=["it arrives", "it does not"])
def test_a_copy_that_was_killed_is_completed_by_the_next(arrives: bool, in_s3: Remote, s3: S3, tmp_path: Path) -> None:
    home = folder(tmp_path / "home")
    take(home)
    number, died = 0, True
    with before(s3.endpoint) as obstacle:
        env = environment(
            AWS_ENDPOINT_URL=obstacle.endpoint,
            BACKUP_CACHE=str(tmp_path / "cache"),
            BACKUP_STORAGE=str(home),
            BACKUP_COPIES=in_s3.place,
        )
        while died:
            obstacle.clear()
            child = subprocess.Popen(
                [sys.executable, "-c", COPYING], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert child.stdout is not None

            def kill(asked: int, _method: str, _path: str, at: int = number, pid: int = child.pid) -> Trouble:
                if asked != at:
                    return None
                os.kill(pid, signal.SIGKILL)
                return "lost" if arrives else "reset"

            obstacle.trouble = kill
            child.stdout.readline()
            child.communicate("\n", timeout=60)
            died = child.returncode == -signal.SIGKILL
            whole = catalogue.read(in_s3).backups
            assert [backup.name for backup in whole] in ([], [NAME])
            assert all(in_s3.read(NAME) == home.read(NAME) for _ in whole)
            copied(settings_of(home, in_s3))
            assert (names(in_s3), both_files(in_s3)) == ([NAME], both_files(home))
            catalogue.remove(in_s3, NAME)
            number += 1
    assert number > 8
