"""Writing into a bucket whose answers are lost, late, or contradict each other: nothing is written over, nothing half counts."""

from pathlib import Path

import pytest

from tests.storage.folders import NAME, OTHER
from tests.support.memory_bucket import MemoryBucket
from worker.errors import NotFoundError, StorageError, StorageUnavailableError
from worker.storage.cache import Cache
from worker.storage.remote import Remote
from worker.storage.upload import content_of, put_new, put_over, spooled

MARK = f".{NAME}.partial"
SILENCE = StorageUnavailableError("It gave no answer.")
REFUSAL = StorageError("It does not let us write.")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooled, "_CONFLICT_SECONDS", 0)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", 1 << 20)


def test_it_is_written_where_there_is_none(bucket: MemoryBucket) -> None:
    proved: list[int] = []
    put_new(bucket, NAME, b"content", lambda: proved.append(len(bucket.calls)))
    assert bucket.content(NAME) == b"content"
    assert proved == [1], "asked between the look and the write"


def test_one_that_is_there_stays(bucket: MemoryBucket) -> None:
    bucket.hold(NAME, b"theirs")
    with pytest.raises(StorageError, match=f"{NAME} is in memory://bucket already") as raised:
        put_new(bucket, NAME, b"content")
    assert (bucket.content(NAME), raised.value.of, len(bucket.calls)) == (b"theirs", NAME, 1)


def test_one_that_comes_between_look_and_write_stays(bucket: MemoryBucket) -> None:
    with pytest.raises(StorageError, match="already"):
        put_new(bucket, NAME, b"content", lambda: bucket.hold(NAME, b"theirs"))
    assert bucket.content(NAME) == b"theirs"


def test_who_may_not_write_any_more_writes_nothing(bucket: MemoryBucket) -> None:
    def prove() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        put_new(bucket, NAME, b"content", prove)
    assert bucket.objects == {}


def test_a_lost_answer_is_no_loss(bucket: MemoryBucket) -> None:
    bucket.fails("create", SILENCE)
    put_new(bucket, NAME, b"content")
    assert bucket.content(NAME) == b"content"


def test_no_answer_and_nothing_there_is_a_failure(bucket: MemoryBucket) -> None:
    bucket.fails("create", SILENCE, arrives=False)
    with pytest.raises(StorageUnavailableError, match="no answer"):
        put_new(bucket, NAME, b"content")
    assert sum(call.startswith("create") for call in bucket.calls) == 1


@pytest.mark.parametrize("theirs", [b"conten", b"content and more", b"CONTENT", b""])
def test_no_answer_and_something_else_there_is_somebody_elses(theirs: bytes, bucket: MemoryBucket) -> None:
    def beside(_: int, call: str) -> None:
        if call.startswith("create"):
            bucket.hold(NAME, theirs)
            raise SILENCE

    bucket.beside = beside
    with pytest.raises(StorageError, match="already"):
        put_new(bucket, NAME, b"content")


@pytest.mark.parametrize("conflicts", range(6))
def test_a_conflict_with_nobody_is_tried_four_times(
    conflicts: int, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket may say that somebody else is writing, where nobody is."""
    create, left = bucket.create, [False] * conflicts
    monkeypatch.setattr(bucket, "create", lambda *what: left.pop() if left else create(*what))
    if conflicts < 4:
        put_new(bucket, NAME, b"content")
        assert bucket.content(NAME) == b"content"
    else:
        with pytest.raises(StorageUnavailableError, match=r"says that somebody else writes it \(409\)"):
            put_new(bucket, NAME, b"content")
        assert (bucket.objects, len(left)) == ({}, conflicts - 4)


def test_it_takes_the_place_of_another_of_that_version_only(bucket: MemoryBucket) -> None:
    bucket.hold(NAME, b"before")
    version = bucket.objects[NAME][1].version
    put_over(bucket, NAME, b"after", version)
    assert bucket.content(NAME) == b"after"
    with pytest.raises(StorageError, match=f"Somebody else has changed {NAME} in memory://bucket meanwhile"):
        put_over(bucket, NAME, b"later", version)
    assert bucket.content(NAME) == b"after"
    # What stands there already was written by us, and only the answer was lost.
    put_over(bucket, NAME, b"after", version)


def test_it_takes_the_place_of_nothing_that_is_gone(bucket: MemoryBucket) -> None:
    with pytest.raises(NotFoundError, match=f"{NAME} was deleted meanwhile"):
        put_over(bucket, NAME, b"after", None)
    assert bucket.objects == {}


def test_a_lost_answer_of_a_replacement_is_no_loss(bucket: MemoryBucket) -> None:
    bucket.hold(NAME, b"before")
    bucket.fails("replace", SILENCE)
    put_over(bucket, NAME, b"after", None)
    assert bucket.content(NAME) == b"after"


def test_no_answer_of_a_replacement_and_something_else_there_is_a_failure(bucket: MemoryBucket) -> None:
    bucket.hold(NAME, b"before")
    bucket.fails("replace", SILENCE, arrives=False)
    with pytest.raises(StorageUnavailableError, match="no answer"):
        put_over(bucket, NAME, b"after", None)


@pytest.mark.parametrize("size", range(12))
def test_no_more_of_it_is_read_than_one_byte_more(size: int, bucket: MemoryBucket) -> None:
    bucket.hold(NAME, b"content")
    assert content_of(bucket, NAME, size) == b"content"[: size + 1]
    assert content_of(bucket, OTHER, size) is None


def test_one_that_breaks_off_is_ended_by_a_sweep(bucket: MemoryBucket, cache: Cache) -> None:
    storage = Remote(bucket, cache, bucket.place)
    record, notes = f"{NAME}.manifest.json", f"{NAME}.notes.json"
    for name in (record, NAME, notes, OTHER):
        bucket.hold(name, b"x")
    bucket.fails(f"delete {NAME}", SILENCE)
    with pytest.raises(StorageUnavailableError):
        storage.delete(record, [NAME, notes])
    assert storage.sweep({OTHER}) == [f".{NAME}.deleting"]
    assert [name for name in bucket.objects if name != notes] == [OTHER]


def test_what_stands_for_no_files_needs_no_mark(bucket: MemoryBucket, cache: Cache) -> None:
    bucket.hold(NAME, b"x")
    Remote(bucket, cache, bucket.place).delete(NAME, [])
    assert bucket.calls == [f"look {NAME}", f"delete {NAME}"]
