"""Vector sets in bytes, without a server: the layout that Redis writes, and vectors of each kind to the last bit."""

from struct import pack
from typing import Any

import pytest

from tests.support.payloads import string
from worker.errors import FormatError
from worker.formats.entries import Element, VectorSet
from worker.formats.rdb.strings import length_of
from worker.formats.rdb.vectors import (
    NAME,
    check_graph,
    floats_for_vadd,
    name_at,
    numbers,
    read_vector_set,
    shown,
    stored,
    write_vector_set,
)

GRAPH = bytes((2, 2, 2, 0))
SCALE = int.from_bytes(pack("<ff", 2.0, 0.5), "little")


def number(value: int) -> bytes:
    return b"\x02" + length_of(value)


def element(vector: bytes, name: bytes = b"e", attributes: bytes = b"", graph: bytes = GRAPH) -> Element:
    return Element(name, vector, 2.0, 0.5, attributes, graph)


SETS = {
    "floats": VectorSet(2, "none", 16, None, [element(pack("<ff", 1, -1))]),
    "bytes": VectorSet(3, "q8", 5, None, [element(b"\x81\x00\x7f"), element(b"\x01\x02\x03", b"f")]),
    "bits": VectorSet(64, "binary", 0xFFFF, None, [element(bytes(8))]),
    "bits more": VectorSet(65, "binary", 1, None, [element(bytes(16))]),
    "attributes": VectorSet(1, "q8", 16, None, [element(b"\x01", attributes=b"{}"), element(b"\x02", b"f")]),
    "reduced": VectorSet(2, "q8", 16, (3, bytes(24)), [element(b"\x01\x02")]),
    "empty": VectorSet(2, "none", 16, None, []),
}


@pytest.mark.parametrize("name", SETS)
def test_each_comes_back_as_it_was_written(name: str) -> None:
    payload = write_vector_set(SETS[name])
    assert payload is not None
    assert name_at(payload, 1) == NAME
    assert read_vector_set(payload) == SETS[name]
    for at in range(len(payload)):
        with pytest.raises(FormatError, match=r"damaged at byte \d+, or of a kind that this program does not know"):
            read_vector_set(payload[:at])
    with pytest.raises(FormatError):
        read_vector_set(payload + b"\x00")


def test_the_layout_is_the_servers() -> None:
    head = write_vector_set(SETS["empty"])
    assert head is not None
    identity = head[: head.index(number(2))]
    assert len(identity) == 10
    tail = b"\x05" + string(b"e") + b"\x05" + string(b"{}") + b"\x05" + string(b"\x01") + GRAPH + number(SCALE)
    more = b"\x05" + string(b"f") + b"\x05" + string(b"") + b"\x05" + string(b"\x02") + GRAPH + number(SCALE)
    attributes = identity + number(1) + number(2) + number(1 | 16 << 8) + number(2) + tail + more + b"\x00"
    assert write_vector_set(SETS["attributes"]) == attributes
    plain = b"\x05" + string(b"e") + b"\x05" + string(b"\x01\x02") + GRAPH + number(SCALE)
    matrix = number(3) + b"\x05" + string(bytes(24))
    reduced = identity + number(2) + number(1) + number(1 | 16 << 8) + number(1) + matrix + plain + b"\x00"
    assert write_vector_set(SETS["reduced"]) == reduced


def test_no_number_of_links_is_the_usual_one() -> None:
    payload = write_vector_set(SETS["empty"])
    assert payload is not None
    assert read_vector_set(payload.replace(number(16 << 8), number(0))).most_links == 16


@pytest.mark.parametrize("version", [1, 2, 512, 1023])
def test_another_version_is_not_guessed_at(version: int) -> None:
    payload = write_vector_set(SETS["empty"])
    assert payload is not None
    identity = int.from_bytes(payload[2:10], "big") | version
    with pytest.raises(FormatError, match="of a kind that this program does not know"):
        read_vector_set(payload[:2] + identity.to_bytes(8, "big") + payload[10:])


@pytest.mark.parametrize(
    "changed",
    [
        VectorSet(2, "none", 16, None, [element(bytes(7))]),
        VectorSet(2, "none", 16, None, [element(bytes(8)), element(bytes(9))]),
        VectorSet(2, "q8", 16, None, [element(bytes(3))]),
        VectorSet(64, "binary", 16, None, [element(bytes(16))]),
        VectorSet(65, "binary", 16, None, [element(bytes(8))]),
        VectorSet(2, "q8", 16, (3, bytes(23)), [element(bytes(2))]),
        VectorSet(2, "q8", 16, (2, bytes(24)), [element(bytes(2))]),
    ],
)
def test_sizes_that_do_not_fit_the_dimensions_are_damage(changed: VectorSet) -> None:
    payload = write_vector_set(changed)
    assert payload is not None
    with pytest.raises(FormatError):
        read_vector_set(payload)


def test_only_a_server_finds_a_place_for_what_has_none() -> None:
    without = VectorSet(1, "q8", 16, None, [element(b"\x01"), element(b"\x01", b"f", graph=b"")])
    assert write_vector_set(without) is None


@pytest.mark.parametrize(
    ("graph", "whole"), [(b"", True), (GRAPH, True), (number(1), True), (number(3) + number(5), False)]
)
def test_a_graph_is_a_count_and_all_but_the_last_of_its_numbers(graph: bytes, whole: bool) -> None:
    if whole:
        check_graph(graph)
        return
    for more in (graph, GRAPH + b"\x02", GRAPH[:-1]):
        with pytest.raises((ValueError, IndexError)):
            check_graph(more)


@pytest.mark.parametrize(
    ("components", "quantisation", "vector"),
    [
        ([1.5, -2.0], "none", pack("<ff", 1.5, -2)),
        ([-127, 0, 127], "q8", b"\x81\x00\x7f"),
        ([1, -1, 1, -1, -1, -1, -1, -1, 1], "binary", b"\x05\x01" + bytes(6)),
        ([-1] * 63 + [1], "binary", bytes(7) + b"\x80"),
        ([-1] * 64 + [1], "binary", bytes(8) + b"\x01" + bytes(7)),
    ],
)
def test_a_vector_is_its_numbers(components: list[Any], quantisation: str, vector: bytes) -> None:
    assert stored(components, quantisation) == vector
    assert numbers(vector, quantisation, len(components)) == components


@pytest.mark.parametrize(
    ("quantisation", "vector", "floats"),
    [("none", pack("<ff", 0.6, -0.8), (1.2, -1.6)), ("q8", b"\x03\x04", (1.2, 1.6)), ("q8", b"\x00\x00", (0, 0))],
)
def test_a_vector_is_added_again_with_its_own_length(
    quantisation: str, vector: bytes, floats: tuple[float, ...]
) -> None:
    value = VectorSet(2, quantisation, 16, None, [element(vector)])
    assert floats_for_vadd(value.elements[0], value) == pack("<ff", *floats)


@pytest.mark.parametrize(
    ("quantisation", "vector", "words"),
    [
        ("none", pack("<ff", 0.1, -1), "0.100000001, -1, length 2.0"),
        ("q8", b"\x01\xff", "1, -1, length 2.0, range 0.5"),
        ("binary", b"\x01" + bytes(7), "bits 0100000000000000, length 2.0"),
    ],
)
def test_a_vector_is_shown_whole(quantisation: str, vector: bytes, words: str) -> None:
    value = VectorSet(2, quantisation, 16, None, [element(vector)])
    assert shown(value.elements[0], value) == words.encode()
