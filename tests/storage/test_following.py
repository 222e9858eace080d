"""An upload that goes along with what is being written: nothing of it is there before it may be, whatever happens on the way."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.storage.folders import NAME
from tests.support.backups import eventually
from tests.support.bucket import S3
from tests.support.obstacle import Obstacle, Trouble, before
from worker.config.cloud import Cloud
from worker.errors import CancelledError
from worker.progress import Progress, Proof, silent, undisputed
from worker.storage.cache import Cache
from worker.storage.cloud import CloudBucket, Patience
from worker.storage.remote import Remote
from worker.storage.upload import Spooled, following

SOON = Patience(request=5, connect=5, silence=5, tries=1, within=5, pause=0.01, longest=0.02)
CONTENT = os.urandom(1 << 20)
MANY = 34
"""Chunks: four parts, and a bit that is held back."""
MARK = f".{NAME}.partial"


@pytest.fixture
def obstacle(s3: S3) -> Iterator[Obstacle]:
    with before(s3.endpoint) as found:
        yield found


@pytest.fixture
def far(obstacle: Obstacle, in_s3: Remote, tmp_path: Path) -> Remote:
    bucket = CloudBucket(in_s3.place, Cloud(aws_endpoint_url=obstacle.endpoint), SOON, SOON)
    bucket.exclusive = True
    return Remote(bucket, Cache(tmp_path / "cache", 1 << 30), in_s3.place)


def parts(obstacle: Obstacle) -> list[str]:
    return [one for one in obstacle.seen if "partNumber" in one]


def write(draft: Spooled, many: int = MANY) -> None:
    for _ in range(many):
        draft.write(CONTENT)


def written(storage: Remote, prove: Proof = undisputed, progress: Progress = silent, many: int = MANY) -> None:
    with storage.draft([NAME]) as draft:
        write(draft, many)
        draft.publish(prove, progress)


def content(storage: Remote) -> bytes:
    with storage.open(NAME) as stream:
        return stream.read()


def test_parts_go_while_it_is_written_and_nothing_is_there_before_the_end(
    far: Remote, s3: S3, obstacle: Obstacle
) -> None:
    with far.draft([NAME]) as draft:
        write(draft)
        assert eventually(lambda: len(parts(obstacle)) == 4)
        assert (s3.keys(far), len(s3.began(far))) == ([MARK], 1)
        draft.publish()
        assert s3.keys(far) == [MARK, NAME]
    assert len(parts(obstacle)) == 5
    assert content(far) == CONTENT * MANY


def test_what_is_small_goes_in_one_piece(far: Remote, obstacle: Obstacle) -> None:
    with far.draft([NAME]) as draft:
        for _ in range(7):
            draft.write(CONTENT)
        draft.publish()
    assert parts(obstacle) == []


def test_work_that_fails_leaves_nothing_and_no_parts(far: Remote, s3: S3, obstacle: Obstacle) -> None:
    with suppress(ZeroDivisionError), far.draft([NAME]) as draft:
        write(draft)
        assert eventually(lambda: len(parts(obstacle)) == 4)
        raise ZeroDivisionError
    assert (s3.keys(far), s3.began(far)) == ([], [])


@pytest.mark.parametrize("nth", [1, 2])
def test_what_is_not_proven_is_never_shown(far: Remote, s3: S3, obstacle: Obstacle, nth: int) -> None:
    asked = []

    def refuse() -> None:
        asked.append(1)
        if len(asked) == nth:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        written(far, refuse)
    assert not [one for one in obstacle.seen if one.startswith("POST") and "uploadId" in one]
    assert (s3.keys(far), s3.began(far)) == ([], [])


@pytest.mark.parametrize("trouble", [503, "reset", "lost"])
@pytest.mark.parametrize("what", ["partNumber=3", "uploads", "uploadId"])
@pytest.mark.sweep
def test_one_that_breaks_off_is_begun_again_with_all_of_it(
    far: Remote, s3: S3, obstacle: Obstacle, what: str, trouble: Trouble
) -> None:
    """The requests of the first upload fail as often as they are tried."""
    left = SOON.tries + 1

    def once(_: int, method: str, path: str) -> Trouble:
        nonlocal left
        is_it = what in path and (method == "POST" or "partNumber" in what) and left
        left -= bool(is_it)
        return trouble if is_it else None

    obstacle.trouble = once
    written(far)
    assert left == 0 or trouble == "lost"
    assert s3.keys(far) == [NAME]
    assert content(far) == CONTENT * MANY


def test_who_is_cancelled_while_the_last_answer_is_awaited_leaves_a_mark_for_what_may_still_come(
    far: Remote, s3: S3, obstacle: Obstacle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_END_SECONDS", 0.1)
    obstacle.trouble = lambda _, method, path: "hang" if method == "POST" and "uploadId" in path else None

    def stop(phase: str, current: int, total: int | None, unit: str) -> None:
        if any(one.startswith("POST") and "uploadId" in one for one in obstacle.seen):
            raise CancelledError("Cancelled.")

    with pytest.raises(CancelledError):
        written(far, progress=stop)
    assert s3.keys(far) == [MARK]


@pytest.mark.parametrize("trouble", [503, "hang"])
@pytest.mark.parametrize("what", ["partNumber", NAME])
@pytest.mark.slow
def test_who_cancels_does_not_wait_for_a_server_that_does_not_answer(
    in_s3: Remote, obstacle: Obstacle, tmp_path: Path, what: str, trouble: Trouble
) -> None:
    """With the patience of every day, which is a minute."""
    bucket = CloudBucket(in_s3.place, Cloud(aws_endpoint_url=obstacle.endpoint))
    bucket.exclusive = True
    storage = Remote(bucket, Cache(tmp_path / "cache", 1 << 30), in_s3.place)
    asked: list[float] = []

    def stop(phase: str, current: int, total: int | None, unit: str) -> None:
        if asked and phase == "uploading":
            raise CancelledError("Cancelled.")

    def always(_: int, method: str, path: str) -> Trouble:
        if method != "PUT" or what not in path or ".partial" in path:
            return None
        asked.append(time.monotonic())
        obstacle.trouble = lambda *_: trouble
        return trouble

    obstacle.trouble = always
    with pytest.raises(CancelledError):
        written(storage, progress=stop, many=20 if what == "partNumber" else 3)
    assert time.monotonic() - asked[0] < 20
    obstacle.let_go.set()
