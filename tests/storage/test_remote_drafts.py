"""A draft of a bucket, whose answers are lost or contradict each other: what counts is whole, and nothing else stays."""

from pathlib import Path

import pytest

from tests.storage.folders import NAME
from tests.support.memory_bucket import MemoryBucket
from worker.errors import NotFoundError, StorageError, StorageUnavailableError
from worker.storage.cache import Cache
from worker.storage.remote import Remote
from worker.storage.upload import Spooled, spooled

MARK = f".{NAME}.partial"
SILENCE = StorageUnavailableError("It gave no answer.")
REFUSAL = StorageError("It does not let us write.")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooled, "_CONFLICT_SECONDS", 0)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", 1 << 20)


def begun(bucket: MemoryBucket, cache: Cache) -> Spooled:
    draft = Spooled.begun(bucket, cache, NAME)
    assert draft is not None
    return draft


def test_nobody_else_has_its_name_until_it_is_closed(bucket: MemoryBucket, cache: Cache) -> None:
    draft = begun(bucket, cache)
    assert Spooled.begun(bucket, cache, NAME) is None
    draft.close()
    assert bucket.objects == {}
    begun(bucket, cache).close()


def test_what_is_being_written_or_deleted_is_known(bucket: MemoryBucket, cache: Cache) -> None:
    remote = Remote(bucket, cache, "memory://")
    assert remote.begun(NAME) is None
    draft = begun(bucket, cache)
    assert remote.begun(NAME) == "writing"
    draft.close()
    bucket.hold(f".{NAME}.deleting", b"")
    assert remote.begun(NAME) == "deleting"


def test_a_name_that_is_there_is_no_drafts(bucket: MemoryBucket, cache: Cache) -> None:
    bucket.hold(NAME, b"theirs")
    assert Spooled.begun(bucket, cache, NAME) is None
    assert list(bucket.objects) == [NAME]


def test_a_name_that_somebody_finished_meanwhile_is_no_drafts(bucket: MemoryBucket, cache: Cache) -> None:
    bucket.meanwhile("create", lambda: bucket.hold(NAME, b"theirs"))
    assert Spooled.begun(bucket, cache, NAME) is None
    assert list(bucket.objects) == [NAME], "and our mark is gone"


@pytest.mark.parametrize("tells", [True, False])
def test_the_first_mark_shows_whether_the_bucket_can_tell(tells: bool, cache: Cache) -> None:
    bucket = MemoryBucket(tells=tells)
    begun(bucket, cache).close()
    assert bucket.exclusive is tells
    asked = len(bucket.calls)
    begun(bucket, cache).close()
    assert sum(call.startswith("create") for call in bucket.calls[asked:]) == 1, "it is found out once"


def test_who_gives_no_answer_to_that_is_not_relied_on(cache: Cache) -> None:
    bucket = MemoryBucket()
    marks = 0

    def beside(_: int, call: str) -> None:
        nonlocal marks
        if call.startswith("create"):
            marks += 1
            if marks == 2:
                raise SILENCE

    bucket.beside = beside
    begun(bucket, cache).close()
    assert bucket.exclusive is None


def test_a_beginning_that_fails_leaves_no_mark(cache: Cache) -> None:
    bucket = MemoryBucket()
    marks = 0

    def beside(_: int, call: str) -> None:
        nonlocal marks
        marks += call.startswith("create")
        if marks == 2:
            bucket.beside = None
            raise REFUSAL

    bucket.beside = beside
    with pytest.raises(StorageError, match="does not let us"):
        Spooled.begun(bucket, cache, NAME)
    assert bucket.objects == {}


def test_what_was_written_is_there_when_it_is_published(bucket: MemoryBucket, cache: Cache) -> None:
    draft = begun(bucket, cache)
    draft.write(b"con")
    draft.write(b"tent")
    assert list(bucket.objects) == [MARK]
    draft.publish()
    draft.close()
    assert {name: bucket.content(name) for name in bucket.objects} == {NAME: b"content"}
    assert f"download {NAME}" not in bucket.calls, "the bucket has vouched for it"


def test_a_lost_mark_is_seen_before_anything_is_written(cache: Cache) -> None:
    bucket = MemoryBucket(tells=False)
    draft = begun(bucket, cache)
    bucket.hold(MARK, b"another's")
    with pytest.raises(StorageError, match=f"Somebody else is writing {NAME} in memory://bucket"):
        draft.publish()
    draft.withdraw()
    draft.close()
    assert list(bucket.objects) == [MARK], "which is the other one's"


def test_who_may_not_write_any_more_sends_nothing(bucket: MemoryBucket, cache: Cache) -> None:
    def prove() -> None:
        raise ZeroDivisionError

    draft = begun(bucket, cache)
    with pytest.raises(ZeroDivisionError):
        draft.publish(prove)
    assert f"upload {NAME}" not in bucket.calls
    draft.close()


