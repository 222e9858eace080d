"""A fork of our code is told from a new interpreter by its speed alone, which is why most tests make do with forks."""

import signal
import sys
from pathlib import Path

import pytest

from tests.support.processes import Background, Ended, environment, run

TELLING = """
import json, os, sys, time
from worker.broker.lease import LEASE_SECONDS
told = [sys.argv[1:], os.getcwd(), sys.stdin.read(), LEASE_SECONDS, time.tzname, os.environ["NEW"], "HOME" in os.environ]
print(json.dumps(told))
print("err", file=sys.stderr)
"""
ENDS = [
    ("import sys; sys.exit('no')", Ended(1, "", "no\n")),
    ("import sys; print('half', end=''); sys.exit(3)", Ended(3, "half", "")),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", Ended(-signal.SIGKILL, "", "")),
    ("import atexit; atexit.register(print, 'the end')", Ended(0, "the end\n", "")),
]
both = pytest.mark.parametrize("forked", [True, False], ids=["fork", "interpreter"])


@both
def test_it_is_what_it_was_told_to_be(forked: bool, tmp_path: Path) -> None:
    env = environment(NEW="1", TZ="Asia/Tokyo", REDIS_BACKUP_LEASE_SECONDS="7")
    del env["HOME"]
    told = run(sys.executable, "-c", TELLING, "a b", "é", env=env, cwd=tmp_path, answer="ö\n", forked=forked)
    assert told.err == "err\n"
    assert told.data == [["a b", "é"], str(tmp_path), "ö\n", 7, ["JST", "JST"], "1", False]


@both
@pytest.mark.parametrize(("script", "end"), ENDS, ids=str)
def test_it_ends_as_it_would(script: str, end: Ended, forked: bool, tmp_path: Path) -> None:
    assert run(sys.executable, "-c", script, env=environment(), cwd=tmp_path, forked=forked) == end


@both
def test_it_runs_beside_us_until_it_is_told_to_stop(forked: bool, tmp_path: Path) -> None:
    script = "import time; print('here', flush=True); time.sleep(300)"
    process = Background(sys.executable, "-c", script, env=environment(), cwd=tmp_path, forked=forked)
    try:
        process.wait_until_it_says("here")
        assert process.pids() == [process.process.pid]
        process.process.terminate()
        assert process.process.wait(30) == -signal.SIGTERM
    finally:
        process.stop()
    assert process.pids() == []


def test_what_one_fork_changes_the_next_does_not_see(tmp_path: Path) -> None:
    script = "from worker.cli import console; print(hasattr(console, 'seen')); console.seen = True"
    told = [run(sys.executable, "-c", script, env=environment(), cwd=tmp_path) for _ in range(2)]
    assert [one.out for one in told] == ["False\n", "False\n"]
