"""What lies in a bucket: nothing half is ever shown, nobody writes over anybody, and what killed runs left goes by its age."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.storage.folders import NAME, OTHER
from tests.support.bucket import S3
from worker.errors import NotFoundError, StorageError
from worker.progress import Proof, undisputed
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.storage import open_storage
from worker.storage.bucket import Thing
from worker.storage.remote import LEFT_AFTER, Remote


def write(storage: Remote, content: bytes, prove: Proof = undisputed) -> None:
    with storage.draft([NAME]) as draft:
        draft.write(content)
        draft.publish(prove)


MARK, GOING = f".{NAME}.partial", f".{NAME}.deleting"


@pytest.fixture
def days_later(in_s3: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that lies there has lain there for long."""
    things = in_s3.bucket.things

    def older() -> list[Thing]:
        before = datetime.now(UTC) - LEFT_AFTER - timedelta(minutes=1)
        return [Thing(one.name, one.size, one.version, before) for one in things()]

    monkeypatch.setattr(in_s3.bucket, "things", older)


def test_a_name_is_marked_while_it_is_written_and_not_longer(in_s3: Remote, s3: S3) -> None:
    with in_s3.draft([NAME]) as draft:
        draft.write(b"content")
        assert s3.keys(in_s3) == [MARK]
        draft.publish()
        assert s3.keys(in_s3) == [MARK, NAME]
    assert s3.keys(in_s3) == [NAME]
    assert in_s3.bucket.exclusive is True


def test_two_who_write_at_once_have_names_of_their_own(in_s3: Remote) -> None:
    with in_s3.draft([NAME, OTHER]) as one, in_s3.draft([NAME, OTHER]) as other:
        one.write(b"one")
        other.write(b"other")
        one.publish()
        other.publish()
    assert (in_s3.read(NAME), in_s3.read(OTHER)) == (b"one", b"other")


