"""A sample of mutants, a few of each module and always the same: the tests notice every one."""

import subprocess
import sys

import pytest

from tests.mutants.rooms import ROOMS, TESTS, modules, sample_size
from tests.mutants.trial import passes
from tests.support.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SAMPLE = [(module, number) for room in ROOMS for module in modules(room) for number in range(sample_size(module))]


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.mutants", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("module", "number"), SAMPLE)
def test_a_mistake_is_noticed(module: str, number: int) -> None:
    told = ask("--module", module, "--number", str(number))
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("start", TESTS)
def test_without_a_mistake_they_pass(start: str) -> None:
    assert passes(start)
