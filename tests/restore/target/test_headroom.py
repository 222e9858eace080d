"""Whether there is room, and what is said of it: at each bound, to the byte."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from worker.formats.entries import Entry
from worker.restore.sampling import TIMES, measured
from worker.restore.target.footprint import OTHERS, Cost, Footprint, Limits, tables
from worker.restore.target.headroom import FORCED, doubt, refusal, risk, verdict
from worker.restore.target.needs import ENOUGH, RESERVE, SAMPLED, Needs, Sample
from worker.server.info import Facts

FOOTPRINT = Footprint(OTHERS, Limits())


def facts(limit: int = 1000, used: int = 300, growing: int = 50, eviction: str = "noeviction") -> Facts:
    told: dict[str, Any] = dict.fromkeys(Facts.__dataclass_fields__, 0)
    told |= {"max_memory": limit, "used_memory": used + 7, "uncounted_memory": 7, "growing_memory": growing}
    return Facts(**told | {"eviction": eviction})


def needs(least: int, most: int) -> Any:
    return SimpleNamespace(least=least, most=most)


@pytest.mark.parametrize(
    ("least", "most", "found"),
    [(100, 650, "fits"), (100, 651, "unsure"), (700, 701, "unsure"), (701, 702, "full"), (0, 0, "fits")],
)
def test_there_is_room_beside_what_is_in_use_and_may_still_grow(least: int, most: int, found: str) -> None:
    assert verdict(facts(), needs(least, most)) == found


@pytest.mark.parametrize(
    ("least", "most", "found"), [(100, 800, "fits"), (100, 801, "unsure"), (800, 801, "unsure"), (801, 802, "full")]
)
def test_in_the_place_of_all_there_is_only_what_it_needs_itself_counts(least: int, most: int, found: str) -> None:
    assert verdict(facts(), needs(least, most), 200) == found


def test_without_a_limit_all_fits() -> None:
    assert verdict(facts(limit=0), needs(1 << 60, 1 << 61)) == "fits"
    assert refusal(facts(limit=0), needs(1 << 60, 1 << 61)) is None
    assert doubt(facts(limit=0), needs(1 << 60, 1 << 61)) is None


FITS, UNSURE, FULL = needs(100, 650), needs(100, 2000), needs(1500, 2000)


def test_a_target_that_keeps_its_keys_is_refused_only_what_surely_does_not_fit() -> None:
    assert [refusal(facts(), one) for one in (FITS, UNSURE)] == [None, None]
    assert refusal(facts(), FULL) == (
        "The target has too little memory: maxmemory is 1,000 bytes, 300 are in use, and the restore needs at least 1,500 "
        f"more, at most 2,050. Raise maxmemory, restore less, {FORCED}: it would stop when it is full."
    )
    assert [doubt(facts(), one) for one in (FITS, FULL)] == [None, None]
    assert doubt(facts(), UNSURE) == (
        "The target may have too little memory: maxmemory is 1,000 bytes, 300 are in use, and the restore needs at least 100 "
        "more, at most 2,050. The restore would stop when it is full: raise maxmemory, or restore less."
    )
    assert risk(facts()) == "full"


def test_one_that_throws_keys_out_is_refused_what_may_not_fit() -> None:
    evicting = facts(eviction="allkeys-lru")
    assert refusal(evicting, FITS) is None
    assert refusal(evicting, UNSURE) == (
        "The target may have too little memory: maxmemory is 1,000 bytes, 300 are in use, and the restore needs at least 100 "
        f"more, at most 2,050. Raise maxmemory, restore less, {FORCED}: it would make it throw keys out (allkeys-lru), its "
        "own too, and stop at the first."
    )
    assert "The target has too little" in (refusal(evicting, FULL) or "")
    assert doubt(evicting, FULL) is None
    assert (doubt(evicting, UNSURE) or "").endswith(
        "would make it throw keys out (allkeys-lru), its own too, so it is refused unless some of its keys, tried there, "
        "show that all fit: raise maxmemory, or restore less."
    )
    assert risk(evicting) == "eviction"
    assert risk(facts(limit=0, eviction="allkeys-lru")) == "full"


def test_a_whole_backup_is_told_beside_what_the_target_needs_itself() -> None:
    told = "200 are for itself, and the backup needs at least 1,500, at most 2,000."
    keeping, evicting = (refusal(facts(eviction=how), FULL, 200) or "" for how in ("noeviction", "allkeys-lru"))
    assert told in keeping
    assert keeping.endswith("it would fill it, and it would take no more writes.")
    assert told in evicting
    assert evicting.endswith("it would make it throw keys out (allkeys-lru).")


def entries(number: int, kind: str = "string", size: int = 10) -> list[Entry]:
    value = b"\x00\x80" + size.to_bytes(4, "big") + b"v" * size
    return [Entry(0, b"k%05d" % place, None, kind, value) for place in range(number)]


def needed(*some: Entry, live: dict[int, int] | None = None) -> Needs:
    made = Needs(FOOTPRINT, live or {})
    for entry in some:
        made.add(entry, 9)
    return made


def test_what_keys_need_is_their_sum_with_the_tables_that_grow_and_a_reserve() -> None:
    some = entries(100)
    cost = FOOTPRINT.of(some[0], 9)
    made = needed(*some, live={0: 50})
    assert made.least == 100 * cost.least
    assert made.most == 100 * cost.most + tables(50, 150) + RESERVE
    assert made.new == Counter({0: 100})
    assert needed().most == RESERVE


def test_of_a_key_that_is_replaced_only_what_it_grows_by_counts() -> None:
    (entry,) = entries(1, size=5000)
    cost = FOOTPRINT.of(entry, 9)
    for live in (Cost(10, 20), Cost(cost.least, cost.most), Cost(10**6, 10**6)):
        made = Needs(FOOTPRINT, {})
        made.add(entry, 9, live)
        assert made.least == max(0, cost.least - live.most)
        assert made.most == max(0, cost.most - live.least) + RESERVE
        assert not made.new


def test_what_is_damaged_needs_nothing() -> None:
    assert needed(Entry(0, b"k", None, "set", b"\x02\x05\x01a")).most == RESERVE


def test_a_sample_is_of_the_whole_backup_and_small() -> None:
    made = needed(*entries(3000), *entries(1, size=1 << 20))
    kept = made.samples["string"].entries
    assert len(kept) == SAMPLED
    assert made.samples["string"].seen == 3001
    places = sorted(int(one.key[1:]) for one in kept)
    assert places[-1] > 2000, "of the last ones too"
    assert all(len(one.payload or b"") < 1000 for one in kept)
    assert [len(needed(*entries(number)).samples["string"].entries) for number in (1, SAMPLED - 1, SAMPLED)] == [
        1,
        SAMPLED - 1,
        SAMPLED,
    ]


def test_the_more_have_passed_the_rarer_one_is_taken() -> None:
    sample = Sample()
    sample.seen = 5 * SAMPLED
    sample.take(entries(1)[0])
    assert sample.due == 5 * SAMPLED + 6


@pytest.mark.parametrize(
    ("shares", "share"),
    [([0.7] * ENOUGH, 0.77), ([0.1] * ENOUGH, 0.5), ([0.1] * (ENOUGH - 1) + [0.8], 0.88), ([0.1] * (ENOUGH - 1), 1)],
)
def test_what_some_really_took_refines_what_all_need(shares: list[float], share: float) -> None:
    made = needed(*entries(100))
    refined = made.refined({"string": shares})
    assert refined.most_by_type["string"] == pytest.approx(made.most_by_type["string"] * share, abs=1)
    assert (refined.least, refined.new) == (made.least, made.new)
    assert made.most_by_type["string"] == 100 * FOOTPRINT.of(entries(1)[0], 9).most, "the old ones stay as they are"


def test_keys_are_tried_only_where_there_is_much_more_room_than_they_cost() -> None:
    """Nobody is asked anything otherwise: there is no server here."""
    made = needed(*entries(5))
    costs = 5 * FOOTPRINT.of(entries(1)[0], 9).most
    room = costs * TIMES + RESERVE + 50
    nobody: Any = None
    for missing in (1, RESERVE, room):
        assert measured(nobody, facts(limit=300 + room - missing), made) == {}
    with pytest.raises(AttributeError):
        measured(nobody, facts(limit=300 + room), made)
