"""What was kept in the order of a server is found by its keys, and what nobody asked for is left: however large, off memory."""

import sqlite3

import pytest

from tests.support.backups import Given
from worker.errors import StorageError
from worker.formats.entries import Entry
from worker.restore.undo import kept
from worker.restore.undo.kept import Indexed


def entry(db: int, key: bytes, payload: bytes = b"\0\1x", expires_at: int | None = None) -> Entry:
    return Entry(db, key, expires_at, "string", payload)


ENTRIES = [
    entry(0, b"a"),
    entry(3, b"a", b"\0\1y", expires_at=5),
    entry(0, b"", b"\0\0"),
    entry(0, b"\xff\0", bytes(1000)),
    *(entry(7, b"%d" % number, b"\0%d" % number) for number in range(1200)),
]


@pytest.mark.parametrize("aside", [kept.ASIDE_BYTES, 4])
def test_each_key_is_found_in_any_order_and_the_others_are_left(aside: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "ASIDE_BYTES", aside)
    indexed = Indexed(Given(list(ENTRIES)))
    indexed.begin()
    asked = [*ENTRIES[:3:-2], *ENTRIES[:2]]
    assert [whole(indexed.of(one.db, one.key)) for one in asked] == asked
    assert indexed.of(1, b"a") is indexed.of(0, b"b") is None
    others = list(map(whole, indexed.others()))
    assert sorted(others) == sorted(one for one in ENTRIES if one not in asked)


def whole(held: kept.Held | None) -> Entry:
    assert held is not None
    one, aside = held
    return one if aside is None else one._replace(payload=aside.payload())


def test_a_full_disk_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def small(*told: object, **named: object) -> sqlite3.Connection:
        index = connect(*told, **named)  # type: ignore[call-overload]
        index.execute("PRAGMA max_page_count = 2")
        return index  # type: ignore[no-any-return]

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(
        StorageError, match=r"temporary files cannot be written \(database or disk is full\): free some"
    ):
        Indexed(Given(list(ENTRIES))).begin()
