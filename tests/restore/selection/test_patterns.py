"""Patterns cost as much as they are long, and all of one call together are bounded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.dashboard import Web
from worker.arguments.selection import ALL_GLOBS, LONGEST_GLOB, MOST_GLOBS, Selection
from worker.config.validation import first_fault
from worker.server.globs import compiled

MOST_TIMES_AS_LONG = 12
"""An expression beside its pattern: `\\x61-\\x61` for one byte of a class, and what stands around a star."""

PARTS = st.sampled_from([b"*", b"?", b"a", b"[", b"]", b"^", b"-", b"\\", b"[a-c]", b"[^b]", b"\x00-\xff", b"\xff"])
COSTLY = ["[^a]" * (LONGEST_GLOB // 4)] * MOST_GLOBS


@given(pattern=st.lists(PARTS, max_size=40).map(b"".join) | st.binary(max_size=40))
def test_an_expression_grows_with_its_pattern_and_with_nothing_else(pattern: bytes) -> None:
    assert len(compiled(pattern).pattern) <= MOST_TIMES_AS_LONG * len(pattern) + len(".*")


@pytest.mark.parametrize("part", [b"[^a]", b"[\x00-\xff]", b"[\x00-\xfe", b"[^", b"*[^a]"])
def test_the_longest_pattern_of_classes_has_a_short_expression(part: bytes) -> None:
    pattern = (part * LONGEST_GLOB)[:LONGEST_GLOB]
    assert len(compiled(pattern).pattern) <= MOST_TIMES_AS_LONG * LONGEST_GLOB


@pytest.mark.parametrize("given", [{"match": COSTLY}, {"exclude": COSTLY}, {"match": "a", "exclude": COSTLY[:4]}])
def test_patterns_that_are_too_long_together_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Selection(**given)
    assert first_fault(caught.value).what == "must have patterns of at most 16,384 characters in all"


def test_patterns_up_to_the_bound_are_taken() -> None:
    longest = ("a" * LONGEST_GLOB,)
    assert Selection(match=longest, exclude=longest * (ALL_GLOBS // LONGEST_GLOB - 1)).narrowed


@pytest.mark.parametrize("call", ["/api/backup/preview", "/api/backup/restore"])
def test_four_calls_of_costly_patterns_are_refused_and_nothing_is_queued(call: str, web_app: Web) -> None:
    script = web_app.with_token("read", "restore")
    for _ in range(4):
        answer = script.post(call, json={"name": "latest", "match": COSTLY, "exclude": COSTLY})
        assert answer.status_code == 400
        said = "Wrong argument: arguments: must have patterns of at most 16,384 characters in all."
        assert answer.get_json() == {"error": said}
    assert not web_app.broker.client().keys("*run*")
