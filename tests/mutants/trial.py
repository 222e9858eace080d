"""Whether the tests notice a mutant: they run in a copy of the tree that has it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.rooms import WORKER, run_for

ONE_TEST_SECONDS, ALL_TESTS_SECONDS = 60, 1200
"""A test that hangs has noticed something. All of them take longer than that only where the machine is far too busy."""
NO_COPY = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "var")
NOTHING_FAILED, NO_TESTS = 0, 5


def passes(module: str, code: str | None = None) -> bool:
    """Whether the module's tests pass: as it is, or with other code in its place."""
    tests = run_for(module)
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree = Path(folder, "tree")
        shutil.copytree(WORKER.parent, tree, ignore=NO_COPY)
        (tree / "var").mkdir()
        if code is not None:
            (tree / "worker" / module).write_text(code)
        ended = _run(tree, ["-x", "-q", f"--timeout={ONE_TEST_SECONDS}", f"--basetemp={folder}/tests", *tests])
    if ended == NO_TESTS:
        raise LookupError(f"There is no test among {' '.join(tests)}.")
    return ended == NOTHING_FAILED


def _run(tree: Path, arguments: list[str]) -> int:
    """How pytest ended. TimeoutExpired where it did not."""
    quick = ["-m", "not slow and not cross", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *quick, *arguments],
        cwd=tree,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))},
        stdout=sys.stderr,
        start_new_session=True,
    )
    try:
        return process.wait(ALL_TESTS_SECONDS)
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """It is asked first, so that the tests end what they started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
