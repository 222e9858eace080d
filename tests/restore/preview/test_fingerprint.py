"""What a preview saw and a later look sees: another key or value is noticed, and what has merely expired since is none."""

from typing import Any

import pytest

from worker.engines.live import Judged
from worker.formats.compare.values import Sides
from worker.formats.entries import Entry
from worker.restore.preview.fingerprint import Fingerprint, others

SIDES = Sides(12, 12, 0)


def text(key: bytes = b"k", value: bytes = b"v", expires_at: int | None = None, db: int = 0) -> Entry:
    return Entry(db, key, expires_at, "string", b"\x00" + bytes((len(value),)) + value)


def fields(*pairs: tuple[bytes, bytes, int | None], expires_at: int | None = None) -> Entry:
    return Entry(0, b"h", expires_at, "hash", None, list(pairs))


def seen(*pairs: tuple[Entry, Entry | None, Any], since: int = 0, expiring: bool = True) -> dict[str, Any]:
    made = Fingerprint(since)
    for backup, live, kind in pairs:
        made.add(Judged(backup, live, kind, SIDES), expiring=expiring)
    return made.as_dict()


NOTHING = seen()


@pytest.mark.parametrize(
    ("until", "changed"), [(0, {"new"}), (400, {"new"}), (511, {"new"}), (512, set()), (600, set()), (5000, set())]
)
def test_a_key_that_may_have_expired_by_the_later_look_is_no_change(until: int, changed: set[str]) -> None:
    """Of keys that expire within the same power of two nobody knows; this one does after 900 milliseconds."""
    for since in (0, 1_700_000_000_000):
        before = seen((text(expires_at=since + 900), None, "new"), since=since)
        assert others(before, seen(since=since), since + until) == changed


@pytest.mark.parametrize("until", [0, 600, 10**12])
def test_a_key_that_stays_is_missed_however_late_it_is(until: int) -> None:
    for before in (seen((text(), None, "new")), seen((text(expires_at=5), None, "new"), expiring=False)):
        assert others(before, NOTHING, until) == {"new"}
        assert others(before, before, until) == set()


def test_the_order_of_keys_is_no_change_and_their_number_and_names_are() -> None:
    one, other = (text(b"a"), None, "new"), (text(b"b"), None, "new")
    assert others(seen(one, other), seen(other, one), 1) == set()
    for changed in (seen(one), seen(one, one), seen(one, other, other), seen(one, (text(b"b", db=1), None, "new"))):
        assert others(seen(one, other), changed, 1) == {"new"}


def test_what_is_identical_or_has_expired_tells_nothing() -> None:
    assert seen((text(), text(), "identical"), (text(), None, "expired")) == NOTHING


def test_of_a_key_that_differs_the_live_value_and_whether_it_expires_counts() -> None:
    before = seen((text(), text(value=b"live"), "differs"))
    for live, changed in (
        (text(value=b"live"), set()),
        (text(value=b"else"), {"differs"}),
        (text(value=b"live", expires_at=7000), {"differs"}),
    ):
        assert others(before, seen((text(), live, "differs")), 1) == changed
    expiring, later = (seen((text(), text(value=b"live", expires_at=at), "differs")) for at in (7000, 9000))
    assert others(expiring, later, 1) == set()


def test_of_another_expiry_only_whether_there_is_one_counts() -> None:
    before = seen((text(), text(expires_at=7000), "expiry"))
    assert others(before, seen((text(), text(expires_at=9000), "expiry")), 1) == set()
    assert others(before, seen((text(), text(), "expiry")), 1) == {"expiry"}


def test_a_collection_counts_part_by_part_in_any_order() -> None:
    before = seen((fields(), fields((b"a", b"1", None), (b"b", b"2", None)), "differs"))
    for live, changed in (
        (fields((b"b", b"2", None), (b"a", b"1", None)), set()),
        (fields((b"b", b"2", None), (b"a", b"2", None)), {"differs"}),
        (fields((b"b", b"2", None)), {"differs"}),
    ):
        assert others(before, seen((fields(), live, "differs")), 1) == changed


def test_a_field_that_may_have_expired_by_the_later_look_is_no_change() -> None:
    stays = (b"a", b"1", None)
    before = seen((fields(), fields(stays, (b"b", b"2", 900)), "differs"))
    now = seen((fields(), fields(stays), "differs"))
    assert others(before, now, 600) == set()
    assert others(before, now, 400) == {"differs"}
    both = seen((fields(expires_at=900), fields(stays, (b"b", b"2", 10**9)), "differs"))
    assert others(both, NOTHING, 600) == set(), "the key itself may be gone before its field"


def test_a_key_that_would_be_deleted_counts_as_such() -> None:
    made = Fingerprint(0)
    made.add_deleted(text(b"surplus"))
    assert others(made.as_dict(), NOTHING, 10**12) == {"deleted"}
    assert made.as_dict()["sums"].keys() == {"deleted"}
