"""Rows of a table of faults: the first of them in the quick set, the others in the slow one."""

from collections.abc import Iterable
from typing import Any

import pytest


def sweep(names: str, rows: Iterable[Any], quick: int = 1) -> pytest.MarkDecorator:
    """As `parametrize`, by which the first `quick` rows run always; of several sweeps over a test, what is first in each."""
    given = list(rows)
    slow = (pytest.param(*(row if "," in names else (row,)), marks=pytest.mark.slow) for row in given[quick:])
    return pytest.mark.parametrize(names, [*given[:quick], *slow], ids=_named)


def _named(value: object) -> str | None:
    """What names itself; pytest does the rest."""
    return None if isinstance(value, tuple | bool | type(None)) else str(value)
