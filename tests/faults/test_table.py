"""docs/reliability.md: each row has a test that is there, and it says what the table says, and what a run has found."""

import ast
from pathlib import Path

from tests.faults.results import DOCUMENT, Collector, Result, results_in, written
from tests.faults.table import TABLE
from tests.soak.faults import FAULTS
from tests.soak.promises import PROMISES
from tests.support.processes import ROOT

NAMED = sorted({test for row in TABLE for test in row.tests})


def test_no_row_lacks_a_test_and_each_that_it_names_is_there() -> None:
    assert [row.fault for row in TABLE if not row.tests] == []
    there = {file: _tests(ROOT / "tests" / file) for file in {test.partition("::")[0] for test in NAMED}}
    assert [test for test in NAMED if test.partition("::")[2] not in there[test.partition("::")[0]]] == []


def _tests(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_the_document_says_what_the_table_says_and_nothing_broke() -> None:
    results = results_in(DOCUMENT)
    anew = written(results)
    assert DOCUMENT.read_text() == anew, "write it anew: python -m tests.faults --write"
    assert {test: str(result) for test, result in results.items() if result.broken} == {}


def test_the_promises_of_a_soak_are_all_there_and_each_of_its_faults_has_a_name() -> None:
    assert [one.number for one in PROMISES] == [f"I{number}" for number in range(1, 14)]
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


class Report:
    """What pytest tells of one case."""

    def __init__(self, test: str, outcome: str, when: str = "call") -> None:
        self.nodeid, self.when = test, when
        self.failed, self.skipped = outcome == "failed", outcome == "skipped"


def test_a_run_brings_what_it_has_run_up_to_date_and_leaves_the_rest(tmp_path: Path) -> None:
    document, test = tmp_path / "it.md", f"tests/{NAMED[0]}"

    def ran(*reports: Report) -> Result:
        collector = Collector(document)
        for report in reports:
            collector.pytest_runtest_logreport(report)  # type: ignore[arg-type]
        collector.pytest_sessionfinish()
        return results_in(document)[test]

    assert str(ran()) == "not run"
    assert str(ran(Report(f"{test}[one]", "passed"), Report(f"{test}[two]", "passed"))) == "held, 2 cases"
    assert str(ran(Report(f"{test}[one]", "passed"))) == "held, 2 cases"
    assert str(ran(Report(f"{test}[three]", "skipped"))) == "held, 2 cases"
    name = test.rpartition("::")[2]
    assert str(ran(Report(f"{test}[two]", "failed"))) == f"**broke**: `{name}[two]`"
    assert str(ran(Report(f"{test}[one]", "passed"))) == f"**broke**: `{name}[two]`"
    assert str(ran(Report(f"{test}[two]", "failed", "setup"))) == f"**broke**: `{name}[two]`"
    assert str(ran(Report(f"{test}[two]", "passed"))) == "held, 1 case"
