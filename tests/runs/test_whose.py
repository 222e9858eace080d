"""Whose a run is, as it is kept: what else stands there is nobody's."""

import pytest

from worker.runs.ownership import Whose, dump, load


def test_it_is_read_as_it_was_written() -> None:
    assert load(dump(Whose(host="here", source="a:1 all")).encode()) == Whose(host="here", source="a:1 all")


@pytest.mark.parametrize(
    "text", [b"", b"null", b"7", b'"a"', b"{}", b'["a", 1]', b'["a", ["b"]]', b'["","","","","","",""]']
)
def test_nothing_else_is_taken_for_it(text: bytes) -> None:
    assert load(text) is None
