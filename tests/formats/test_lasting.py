"""How long a key lasts: its own time, and of a hash that is built anew that of its fields as well."""

import pytest

from worker.formats.compare.values import lasts_until
from worker.formats.entries import Entry, Opaque, Value

NOW = 1_700_000_000_000


def entry(value: Value | None, kind: str = "hash", expires_at: int | None = NOW) -> Entry:
    return Entry(0, b"k", expires_at, kind, None, value)


@pytest.mark.parametrize("value", [None, [], Opaque(b"a dump")], ids=["unread", "empty", "opaque"])
def test_a_hash_whose_fields_are_not_known_lasts_as_long_as_its_key(value: Value | None) -> None:
    assert lasts_until(entry(value)) == NOW
    assert lasts_until(entry(value, expires_at=None)) is None


def test_a_hash_lasts_until_its_last_field_has_gone_or_the_key() -> None:
    fields: list[tuple[bytes, bytes, int | None]] = [
        (b"f", b"1", NOW + 1),
        (b"g", b"2", NOW + 3),
        (b"h", b"3", NOW + 2),
    ]
    assert lasts_until(entry(fields, expires_at=None)) == NOW + 3
    assert lasts_until(entry(fields, expires_at=NOW + 2)) == NOW + 2
    assert lasts_until(entry(fields, expires_at=NOW + 5)) == NOW + 3
    assert lasts_until(entry([*fields, (b"i", b"4", None)], expires_at=None)) is None
    assert lasts_until(entry([*fields, (b"i", b"4", None)], expires_at=NOW + 5)) == NOW + 5


def test_a_value_that_comes_as_bytes_has_its_key_s_time_alone() -> None:
    fields: list[tuple[bytes, bytes, int | None]] = [(b"f", b"1", NOW + 1)]
    assert lasts_until(entry(fields, expires_at=NOW + 5)._replace(payload=b"\x04")) == NOW + 5
    assert lasts_until(entry([b"x"], "list", NOW + 5)) == NOW + 5
