"""A payload that is cut, changed, or made up decodes or is refused."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.rdb import files as rdb
from tests.formats.rdb.samples import SAMPLES, decodes
from tests.support.payloads import length, milliseconds
from worker.errors import FormatError
from worker.formats.rdb.codes import TYPE_OF
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.values import decode


@pytest.mark.parametrize("payload", SAMPLES.values(), ids=SAMPLES)
def test_every_truncation_and_every_byte_too_many_is_refused(payload: bytes) -> None:
    assert decodes(payload)
    assert not any(decodes(payload[:size]) for size in range(len(payload)))
    with pytest.raises(FormatError, match=r"\A[^\n]+ 1 more bytes follow\.\Z"):
        decode(payload + b"\x00", 12)


@pytest.mark.parametrize("payload", SAMPLES.values(), ids=SAMPLES)
def test_every_flipped_bit_decodes_or_is_refused(payload: bytes) -> None:
    flipped = [
        payload[:at] + bytes((payload[at] ^ 1 << bit,)) + payload[at + 1 :]
        for at in range(len(payload))
        for bit in range(8)
    ]
    assert not all(decodes(data) for data in flipped)


@pytest.mark.parametrize("code", sorted(set(TYPE_OF) - {6, 7}))
@pytest.mark.parametrize("count", [2**32 - 1, 2**63, 2**64 - 1])
def test_an_absurd_count_is_refused_at_once(code: int, count: int) -> None:
    started = time.monotonic()
    assert not decodes(bytes((code,)) + length(count) + b"\x00" * 1000)
    assert not decodes(bytes((code,)) + milliseconds(0) + length(count) + b"\x00" * 1000)
    assert time.monotonic() - started < 5


@given(data=st.binary(max_size=400), code=st.sampled_from(sorted(TYPE_OF)), version=st.sampled_from((9, 12, 80)))
def test_random_bytes_decode_or_are_refused(data: bytes, code: int, version: int) -> None:
    assert decodes(bytes((code,)) + data, version) in (True, False)


def _real_payloads() -> list[bytes]:
    found = []
    for name in ("redis-2.8.17", "redis-3.2.6", "redis-6.2.14", "redis-8.2.2"):
        for batch in Reader(iter([rdb.data(name)]), values=True).batches():
            found += [entry.payload for entry in batch if entry.payload]
    return found


REAL = _real_payloads()


@settings(max_examples=500)
@given(st.data())
def test_real_payloads_with_changed_removed_and_added_bytes_decode_or_are_refused(data: st.DataObject) -> None:
    payload = bytearray(data.draw(st.sampled_from(REAL)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload)))
        payload[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert decodes(bytes(payload)) in (True, False)
