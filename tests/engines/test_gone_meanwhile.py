"""What passed between two looks at a server's counts: which keys that are missing it explains, at each bound."""

from typing import Any

import pytest

from worker.engines.completeness import Between, Counts, _counts, between

USUAL = Counts("run", False, False, False, {0: 5000}, 100, 10, 4, {"get": 7})


def counts(**changes: Any) -> Counts:
    calls = changes.pop("calls", {})
    told = USUAL.__dict__ | {"calls": None if calls is None else {"get": 7} | calls} | changes
    return Counts(**told)


def passed(before: dict[str, Any] | None = None, **after: Any) -> Between:
    """From the usual counts, with these changes, to those."""
    first = counts(**before or {})
    called = after.pop("calls", {})
    return between(first, counts(**(before or {}) | {"calls": called} | after))


def test_a_servers_counts_are_read_out_of_its_info() -> None:
    info = {
        "run_id": "run",
        "loading": "1",
        "role": "slave",
        "cluster_enabled": "1",
        "db0": "keys=3,expires=1",
        "db5": "keys=4,expires=2",
        "expired_keys": "5",
        "expired_subkeys": "6",
        "evicted_keys": "7",
    }
    stats = {
        "cmdstat_get": "calls=3,usec=12,usec_per_call=4.00",
        "cmdstat_set": "usec=1,calls=4",
        "errorstat_ERR": "count=1",
    }
    assert _counts(info, stats) == Counts("run", True, True, True, {0: 3, 5: 4}, 3, 18, 7, {"get": 3, "set": 4})
    assert _counts({}, {}) == Counts("", False, False, False, {}, 0, 0, 0, None)
    assert _counts({}, {"cmdstat_get": "calls=x", "cmdstat_set": ""}).calls == {"get": 0, "set": 0}


def test_what_was_called_and_lost_in_between_is_the_difference() -> None:
    found = passed(lost=15, calls={"get": 9, "del": 3})
    assert (found.calls, found.lost) == ({"get": 2, "del": 3}, 5)


@pytest.mark.parametrize(
    "after",
    [
        {"run_id": "another"},
        {"lost": 9},
        {"calls": {"get": 6}},
        {"calls": None},
    ],
    ids=["restarted", "fewer lost", "fewer calls", "not told"],
)
def test_counts_that_were_begun_anew_are_not_compared(after: dict[str, Any]) -> None:
    found = passed(**{"lost": 20} | after)
    assert (found.calls, found.lost) == (None, 0)


def test_a_command_that_is_no_longer_counted_means_that_somebody_has_reset_them() -> None:
    assert between(counts(calls={"set": 1}), counts()).calls is None
    assert between(counts(calls=None), counts()).calls is None
    assert passed().calls == {"get": 0}


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({}, None),
        ({"calls": {"del": 9}}, None),
        ({"run_id": "another"}, "it was restarted meanwhile, or its address leads to several servers"),
        ({"loading": True}, "it was restarted meanwhile, or its address leads to several servers"),
        ({"calls": {"flushall": 1}}, "FLUSHALL was called on it meanwhile"),
        ({"calls": {"flushdb": 1, "swapdb": 2}}, "FLUSHDB and SWAPDB was called on it meanwhile"),
    ],
)
def test_what_has_emptied_it_is_named(after: dict[str, Any], said: str | None) -> None:
    assert passed(**after).wiped() == said


FLUSHED = "FLUSHDB was called on it meanwhile"


@pytest.mark.parametrize(
    ("before", "calls", "read", "harm"),
    [
        ({0: 5000}, "flushdb", {0: 5000}, False),
        ({0: 5000}, "flushdb", {0: 4999}, True),
        ({0: 5000, 1: 9}, "flushdb", {0: 5000, 1: 9}, False),
        ({0: 5000, 1: 9}, "flushdb", {0: 5000, 1: 8}, True),
        ({0: 5000}, "flushall", {0: 5000}, True),
        ({1: 5000}, "flushall", {0: 0}, False),
        ({0: 5000}, "swapdb", {0: 5000}, True),
        ({}, "flushdb", {0: 0}, False),
        ({}, "flushdb", {0: 1}, True),
        ({}, "flushall", {0: 0}, False),
    ],
)
def test_a_wipe_of_what_was_read_before_or_not_asked_for_does_no_harm(
    before: dict[int, int], calls: str, read: dict[int, int], harm: bool
) -> None:
    found = passed({"keys": before}, calls={calls: 1})
    assert (found.missing(read) == found.wiped()) == harm


def test_a_wipe_with_keys_afterwards_where_there_were_none_before_is_not_understood() -> None:
    assert between(counts(keys={}), counts(keys={0: 1}, calls={"flushdb": 1})).missing({0: 0}) == FLUSHED


