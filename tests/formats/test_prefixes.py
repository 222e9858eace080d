"""How many keys begin alike, by a sample."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.formats.prefixes import ALL_OF, MOST_LISTED, Prefixes, PrefixSample

LETTERS = str.maketrans("0123456789", "ghijklmnop")


def counted(keys: Iterable[bytes], batch: int = 1000) -> PrefixSample:
    sample, waiting = PrefixSample(), list[bytes]()
    for key in keys:
        waiting.append(key)
        if len(waiting) == batch:
            sample.add(waiting[: sample.wanted(len(waiting))], len(waiting))
            waiting = []
    sample.add(waiting[: sample.wanted(len(waiting))], len(waiting))
    return sample


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        (b"user:17:name", "user:"),
        (b"a/b:c", "a/"),
        (b"shop|1", "shop|"),
        (b"de.shop.cart", "de."),
        (b"2026-11-30:visits", "#-#-#:"),
        (b":x", ":"),
        (b"\xff\x00:x", "\\xff\\x00:"),
        (b"x" * 63 + b":y", "x" * 63 + ":"),
        (b"x" * 64 + b":y", None),
        (b"alone", None),
        (b"", None),
    ],
)
def test_a_prefix_ends_with_the_first_delimiter_and_has_no_digits(key: bytes, prefix: str | None) -> None:
    assert counted([key]).largest() == Prefixes(counts={} if prefix is None else {prefix: 1})


def test_few_keys_are_all_counted_and_small_prefixes_are_not_listed() -> None:
    names = [f"p{chr(97 + number // 26)}{chr(97 + number % 26)}:" for number in range(60)]
    largest = counted(f"{name}{key}".encode() for name in names for key in range(30)).largest()
    assert (len(largest.counts), largest.others, largest.exact) == (MOST_LISTED, 30, True)
    rare = counted([b"a:"] * (ALL_OF - 1) + [b"b:"]).largest()
    assert rare == Prefixes(counts={"a:": ALL_OF - 1}, others=1)


@pytest.mark.parametrize("batch", [1, 7, 300, 5000, 50_000])
def test_many_keys_are_sampled_and_the_numbers_are_about_right(batch: int) -> None:
    number = 60_000
    names = [b"user:", b"user:", b"user:", b"cart:"]
    sample = counted((names[key * 2_654_435_761 % 2**32 >> 30] + b"%d" % key for key in range(number)), batch)
    largest = sample.largest()
    assert not largest.exact
    assert largest.counts["user:"] == pytest.approx(number * 3 / 4, rel=0.1)
    assert largest.counts["cart:"] == pytest.approx(number / 4, rel=0.2)


def test_a_prefix_for_each_key_takes_no_more_memory_the_more_there_are() -> None:
    looked_at, sample = list[bytes](), PrefixSample()
    for batch in range(1000):
        names = [f"{1000 * batch + key:x}:".translate(LETTERS).encode() for key in range(sample.wanted(1000))]
        looked_at += names
        sample.add(names, 1000)
    assert len({*looked_at}) == len(looked_at) < 30_000
    assert sample.largest() == Prefixes(counts={}, others=256, exact=False)


@given(st.lists(st.tuples(st.sampled_from([b"a:1", b"b/2", b"none"]), st.booleans()), max_size=300))
def test_where_all_keys_are_looked_at_it_makes_no_difference_how_they_come(keys: list[tuple[bytes, bool]]) -> None:
    sample = PrefixSample()
    for key, is_large in keys:
        if is_large:
            sample.add_large(key)
        else:
            sample.add([key][: sample.wanted(1)], 1)
    assert sample.largest() == counted([key for key, _ in keys]).largest()
