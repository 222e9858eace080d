"""A bucket that refuses, is overloaded, breaks off, or never answers, at each request of a backup: nothing half is listed."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.storage.folders import NAME, OTHER
from tests.support.backups import manifest_of
from tests.support.bucket import KEYS, S3
from tests.support.obstacle import Obstacle, Trouble, before
from worker.config.cloud import Cloud
from worker.errors import StorageError, StorageUnavailableError
from worker.repository import catalogue
from worker.storage.cache import Cache
from worker.storage.cloud import PATIENT, CloudBucket, Patience
from worker.storage.remote import Remote

SOON = Patience(request=1, connect=1, silence=1, tries=3, within=3, pause=0.01, longest=0.02)
"""What takes a minute is seen in seconds."""
PASSING: list[Trouble] = [429, 500, 503, "reset", "lost", "cut"]
SMALL, LARGE = b"content", bytes(9 << 20)


@dataclass
class Far:
    """A bucket behind an obstacle, in which a good backup lies."""

    storage: Remote
    obstacle: Obstacle

    def listed(self) -> list[str]:
        found = catalogue.read(self.storage)
        assert found.problems == []
        return [one.name for one in found.backups]


def take(storage: Remote, name: str, content: bytes = SMALL) -> None:
    """A backup, the way a run makes one."""
    with storage.draft([name]) as draft:
        draft.write(content)
        draft.publish()
        catalogue.add(storage, manifest_of(name, content))


@pytest.fixture
def far(s3: S3, in_s3: Remote, tmp_path: Path) -> Iterator[Far]:
    take(in_s3, OTHER)
    with before(s3.endpoint) as obstacle:
        # No retry of a test's is a moment's work, if it must wait for it.
        yield behind(obstacle, in_s3, tmp_path, SOON)


def behind(obstacle: Obstacle, in_s3: Remote, tmp_path: Path, patience: Patience) -> Far:
    bucket = CloudBucket(in_s3.place, Cloud(aws_endpoint_url=obstacle.endpoint), patience, patience)
    return Far(Remote(bucket, Cache(tmp_path / "cache", 1 << 30), in_s3.place), obstacle)


def requests(far: Far, work: Callable[[], object]) -> int:
    """How many requests it takes where all is well."""
    far.obstacle.clear()
    work()
    return len(far.obstacle.seen)


def removed(far: Far, in_s3: Remote) -> None:
    catalogue.remove(in_s3, NAME)
    far.storage.bucket.exclusive = None


def failure(work: Callable[[], object]) -> StorageError | None:
    """What it ends with; None where it comes through."""
    try:
        work()
    except StorageError as error:
        return error
    return None


def check_sentence(error: StorageError) -> None:
    said = str(error)
    assert re.fullmatch(r"s3://\S+ [^\n]+\.", said), said
    assert "Debug" not in said
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in said


@pytest.mark.parametrize("content", [SMALL, pytest.param(LARGE, marks=pytest.mark.slow)], ids=["small", "in parts"])
@pytest.mark.parametrize("trouble", PASSING, ids=str)
@pytest.mark.sweep
def test_what_passes_is_outlived_at_every_request_and_a_backup_is_whole(
    trouble: Trouble, content: bytes, far: Far, in_s3: Remote, s3: S3
) -> None:
    for number in range(requests(far, lambda: take(far.storage, NAME, content))):
        removed(far, in_s3)
        far.obstacle.from_on(number, trouble, once=True)
        take(far.storage, NAME, content)
        far.obstacle.clear()
        assert sorted(far.listed()) == [NAME, OTHER], far.obstacle.seen
        assert in_s3.read(NAME) == content
        assert not [key for key in s3.keys(in_s3) if key.startswith(".")]


@pytest.mark.parametrize("broken", range(8))
def test_a_download_of_which_nothing_more_comes_is_taken_up_five_times(
    broken: int, in_s3: Remote, s3: S3, tmp_path: Path
) -> None:
    in_s3.put(NAME, b"x")
    with before(s3.endpoint) as obstacle:
        never = replace(SOON, tries=0)
        bucket = CloudBucket(in_s3.place, Cloud(aws_endpoint_url=obstacle.endpoint), never, never)
        obstacle.trouble = lambda number, *_: "cut" if number < broken else None
        _, pieces = bucket.download(NAME)
        if broken <= 5:
            assert b"".join(pieces) == b"x"
        else:
            with pytest.raises(StorageUnavailableError, match="broke the connection off"):
                b"".join(pieces)
        assert len(obstacle.seen) == min(broken, 5) + 1


@pytest.mark.parametrize("trouble", [403, *PASSING], ids=str)
@pytest.mark.sweep
def test_what_stays_ends_a_backup_in_a_sentence_and_nothing_half_is_listed(
    trouble: Trouble, far: Far, in_s3: Remote
) -> None:
    for number in range(requests(far, lambda: take(far.storage, NAME))):
        with suppress(Exception):
            removed(far, in_s3)
        far.obstacle.from_on(number, trouble)
        error = failure(lambda: take(far.storage, NAME))
        if error is not None:
            check_sentence(error)
            assert isinstance(error, StorageUnavailableError) == (trouble != 403), error
        far.obstacle.clear()
        found = catalogue.read(in_s3)
        assert OTHER in [one.name for one in found.backups]
        # An artifact that could not be taken back has no manifest, so it is no backup; its mark says so to a sweep.
        for name in found.faults:
            assert name == NAME
            assert f".{NAME}.partial" in [thing.name for thing in in_s3.bucket.things()]
            in_s3.bucket.delete([NAME])
        for one in found.backups:
            assert in_s3.read(one.name) == SMALL
        in_s3.bucket.delete([f".{NAME}.partial"])


def test_manifests_are_read_many_at_once_and_only_once(far: Far, in_s3: Remote, tmp_path: Path) -> None:
    # Who waits here for seven others must not be taken for one who hangs.
    far = behind(far.obstacle, in_s3, tmp_path, PATIENT)
    for number in range(20):
        take(in_s3, f"redis_backup_20231206_1430{number:02}.rdb")
    together = threading.Barrier(8)

    def trouble(number: int, method: str, path: str) -> Trouble:
        if "manifest" in path and number <= 8:
            together.wait(60)  # nobody gets an answer before eight have asked
        return None

    far.obstacle.trouble = trouble
    assert len(far.listed()) == 21
    assert len(far.obstacle.seen) == 22
    far.obstacle.clear()
    assert len(far.listed()) == 21
    assert len(far.obstacle.seen) == 1


@pytest.mark.slow
def test_a_hang_has_an_end(far: Far) -> None:
    far.obstacle.from_on(0, "hang")
    for work in (far.storage.files, lambda: far.storage.read(OTHER), lambda: take(far.storage, NAME)):
        with pytest.raises(StorageUnavailableError, match="did not answer in time"):
            work()


def test_a_download_that_breaks_off_is_taken_up_again(far: Far, in_s3: Remote) -> None:
    content = bytes(range(256)) * (16 << 10)
    take(in_s3, NAME, content)
    for number in range(1, 4):
        far.obstacle.from_on(number, "cut", once=True)
        with far.storage.fetch(NAME, anew=True) as file, far.storage.open(NAME) as stream:
            assert file.read() == stream.read() == content


def test_a_download_that_breaks_off_every_time_ends_in_a_sentence(far: Far) -> None:
    far.obstacle.trouble = lambda number, method, _: "reset" if number > 1 else "cut" if method == "GET" else None
    with pytest.raises(StorageError, match=r"^s3://.*\.$"):
        far.storage.fetch(OTHER)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "does not let us write .403.: the credentials need the right s3:PutObject"),
        (404, "is not there .404."),
        (400, "refuses to write .400 SomeCode."),
        (507, "is full"),
    ],
)
def test_what_is_refused_for_good_is_said_at_once(status: int, words: str, far: Far) -> None:
    far.obstacle.trouble = lambda _, method, __: status if method == "PUT" else None
    with pytest.raises(StorageError, match=words):
        take(far.storage, NAME)
    assert far.listed() == [OTHER]


def test_a_conflict_that_passes_is_tried_again(far: Far) -> None:
    """409: somebody else writes the same name at this moment, or seems to."""
    conflicts = iter([409])
    far.obstacle.trouble = lambda _, method, path: (
        next(conflicts, None) if "manifest" in path and method == "PUT" else None
    )
    take(far.storage, NAME)
    assert sorted(far.listed()) == [NAME, OTHER]
