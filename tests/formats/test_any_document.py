"""Any entries come back, and any change of their document is read or refused."""

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.formats.documents import ENTRIES, document, read
from worker.errors import FormatError
from worker.formats import portable
from worker.formats.entries import Consumer, Element, Entry, Group, Opaque, Pending, Stream, VectorSet
from worker.formats.rdb.strings import length_of
from worker.formats.rdb.vectors import stored

INT64 = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(0, 2**63 - 1)
BYTES = st.binary(max_size=20) | st.text(max_size=10).map(lambda text: text.encode("utf-8", "surrogatepass"))
IDS = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)).map(lambda id_: f"{id_[0]}-{id_[1]}")
CONSUMERS = st.builds(
    Consumer, BYTES, st.none() | INT64, st.none() | INT64, st.lists(st.builds(Pending, IDS, INT64, COUNT), max_size=3)
)
GROUPS = st.builds(Group, BYTES, IDS, st.none() | COUNT, st.lists(CONSUMERS, max_size=3))
FLOATS = st.floats(width=32, allow_nan=False)
NUMBERS = {"none": FLOATS, "q8": st.integers(-128, 127), "binary": st.sampled_from((-1, 1))}
GRAPHS = st.lists(st.integers(0, 2**64 - 1), max_size=4).map(
    lambda told: b"".join(b"\x02" + length_of(number) for number in (len(told) + 1, *told))
)


@st.composite
def vector_sets(draw: st.DrawFn) -> VectorSet:
    dimensions, quantisation = draw(st.integers(1, 70)), draw(st.sampled_from(sorted(NUMBERS)))
    projected = draw(st.none() | st.integers(1, 3))
    size = 4 * dimensions * (projected or 0)
    projection = (projected, draw(st.binary(min_size=size, max_size=size))) if projected else None
    vectors = st.lists(NUMBERS[quantisation], min_size=dimensions, max_size=dimensions)
    graphs = GRAPHS if projected else GRAPHS | st.just(b"")
    elements = st.builds(
        Element, BYTES, vectors.map(lambda told: stored(told, quantisation)), FLOATS, FLOATS, BYTES, graphs
    )
    return VectorSet(
        dimensions, quantisation, draw(st.integers(1, 4096)), projection, draw(st.lists(elements, max_size=3))
    )


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": BYTES,
    "list": st.lists(BYTES),
    "set": st.lists(BYTES),
    "zset": st.lists(st.tuples(BYTES, st.floats(allow_nan=False))),
    "hash": st.lists(st.tuples(BYTES, BYTES, st.none() | INT64)),
    "stream": st.builds(
        Stream,
        st.lists(st.tuples(IDS, st.lists(st.tuples(BYTES, BYTES), max_size=3)), max_size=3),
        IDS,
        st.none() | IDS,
        st.none() | COUNT,
        st.lists(GROUPS, max_size=3),
    ),
    "vectorset": vector_sets(),
    "module": st.builds(Opaque, BYTES),
    "unknown": st.builds(Opaque, BYTES),
}
ANY_ENTRY = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: st.builds(
        Entry, st.integers(0, 2**31 - 1), BYTES, st.none() | INT64, st.just(kind), st.none(), VALUES[kind], st.none()
    )
)


@given(st.lists(ANY_ENTRY, max_size=8), st.lists(BYTES, max_size=3), st.randoms(use_true_random=False))
def test_any_entries_come_back_over_any_chunks(entries: list[Entry], libs: list[bytes], chance: random.Random) -> None:
    written = document(entries, libs)
    assert json.loads(written)["count"] == len(entries)
    cuts = sorted(chance.choices(range(len(written) + 1), k=chance.randrange(20)))
    reader = portable.Reader(written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True))
    # repr tells -0.0 from 0.0.
    assert repr([entry for batch in reader.batches() for entry in batch]) == repr(entries)
    assert reader.libraries == libs


def read_or_refused(changed: bytes) -> bool:
    """Whether a changed document is either read with all its entries, or refused in one sentence."""
    try:
        return len(read(changed)) == len(ENTRIES)
    except FormatError as error:
        return str(error).endswith(".")


@given(st.integers(0, 1 << 30), st.binary(max_size=4), st.integers(0, 4))
def test_a_changed_document_is_read_or_refused_in_plain_words(place: int, put: bytes, cut: int) -> None:
    written = document(ENTRIES, [b"lib"], source="a")
    place %= len(written)
    assert read_or_refused(written[:place] + put + written[place + cut :])


@given(st.sampled_from([*b'"[]{},:1-\n', "null", "true", "1e999", '"a"', "[]"]), st.data())
def test_a_document_with_json_words_exchanged_is_read_or_refused(word: int | str, data: st.DataObject) -> None:
    written = document(ENTRIES, [b"lib"])
    marks = [place for place, byte in enumerate(written) if byte in b'"[]{},:\n0123456789']
    place = data.draw(st.sampled_from(marks))
    put = word.encode() if isinstance(word, str) else bytes([word])
    assert read_or_refused(written[:place] + put + written[place + 1 :])
