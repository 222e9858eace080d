"""A listing whose pages are asked for side by side tells the same as one page after the other."""

from collections.abc import Callable
from typing import Any

import obstore
import pytest

from tests.support.bucket import S3
from worker.storage.cloud import CloudBucket, pages
from worker.storage.remote import Remote

NAMES = [f"redis_backup_202312{day:02}_000000.rdb" for day in range(1, 31)]


@pytest.fixture
def many(in_s3: Remote, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """A bucket of several pages, seen once."""
    monkeypatch.setattr(pages, "PAGE", 10)
    monkeypatch.setattr(pages, "_APART", 7)
    assert isinstance(in_s3.bucket, CloudBucket)
    for name in NAMES:
        obstore.put(in_s3.bucket._patient, name, b"x")
    assert names(in_s3) == NAMES
    return in_s3


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Where listings began; None for those that begin where all do, and go from page to page."""
    begun: list[str | None] = []
    apart, whole = obstore.list, obstore.list_with_delimiter

    def listing(store: Any, *, offset: str | None = None, chunk_size: int) -> Any:
        begun.append(offset or "")
        return apart(store, offset=offset, chunk_size=chunk_size)

    def from_the_beginning(store: Any) -> Any:
        begun.append(None)
        return whole(store)

    monkeypatch.setattr(obstore, "list", listing)
    monkeypatch.setattr(obstore, "list_with_delimiter", from_the_beginning)
    return begun


def names(storage: Remote) -> list[str]:
    return [file.name for file in storage.files()]


def test_what_came_and_went_is_seen(many: Remote, s3: S3, asked: list[str | None]) -> None:
    assert names(many) == NAMES
    assert sorted(asked, key=str) == ["", *NAMES[7:29:7]]
    for gone in (NAMES[7], NAMES[8], NAMES[-1]):
        s3.delete(many, gone)
    came = [NAMES[0].replace("01_00", "01_01"), NAMES[14].replace("_000000", "_000001"), "z", "a"]
    for name in came:
        s3.put(many, name, b"y")
    now = sorted({*NAMES, *came} - {NAMES[7], NAMES[8], NAMES[-1]})
    assert names(many) == names(many) == now
    assert None not in asked


def test_who_becomes_small_is_listed_at_once(many: Remote, s3: S3, asked: list[str | None]) -> None:
    for name in NAMES[5:]:
        s3.delete(many, name)
    assert names(many) == NAMES[:5]
    asked.clear()
    assert names(many) == NAMES[:5]
    assert asked == [None]


def test_what_lies_deeper_is_not_gone_through(many: Remote, s3: S3, asked: list[str | None]) -> None:
    s3.put(many, f"{NAMES[3]}/deeper", b"x")
    assert names(many) == names(many) == NAMES
    assert asked.count(None) == 2


def forgets(listed: Callable[..., Any]) -> Callable[..., Any]:
    return lambda store, *, offset, chunk_size: listed(store, chunk_size=chunk_size)  # noqa: ARG005


def backwards(listed: Callable[..., Any]) -> Callable[..., Any]:
    return lambda store, *, offset, chunk_size: (  # noqa: ARG005
        [*reversed(page)] for page in listed(store, chunk_size=chunk_size)
    )


@pytest.mark.parametrize("otherwise", [forgets, backwards])
def test_a_place_that_begins_elsewhere_or_keeps_no_order_is_listed_as_before(
    otherwise: Callable[..., Any], many: Remote, asked: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstore, "list", otherwise(obstore.list))
    assert names(many) == NAMES
    asked.clear()
    assert names(many) == NAMES
    assert asked == [None]


def test_who_refuses_to_begin_anywhere_is_listed_as_before(
    many: Remote, asked: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError

    monkeypatch.setattr(obstore, "list", refuse)
    assert names(many) == names(many) == NAMES
    assert asked == [None, None]
