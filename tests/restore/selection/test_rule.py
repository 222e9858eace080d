"""Which keys a selection means: named, or fitting a pattern, and then of the types and databases that are named."""

from typing import Any

import pytest

from worker.arguments.selection import Selection
from worker.formats.entries import Entry
from worker.restore.selection.filters import rule

KEYS = [Entry(0, b"user:1", None, "string"), Entry(0, b"user:2", None, "hash"), Entry(3, b"bot", None, "string")]


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        ({}, [0, 1, 2]),
        ({"keys": ["bot"]}, [2]),
        ({"match": "user:*"}, [0, 1]),
        ({"match": "user:*", "keys": ["bot"]}, [0, 1, 2]),
        ({"match": "user:*", "keys": ["user:1"]}, [0, 1]),
        ({"match": "user:*", "keys": ["bot"], "exclude": ["*:2", "b*"]}, [0]),
        ({"match": "user:*", "keys": ["bot"], "types": ["string"], "databases": [0]}, [0]),
        ({"match": "user:*", "keys": []}, [0, 1]),
        ({"keys": []}, []),
    ],
)
def test_a_key_is_meant_that_is_named_or_fits_a_pattern_and_is_of_all_else(
    selection: dict[str, Any], meant: list[int]
) -> None:
    wanted = rule(Selection(**selection))
    assert [number for number, entry in enumerate(KEYS) if wanted(entry)] == meant
