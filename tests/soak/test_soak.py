"""A minute of a soak, as `make soak` runs it; and that what it looks for would be found."""

import re
import sys
from pathlib import Path

import pytest

from tests.faults.programs import needs_faketime, needs_strace
from tests.support.processes import environment, run

SEED = 18


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_minute_of_faults_breaks_no_promise(tmp_path: Path) -> None:
    needs_strace()
    needs_faketime()
    command = [
        sys.executable,
        "-m",
        "tests.soak",
        "--minutes",
        "1",
        "--seed",
        str(SEED),
        "--folder",
        str(tmp_path / "it"),
    ]
    ended = run(*command, env=environment(), cwd=tmp_path)
    assert ended.code == 0, ended.out + ended.err
    assert re.findall(r"^ *(I\d+) held", ended.out, re.MULTILINE) == [f"I{number}" for number in range(1, 14)]
