"""Which keys one SET writes, with their expiry."""

from types import SimpleNamespace
from typing import Any

import pytest

from worker.formats.entries import Entry
from worker.restore.target import commands, values
from worker.restore.target.values import Values

WITH, WITHOUT = (6, 2, 0), (6, 0, 16)
"""Versions that know SET ... PXAT, and do not."""
TEXT, LONG = b"x" * 10, b"x" * 11


@pytest.mark.parametrize(
    ("value", "expires_at", "version", "fits"),
    [
        (TEXT, None, WITH, True),
        (TEXT, None, WITHOUT, True),
        (TEXT, 1_900_000_000_000, WITH, True),
        (TEXT, 1_900_000_000_000, WITHOUT, False),
        (LONG, None, WITH, False),
        (LONG, 1_900_000_000_000, WITH, False),
        ([b"x"], None, WITH, False),
        (b"", None, WITHOUT, True),
    ],
)
def test_a_short_string_does_where_the_server_knows_how_to_have_it_expire(
    value: Any, expires_at: int | None, version: tuple[int, ...], fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "abilities", lambda *_, **__: SimpleNamespace(fields=True))
    monkeypatch.setattr(commands, "LONGEST_SET", len(TEXT))
    nothing: Any = None
    writer = Values(nothing, nothing, "overwrite", nothing, version)
    entry = Entry(db=0, key=b"k", type="string", expires_at=expires_at, value=value)
    assert writer.fits_set(entry) is fits
