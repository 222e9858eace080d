"""Two values mean the same exactly where they compare as the same, whatever encoded them."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.servers import Server
from worker.formats.compare import values
from worker.formats.entries import Consumer, Entry, Group, Pending, Stream
from worker.search import meaning

SHORT = st.binary(max_size=2)
OPTIONAL = st.none() | st.integers(0, 2)
GROUPS = st.lists(
    st.builds(
        Group,
        SHORT,
        st.sampled_from(["0-0", "1-1"]),
        OPTIONAL,
        st.lists(
            st.builds(
                Consumer,
                SHORT,
                OPTIONAL,
                OPTIONAL,
                st.lists(st.builds(Pending, st.just("1-1"), st.integers(0, 1), st.integers(1, 2)), max_size=1),
            ),
            max_size=2,
            unique_by=lambda one: one.name,
        ),
    ),
    max_size=2,
    unique_by=lambda one: one.name,
)
STREAMS = st.builds(
    Stream,
    st.lists(
        st.tuples(st.sampled_from(["1-1", "2-1"]), st.lists(st.tuples(SHORT, SHORT), max_size=2)),
        max_size=2,
        unique_by=lambda one: one[0],
    ),
    st.sampled_from(["1-1", "2-1"]),
    st.none() | st.sampled_from(["0-0", "1-1"]),
    OPTIONAL,
    GROUPS,
)
VALUES: dict[str, Any] = {
    "string": SHORT,
    "list": st.lists(SHORT, max_size=3),
    "set": st.lists(SHORT, max_size=3, unique=True),
    "zset": st.lists(
        st.tuples(SHORT, st.sampled_from([0.0, -0.0, 1.5, float("inf"), float("nan")])),
        max_size=3,
        unique_by=lambda one: one[0],
    ),
    "hash": st.lists(st.tuples(SHORT, SHORT, OPTIONAL), max_size=3, unique_by=lambda one: one[0]),
    "stream": STREAMS,
}
ENTRIES = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: VALUES[kind].map(lambda value: Entry(0, b"k", None, kind, None, value))
)


@settings(max_examples=400)
@given(ENTRIES, ENTRIES, st.booleans())
def test_two_values_mean_the_same_exactly_where_they_compare_as_the_same(one: Entry, other: Entry, again: bool) -> None:
    other = one._replace(value=one.value) if again else other
    sides = values.Sides(None, None, float("-inf"))
    expected = values.same_value(one, other, sides)
    assert meaning.of(one, None).same(meaning.of(other, None)) == expected
    assert meaning.of(other, None).same(meaning.of(one, None)) == expected


@given(STREAMS, st.data())
def test_a_stream_of_an_older_server_means_the_same_as_far_as_that_knows(value: Stream, data: st.DataObject) -> None:
    groups = [
        Group(group.name, group.last_id, data.draw(st.none() | st.just(group.entries_read)), group.consumers)
        for group in value.groups
    ]
    older = Stream(value.entries, value.last_id, None, data.draw(OPTIONAL), groups)
    one, other = (Entry(0, b"k", None, "stream", None, stream) for stream in (value, older))
    expected = values.same_value(one, other, values.Sides(None, None, float("-inf")))
    assert meaning.of(one, None).same(meaning.of(other, None)) == expected


def test_a_long_string_means_the_same_packed_or_not(server: Server) -> None:
    client: Any = server.client()
    client.set("long", "a" * (3 << 20))
    packed = client.dump("long")
    client.config_set("rdbcompression", "no")
    plain = client.dump("long")
    assert packed != plain
    one, other = (Entry(0, b"long", None, "string", dump[:-10]) for dump in (packed, plain))
    assert meaning.of(one, 9).same(meaning.of(other, 9))
    client.setrange("long", (3 << 20) - 1, "b")
    assert not meaning.of(one, 9).same(meaning.of(Entry(0, b"long", None, "string", client.dump("long")[:-10]), 9))
