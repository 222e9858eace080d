"""kill -9 of whoever writes a backup into a bucket, at each request of it: it is listed whole or not at all, and swept."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.storage.folders import NAME, OTHER, record
from tests.support.bucket import S3
from tests.support.obstacle import Trouble, before
from tests.support.processes import environment
from worker.repository import catalogue
from worker.storage import open_storage
from worker.storage.bucket import Thing
from worker.storage.remote import LEFT_AFTER, Remote

WRITING = """
import sys
from tests.storage.folders import record
from worker.storage import open_storage
print(flush=True)
sys.stdin.readline()
record(open_storage(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.parametrize("arrives", [True, False], ids=["it arrives", "it does not"])
def test_whoever_is_killed_leaves_nothing_half(
    arrives: bool, in_s3: Remote, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(in_s3, OTHER)
    number, died = 0, True
    with before(s3.endpoint) as obstacle:
        env = environment(AWS_ENDPOINT_URL=obstacle.endpoint, BACKUP_CACHE=str(tmp_path / "cache"))
        while died:
            obstacle.clear()
            child = subprocess.Popen(
                [sys.executable, "-c", WRITING, in_s3.place, NAME],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
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
            listed = [one.name for one in catalogue.read(in_s3).backups]
            assert set(listed) <= {NAME, OTHER}
            assert OTHER in listed
            assert all(in_s3.read(name) == name.encode() for name in listed)
            _a_day_later(in_s3, monkeypatch, {one + end for one in listed for end in ("", ".manifest.json")})
            found = catalogue.read(in_s3)
            assert found.problems == []
            assert not [key for key in s3.keys(in_s3) if key.startswith(".")]
            for one in found.backups:
                if one.name == NAME:
                    catalogue.remove(in_s3, NAME)
            number += 1
    assert number > 8


def _a_day_later(storage: Remote, monkeypatch: pytest.MonkeyPatch, owned: set[str]) -> None:
    again = open_storage(storage.place)
    assert isinstance(again, Remote)
    things, before_that = again.bucket.things(), datetime.now(UTC) - 2 * LEFT_AFTER
    with monkeypatch.context() as patched:
        old = [Thing(one.name, one.size, one.version, before_that) for one in things]
        patched.setattr(again.bucket, "things", lambda: old)
        again.sweep(owned)