def test_who_came_second_writes_over_nothing_where_the_bucket_cannot_tell(
    in_s3: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `rclone serve s3` does: a second create is taken like the first."""

    def create(name: str, content: bytes) -> bool:
        return in_s3.bucket.replace(name, content, None)

    monkeypatch.setattr(in_s3.bucket, "create", create)
    with in_s3.draft([NAME]) as one:
        assert in_s3.bucket.exclusive is False
        with in_s3.draft([NAME]) as other:
            other.write(b"other")
            other.publish()
        one.write(b"one")
        with pytest.raises(StorageError, match="Somebody else is writing"):
            one.publish()
    assert in_s3.read(NAME) == b"other"
    with pytest.raises(StorageError, match="No free name"):
        in_s3.put(NAME, b"third")


def test_bytes_that_arrive_otherwise_are_given_up(in_s3: Remote, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = in_s3.bucket.upload

    def changed(name: str, *more: Any, **named: Any) -> bool:
        upload(name, *more, **named)
        s3.put(in_s3, name, b"CONTENT")
        return False

    monkeypatch.setattr(in_s3.bucket, "upload", changed)
    with pytest.raises(StorageError, match="gives other bytes back"):
        write(in_s3, b"content")
    assert s3.keys(in_s3) == []


def test_a_short_upload_is_given_up(in_s3: Remote, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(name: str, *_: Any, **__: Any) -> bool:
        s3.put(in_s3, name, b"cont")
        return True

    monkeypatch.setattr(in_s3.bucket, "upload", short)
    with pytest.raises(StorageError, match=r"has taken 7 bytes as \S+, and holds 4 bytes of it"):
        write(in_s3, b"content")
    assert s3.keys(in_s3) == []


def test_an_upload_in_parts_that_is_stopped_shows_nothing(in_s3: Remote, s3: S3) -> None:
    asked = 0

    def prove() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(in_s3, bytes(20 << 20), prove)
    assert (s3.keys(in_s3), s3.began(in_s3)) == ([], [])


def test_a_large_file_arrives_in_parts_and_comes_back_whole(in_s3: Remote) -> None:
    content = bytes(range(256)) * (80 << 10)
    write(in_s3, content)
    with in_s3.fetch(NAME) as file, in_s3.open(NAME) as stream:
        assert file.read() == stream.read() == content


def test_what_another_machine_noted_meanwhile_is_not_lost(in_s3: Remote, s3: S3) -> None:
    in_s3.put(NAME + MANIFEST_SUFFIX, b"{}")
    in_s3.put(OTHER, b"noted")
    with in_s3.locked(NAME + MANIFEST_SUFFIX):
        assert in_s3.read(OTHER) == b"noted"
        s3.put(in_s3, OTHER, b"noted by another machine")
        with pytest.raises(StorageError, match="Somebody else has changed"):
            in_s3.put(OTHER, b"noted anew", replace=True)
    assert in_s3.read(OTHER) == b"noted by another machine"


def test_a_file_that_was_replaced_while_it_was_fetched_is_not_mixed(in_s3: Remote, s3: S3) -> None:
    in_s3.put(NAME, b"content")
    handed = in_s3.hand_out(NAME)
    s3.put(in_s3, NAME, b"CONTENT")
    with pytest.raises(NotFoundError, match="has been replaced meanwhile"):
        b"".join(handed)


def test_it_is_handed_out_as_it_comes_from_any_byte_on_and_from_here_where_it_is_here(in_s3: Remote) -> None:
    in_s3.put(NAME, b"content")
    handed: Any = in_s3.hand_out(NAME)
    assert (handed.seek(0, 2), handed.seek(3), b"".join(handed)) == (7, 3, b"tent")
    in_s3.fetch(NAME).close()
    with in_s3.hand_out(NAME) as file:  # type: ignore[union-attr]
        assert file.fileno() > 0


def test_what_killed_runs_left_goes_by_its_age(in_s3: Remote, s3: S3, request: pytest.FixtureRequest) -> None:
    for name in (MARK, NAME, OTHER):
        s3.put(in_s3, name, b"x")
    assert in_s3.sweep(set()) == []
    request.getfixturevalue("days_later")
    assert in_s3.sweep(set(), dry_run=True) == [MARK]
    assert s3.keys(in_s3) == [MARK, NAME, OTHER]
    assert in_s3.sweep(set()) == [MARK]
    # What bears no mark is somebody's who put it there.
    assert s3.keys(in_s3) == [OTHER]


def test_what_has_a_manifest_stays_beside_an_old_mark(in_s3: Remote, s3: S3, days_later: None) -> None:
    for name in (MARK, NAME):
        s3.put(in_s3, name, b"x")
    assert in_s3.sweep({NAME}) == [MARK]
    assert s3.keys(in_s3) == [NAME]


def test_a_deletion_that_was_killed_is_ended(in_s3: Remote, s3: S3) -> None:
    for name in (GOING, NAME):
        s3.put(in_s3, name, b"x")
    assert in_s3.sweep({NAME}) == []
    assert in_s3.sweep(set()) == [GOING]
    assert s3.keys(in_s3) == []


def test_what_lies_deeper_or_bears_another_name_is_none_of_ours(in_s3: Remote, s3: S3) -> None:
    for name in (f"deeper/{NAME}", "UPPER", NAME):
        s3.put(in_s3, name, b"x")
    assert [file.name for file in in_s3.files()] == [NAME]


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "A", "a" * 129])
def test_no_name_leads_elsewhere(name: str, in_s3: Remote) -> None:
    in_s3.put(NAME, b"x")
    for act in (in_s3.open, in_s3.read, in_s3.fetch, in_s3.hand_out):
        with pytest.raises(NotFoundError):
            act(name)
    with pytest.raises(NotFoundError):
        in_s3.delete(name, [])
    with pytest.raises(NotFoundError):
        in_s3.delete(NAME, [name])


def test_an_address_with_a_slash_at_its_end_would_be_the_same_place(in_s3: Remote) -> None:
    assert open_storage(in_s3.place) == in_s3
    assert str(in_s3) == in_s3.place
