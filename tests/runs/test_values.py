"""What a result has of values is taken out of it wherever it stands, and put back where it was; nothing else is."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.runs.values import joined, parted

ROW = [{"backup": "a", "target": None}]
OTHER = [{"backup": "b", "target": "c"}]
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
ROWS = st.lists(st.dictionaries(st.sampled_from(["backup", "target"]), PLAIN, max_size=2), max_size=2)
RESULTS = st.recursive(
    PLAIN,
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "keys", "samples"]), parts, max_size=3)
        | st.builds(lambda rest, rows: {**rest, "rows": rows}, st.dictionaries(st.just("key"), parts), ROWS)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("result", "rest", "values"),
    [
        ({"rows": ROW}, {"rows": None}, [ROW]),
        ({"a": [{"rows": ROW}, {"rows": OTHER}]}, {"a": [{"rows": None}, {"rows": None}]}, [ROW, OTHER]),
        ({"a": {"b": {"rows": ROW, "c": 1}}}, {"a": {"b": {"rows": None, "c": 1}}}, [ROW]),
        ({"a": ({"rows": ROW}, 2)}, {"a": [{"rows": None}, 2]}, [ROW]),
        ({"rows": {"rows": ROW}}, {"rows": {"rows": None}}, [ROW]),
        ({"a": {"rows": []}, "b": {"rows": ROW}}, {"a": {"rows": None}, "b": {"rows": None}}, [[], ROW]),
    ],
)
def test_values_are_taken_out_in_the_order_they_stand_in(result: Any, rest: Any, values: list[Any]) -> None:
    assert parted(result) == (rest, values)


@pytest.mark.parametrize(
    "result", [None, 5, "rows", [], {"rows": 5}, {"rows": None}, {"rows": []}, {"a": [{"rows": []}], "values": ROW}]
)
def test_a_result_without_values_is_as_it_was(result: Any) -> None:
    rest, values = parted(result)
    assert rest is result
    assert values == []


@settings(max_examples=60)
@given(RESULTS)
def test_what_was_taken_out_comes_back_where_it_was(result: Any) -> None:
    rest, values = parted(result)
    assert joined(rest, values) == result
    if values:
        assert joined(rest, values[:-1]) is None, "one is missing"
        assert joined(rest, [*values, ROW]) is None, "one is too many"


def test_what_was_nothing_before_takes_the_place_of_no_values() -> None:
    """Other names may say nothing as well."""
    assert joined({"name": None, "rows": None, "keys": [None]}, [ROW]) == {"name": None, "rows": ROW, "keys": [None]}
    assert joined({"rows": 5}, [ROW]) is None
