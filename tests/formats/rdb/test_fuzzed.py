"""What a fuzzer makes of our samples, led by which lines they reach: it is read, or refused in our own words."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.formats.rdb.damaged import KINDS
from tests.formats.rdb.files import FOLDER
from tests.formats.rdb.samples import SAMPLES

RUNS = 60_000
HEADER, CHECKSUM = 9, 8
VALUE, FILE = b"\x82", b"\x02"
"""How an example begins: what it stands for, in RDB version 12."""


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("atheris"), reason="atheris comes for Linux on x86-64 only")
def test_whatever_a_fuzzer_finds_is_read_or_refused(tmp_path: Path) -> None:
    examples = [VALUE + payload for payload in (*SAMPLES.values(), *KINDS.values())]
    examples += [FILE + path.read_bytes()[HEADER:-CHECKSUM] for path in sorted(FOLDER.glob("*.rdb"))]
    for number, example in enumerate(examples):
        (tmp_path / f"{number:03}").write_bytes(example)
    # Ten seconds for an example, and a gigabyte, are no measure of speed: a length that is only claimed takes far more.
    options = [
        f"-runs={RUNS}",
        "-seed=1",
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=1024",
        f"-artifact_prefix={tmp_path}/",
    ]
    command = [sys.executable, "-m", "tests.formats.rdb.fuzz", str(tmp_path), *options]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr[-4000:]
    assert f"Done {RUNS} runs" in told.stderr
