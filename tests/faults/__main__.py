"""`make reliability`, or `python -m tests.faults`: run the tests of the table of faults, and write docs/reliability.md.

What is said behind it is for pytest: `python -m tests.faults -n 2 -m "not slow"`; with `--write` nothing is run.
"""

import sys

import pytest

from tests.faults.results import DOCUMENT, results_in, written
from tests.faults.table import TABLE


def main(arguments: list[str]) -> int:
    """The exit code of pytest."""
    if arguments == ["--write"]:
        DOCUMENT.write_text(written(results_in(DOCUMENT)))
        return 0
    tests = sorted({f"tests/{test}" for row in TABLE for test in row.tests})
    return int(pytest.main([*tests, "-p", "tests.faults.results", "--reliability", str(DOCUMENT), *arguments]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
