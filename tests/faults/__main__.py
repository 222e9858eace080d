"""`make reliability`, or `python -m tests.faults`: run the tests of the table of faults, and write docs/reliability.md.

What is said behind it is for pytest: `python -m tests.faults -n 2 -m "not slow"`; with `--write` nothing is run.
"""

import os
import sys

from tests.faults.results import DOCUMENT, results_in, written
from tests.faults.table import TABLE


def main(arguments: list[str]) -> None:
    """Become pytest, which must be the first to load its plugins; with `--write`, only write."""
    if arguments == ["--write"]:
        DOCUMENT.write_text(written(results_in(DOCUMENT)))
        return
    tests = sorted({f"tests/{test}" for row in TABLE for test in row.tests})
    plugin = ["-p", "tests.faults.results", "--reliability", str(DOCUMENT)]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *plugin, *arguments, *tests])  # noqa: S606 - an argument list of our own


if __name__ == "__main__":
    main(sys.argv[1:])
