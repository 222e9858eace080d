"""What a run of tests found of the table of faults, and docs/reliability.md, which is written from both.

As a plugin (`pytest -p tests.faults.results --reliability FILE`) it takes the results of the tests that the table names and
puts them into that file. What was not run stays as it was: so a share of the slow set, or one test, brings its own up to
date. A file is the same for the same results, whenever and in whatever order they came.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest

from tests.faults.table import TABLE, Row
from tests.soak.promises import PROMISES

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = """\
# Faults, and what holds then

What goes wrong, what is promised for that case, the tests that make it go wrong on real servers, and what became of them
when they were run last: *held* with the number of cases that were run and passed, **broke** with those that did not, or *not
run* since this file was begun. `make reliability` runs them all, which takes an hour or more, and writes this file; `make
test` runs the quick ones, and CI with each commit a share of the slow ones besides.

Whatever happens, thirteen things are to be true afterwards, which `make soak` checks at its end after minutes of random faults
(`make soak SOAK_MINUTES=10`; the faults follow from a seed, which is printed):

| | promise |
|---|---|
"""
_TRIED = re.compile(r"\[`(tests/\S+?::\w+)`\]\(\S+\) (.+?)(?=<br>| \|)")
_CASES = re.compile(r"held, (\d+) cases?")
_BROKEN = re.compile(r"\*\*broke\*\*: `(.+)`")


@dataclass
class Result:
    """What became of one test: how many of its cases held, and the names of those that broke."""

    held: int = 0
    broken: frozenset[str] = field(default_factory=frozenset)

    def __str__(self) -> str:
        if self.broken:
            return f"**broke**: `{'`, `'.join(sorted(self.broken))}`"
        return f"held, {self.held} {'case' if self.held == 1 else 'cases'}" if self.held else "not run"

    @classmethod
    def parse(cls, text: str) -> "Result":
        """As the document says it."""
        if match := _BROKEN.fullmatch(text):
            return cls(0, frozenset(match[1].split("`, `")))
        return cls(int(match[1])) if (match := _CASES.fullmatch(text)) else cls()

    def after(self, cases: Mapping[str, bool]) -> "Result":
        """Once these cases were run too: whether each held."""
        held = sum(cases.values())
        return Result(
            max(self.held, held), self.broken - set(cases) | {name for name, passed in cases.items() if not passed}
        )


def results_in(document: Path) -> dict[str, Result]:
    """By its test what the document says; nothing of one that is not there."""
    text = document.read_text() if document.exists() else ""
    return {test: Result.parse(said) for test, said in _TRIED.findall(text)}


def written(results: Mapping[str, Result]) -> str:
    """The document."""
    lines = [HEAD + "\n".join(f"| {one.number} | {one.words} |" for one in PROMISES)]
    for part, rows in groupby(TABLE, key=lambda row: row.part):
        lines += ["", f"## {part}", "", "| fault | promise | tests, and what became of them |", "|---|---|---|"]
        lines += [_line(row, results) for row in rows]
    return "\n".join([*lines, ""])


def _line(row: Row, results: Mapping[str, Result]) -> str:
    tried = (
        f"[`tests/{test}`](../tests/{test.partition('::')[0]}) {results.get(f'tests/{test}', Result())}"
        for test in row.tests
    )
    return f"| {row.fault} | {row.promise} | {'<br>'.join(tried)} |"


class Collector:
    """Remembers what became of each case of the tests of the table."""

    def __init__(self, document: Path) -> None:
        self._document = document
        self._named = {f"tests/{test}" for row in TABLE for test in row.tests}
        self.cases: dict[str, dict[str, bool]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of each part of a case: before it, itself, after it."""
        test, _, _ = report.nodeid.partition("[")
        if test not in self._named or report.skipped:
            return
        cases, case = self.cases.setdefault(test, {}), report.nodeid.rpartition("::")[2]
        if report.failed or report.when == "call":
            cases[case] = cases.get(case, True) and not report.failed

    def pytest_sessionfinish(self) -> None:
        """Put them into the document."""
        results = results_in(self._document)
        for test, cases in self.cases.items():
            results[test] = results.get(test, Result()).after(cases)
        self._document.write_text(written(results))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write it."""
    parser.addoption(
        "--reliability", metavar="FILE", type=Path, help="write what holds in the table of faults into FILE"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Only the process that hears of all others writes."""
    document = config.getoption("--reliability")
    if document is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(document), "reliability")
