"""docs/security.md: each of its rows has a test that is there, and it leaves out no scope."""

import ast
import re

import pytest

from tests.support.processes import ROOT
from worker.broker.scopes import SCOPES

TABLE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TABLE)


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_what_tries_a_row_is_there(file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_row_that_says_cannot_has_its_test() -> None:
    rows = [line.strip("|").split("|") for line in TABLE.splitlines() if re.match(r"\| (?!who \|)", line)]
    assert len(rows) > 15
    assert [row for row in rows if row[2].strip() and not re.search(r"`tests/\S+::test_\w+`", row[3])] == []


def test_each_scope_has_its_row() -> None:
    assert set(re.findall(r"a token of the scope `(\w+)`", TABLE)) == set(SCOPES)
