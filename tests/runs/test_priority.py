"""A run pushes nobody aside on a busy machine."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.runs.made import a_run
from tests.support.processes import eventually
from worker.config.settings import Settings
from worker.runs.recorder import SESSION_NICE, Recording, perform


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has it")
def test_a_run_pushes_nobody_aside(tmp_path: Path) -> None:
    recording = Recording(
        Settings(celery_broker_url="redis://127.0.0.1:1/0", backup_storage=str(tmp_path)), a_run(), patience=0
    )
    # On a thread of its own: what is asked of the scheduler holds for this one, and is not taken back.
    with ThreadPoolExecutor(1) as thread:
        # Threads begin as the one that makes them is, and an earlier test may have made that one step back.
        thread.submit(os.sched_setscheduler, 0, os.SCHED_OTHER, os.sched_param(0)).result()
        assert thread.submit(os.sched_getscheduler, 0).result() == os.SCHED_OTHER
        found = thread.submit(perform, recording, lambda _: {"class": os.sched_getscheduler(0)}).result()
    assert found == {"class": os.SCHED_BATCH}


AUTOGROUP = Path("/proc/self/autogroup")
PERFORMED = """
import sys
from pathlib import Path
from tests.runs.made import a_run
from worker.config.settings import Settings
from worker.runs.recorder import Recording, perform
settings = Settings(celery_broker_url="redis://127.0.0.1:1/0", backup_storage=sys.argv[1])
perform(Recording(settings, a_run(), patience=0), lambda _: {})
print(Path("/proc/self/autogroup").read_text().rpartition(" ")[2].strip())
"""


@pytest.mark.skipif(not os.access(AUTOGROUP, os.W_OK), reason="this kernel does not group processes by session")
@pytest.mark.parametrize("own", [True, False])
def test_a_session_of_its_own_steps_back_and_no_other(own: bool, tmp_path: Path) -> None:
    # Nothing at all is told of a session that began before the kernel grouped any.
    expected = SESSION_NICE if own else AUTOGROUP.read_text().rpartition(" ")[2].strip()
    command = [sys.executable, "-c", PERFORMED, str(tmp_path)]

    def tried() -> bool:
        done = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=own)
        return done.stdout.split("\n")[-2] == expected

    # Who is not the machine's root may ask for this every tenth of a second, all together: the next one may.
    eventually(tried, "the session to step back" if own else "the session to stay as it was")