@pytest.mark.parametrize("error", [SILENCE, REFUSAL])
def test_an_upload_that_has_arrived_is_read_back(error: Exception, bucket: MemoryBucket, cache: Cache) -> None:
    draft = begun(bucket, cache)
    draft.write(b"content")
    bucket.fails("upload", error)
    draft.publish()
    assert bucket.calls.count(f"upload {NAME}") == 1
    assert f"download {NAME}" in bucket.calls
    draft.close()
    assert bucket.content(NAME) == b"content"


def test_an_upload_that_has_not_arrived_is_tried_once_more(bucket: MemoryBucket, cache: Cache) -> None:
    draft = begun(bucket, cache)
    draft.write(b"content")
    bucket.fails("upload", SILENCE, arrives=False)
    draft.publish()
    draft.close()
    assert (bucket.calls.count(f"upload {NAME}"), bucket.content(NAME)) == (2, b"content")


@pytest.mark.parametrize(("error", "uploads"), [(SILENCE, 2), (REFUSAL, 1)])
def test_what_is_refused_is_not_tried_again_and_nothing_stays(
    error: Exception, uploads: int, bucket: MemoryBucket, cache: Cache
) -> None:
    draft = begun(bucket, cache)
    draft.write(b"content")
    bucket.fails("upload", error, times=9, arrives=False)
    with pytest.raises(type(error), match=str(error)):
        draft.publish()
    draft.withdraw()
    draft.close()
    assert (bucket.calls.count(f"upload {NAME}"), bucket.objects) == (uploads, {})


@pytest.mark.parametrize(("content", "held"), [(b"conten", "6 bytes"), (b"contents", "8 bytes"), (b"", "0 bytes")])
def test_another_size_is_given_up(content: bytes, held: str, bucket: MemoryBucket, cache: Cache) -> None:
    draft = begun(bucket, cache)
    draft.write(b"content")
    bucket.meanwhile("upload", lambda: bucket.hold(NAME, content))
    with pytest.raises(StorageError, match=f"has taken 7 bytes as {NAME}, and holds {held} of it") as raised:
        draft.publish()
    assert raised.value.of == NAME
    draft.close()


def test_nothing_is_no_file_of_that_size(bucket: MemoryBucket, cache: Cache) -> None:
    draft = begun(bucket, cache)
    bucket.meanwhile("upload", bucket.objects.clear)
    with pytest.raises(StorageError, match=r"has taken 0 bytes .* and holds nothing of it"):
        draft.publish()
    draft.close()


def test_where_nobody_vouches_for_it_every_byte_is_read_back(cache: Cache) -> None:
    bucket = MemoryBucket(vouches=False, exclusive=True)
    for at in range(9):
        draft = begun(bucket, cache)
        draft.write(b"123456789")
        other = b"123456789".replace(b"%d" % (at + 1), b"x")
        bucket.meanwhile("upload", lambda other=other: bucket.hold(NAME, other))  # type: ignore[misc]
        with pytest.raises(StorageError, match="gives other bytes back than it was given") as raised:
            draft.publish()
        assert raised.value.of == NAME
        draft.withdraw()
        draft.close()
        assert bucket.objects == {}
    draft, proved = begun(bucket, cache), list[str]()
    draft.write(b"123456789")
    draft.publish(lambda: proved.append(bucket.calls[-1]))
    assert proved.count(f"download {NAME}") == 3, "with each of three pieces"
    draft.close()


def test_what_cannot_be_taken_back_keeps_its_mark_for_a_sweep(bucket: MemoryBucket, cache: Cache) -> None:
    draft = begun(bucket, cache)
    draft.publish()
    bucket.fails(f"delete {NAME}", SILENCE)
    draft.withdraw()
    draft.close()
    assert sorted(bucket.objects) == [MARK, NAME]


def test_what_was_never_sent_is_not_taken_back(bucket: MemoryBucket, cache: Cache) -> None:
    draft = begun(bucket, cache)
    bucket.hold(NAME, b"theirs")
    draft.withdraw()
    draft.close()
    assert list(bucket.objects) == [NAME]


@pytest.mark.parametrize("error", [SILENCE, NotFoundError("It is gone.")])
def test_a_mark_that_cannot_be_deleted_spoils_no_backup(error: Exception, bucket: MemoryBucket, cache: Cache) -> None:
    draft = begun(bucket, cache)
    draft.publish()
    bucket.fails(f"delete {MARK}", error)
    draft.close()
    assert NAME in bucket.objects


def test_who_took_a_name_over_takes_nothing_back_that_another_may_have_shown(
    bucket: MemoryBucket, cache: Cache
) -> None:
    one, other = (Spooled.begun(bucket, cache, NAME, "copy ") for _ in range(2))
    assert one
    assert other
    other.check()
    with pytest.raises(StorageUnavailableError, match="Somebody else is writing"):
        one.check()
    other.publish()
    for draft in (other, one):
        draft.withdraw()
        draft.close()
    assert sorted(bucket.objects) == [MARK, NAME]