def test_keys_that_went_by_themselves_excuse_a_wipe_of_others() -> None:
    assert passed(lost=11, calls={"flushdb": 1}).missing({0: 4999}) is None
    assert passed(lost=11, calls={"flushdb": 1}).missing({0: 4998}) == FLUSHED
    assert passed(run_id="another").missing({0: 5000}) is not None, "nothing is known of a server that was restarted"


# What explains that keys are missing out of 5,000, and how many.
EXPLAINED: list[tuple[dict[str, Any], dict[str, Any], int]] = [
    ({}, {}, 0),
    ({}, {"lost": 13}, 3),
    ({}, {"calls": {"del": 2}}, 2 + 1000),
    ({}, {"calls": {"getdel": 2, "rename": 3, "move": 4, "renamenx": 1, "delex": 1}}, 11),
    ({}, {"calls": {"unlink": 1}}, 1 + 1000),
    ({}, {"calls": {"migrate": 1}}, 1000),
    ({}, {"calls": {"spop": 5, "expire": 6, "set": 1}}, 12),
    ({}, {"calls": {"spop": 5000}}, 1000),
    ({}, {"calls": {"module.do": 1}}, 1000),
    ({"replica": True}, {}, 100),
    ({"cluster": True}, {}, 1000),
    ({"cluster": True}, {"calls": {"getdel": 2}}, 1002),
]


@pytest.mark.parametrize(("before", "after", "gone"), EXPLAINED)
def test_as_many_keys_may_be_missing_as_are_explained(before: dict[str, Any], after: dict[str, Any], gone: int) -> None:
    found = passed(before, **after)
    assert found.missing({0: 5000 - gone}) is None
    assert found.missing({0: 4999 - gone}) == (
        f"its database 0, which had 5,000 keys before and 5,000 afterwards, gave only {4999 - gone:,}"
    )


def test_of_very_many_keys_a_tenth_may_be_missing_where_deletions_explain_it() -> None:
    found = passed({"keys": {0: 50_000}}, calls={"spop": 50_000})
    assert found.missing({0: 45_000}) is None
    assert found.missing({0: 44_999}) is not None


def test_only_keys_that_were_there_all_the_time_must_have_been_read() -> None:
    grown = between(counts(), counts(keys={0: 6000}))
    assert grown.missing({0: 5000}) is None
    assert (grown.missing({0: 4999}) or "").startswith(
        "its database 0, which had 5,000 keys before and 6,000 afterwards"
    )
    shrunk = between(counts(), counts(keys={0: 4000}))
    assert shrunk.missing({0: 4000}) is None
    assert shrunk.missing({0: 3999}) is not None
    assert between(counts(), counts(keys={})).missing({0: 0}) is None


def test_the_first_database_that_is_short_is_named() -> None:
    found = passed({"keys": {0: 5, 1: 5, 2: 5}})
    assert "its database 1, which had 5 keys" in (found.missing({0: 5, 1: 4, 2: 3, 7: 0}) or "")


def test_where_nobody_counts_half_must_have_been_read() -> None:
    blind = passed(calls=None)
    assert blind.missing({0: 2500}) is None
    assert blind.missing({0: 2499}) is not None


@pytest.mark.parametrize(("before", "after", "gone"), EXPLAINED)
def test_as_many_named_keys_may_be_gone_as_may_have_been_deleted(
    before: dict[str, Any], after: dict[str, Any], gone: int
) -> None:
    found = passed(before, **after)
    if before.get("cluster"):
        assert found.damage({0: 0}, 1 << 40) is None, "slots may leave a node of a cluster at any time"
        return
    most = {1002: 2 + 2000, 1001: 1 + 1000}.get(gone, gone)
    most = 5000 if after.get("calls") == {"spop": 5000} else most
    assert found.damage({0: 3000}, 3000 + most) is None
    assert found.damage({0: 3000}, 3001 + most) == (
        f"{most + 1:,} keys that SCAN named were not there, and not so many were deleted meanwhile"
    )


def test_more_keys_than_there_are_were_never_named() -> None:
    found = passed({"keys": {0: 5000, 1: 7}})
    assert found.damage({0: 5000, 1: 7}, 5007) is None
    assert found.damage({0: 5001, 1: 7}, 5008) == "SCAN named 5,001 keys in database 0, where there were never so many"
    assert found.damage({0: 5000, 1: 8}, 5008) == "SCAN named 8 keys in database 1, where there were never so many"
    assert found.damage({3: 1}, 1) is not None
    deleted = passed(lost=13)
    assert deleted.damage({0: 5003}, 5003) is None
    assert deleted.damage({0: 5004}, 5004) is not None


@pytest.mark.parametrize("after", [{"calls": None}, {"loading": True}, {"calls": {"flushdb": 1}}, {"keys": {}}])
def test_where_nobody_can_tell_nothing_is_called_damaged(after: dict[str, Any]) -> None:
    assert between(counts(), counts(**after)).damage({0: 9000}, 9000) is None
