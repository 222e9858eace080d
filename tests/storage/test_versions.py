"""Versions of a bucket over a line that breaks, and locks that nobody lets us see."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.storage.folders import NAME
from tests.support.bucket import S3
from tests.support.certificates import Authority
from tests.support.obstacle import Obstacle, before
from worker.config.cloud import Cloud
from worker.errors import NotFoundError, StorageError, StorageUnavailableError
from worker.storage.cloud import CloudBucket
from worker.storage.interface import chunks_of
from worker.storage.remote import Remote
from worker.storage.versions.kept import Versions

LARGE = bytes(range(256)) * (4 << 10)


@pytest.fixture
def obstacle(s3: S3) -> Iterator[Obstacle]:
    with before(s3.endpoint) as found:
        yield found


@pytest.fixture
def far(obstacle: Obstacle, in_versions: Remote) -> Versions:
    """The versions of that bucket, behind the obstacle."""
    return versions(CloudBucket(in_versions.place, Cloud(aws_endpoint_url=obstacle.endpoint)))


def versions(bucket: CloudBucket) -> Versions:
    assert bucket.versions is not None
    return bucket.versions


def test_a_version_is_read_to_its_end_over_a_line_that_breaks(
    in_versions: Remote, far: Versions, obstacle: Obstacle
) -> None:
    in_versions.put(NAME, LARGE)
    kept = far.of(NAME)
    assert kept is not None
    in_versions.put(NAME, b"written over", replace=True)
    obstacle.from_on(0, "cut", once=True)
    with far.open(NAME, kept) as stream:
        assert b"".join(chunks_of(stream)) == LARGE
    assert len(obstacle.seen) == 2
    with (
        pytest.raises(NotFoundError, match="does not keep the version"),
        far.open(NAME, kept._replace(id="x")) as stream,
    ):
        stream.read()


def test_a_bucket_that_keeps_no_versions_says_so(in_s3: Remote) -> None:
    in_s3.put(NAME, b"content")
    kept = versions(CloudBucket(in_s3.place, Cloud())).of(NAME)
    assert kept is not None
    assert (kept.id, kept.size) == (None, 7)


@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        (403, StorageError, "s3:GetObjectRetention"),
        ("reset", StorageUnavailableError, "did not say whether a file is locked"),
    ],
)
def test_a_lock_that_cannot_be_seen_is_no_lock_that_is_not_there(
    in_versions: Remote, far: Versions, obstacle: Obstacle, trouble: int | str, kind: type[StorageError], words: str
) -> None:
    in_versions.put(NAME, b"content")
    assert far.lock(NAME) is None
    obstacle.from_on(0, trouble)
    with pytest.raises(kind, match=words) as refused:
        far.lock(NAME)
    assert "Signature" not in str(refused.value), "the signed address is a secret as long as it is good"
    obstacle.clear()
    assert far.lock("not_there") is None


def test_a_lock_is_seen_over_tls_of_ones_own_authority(in_versions: Remote, s3: S3, tmp_path: Path) -> None:
    authority, until = Authority(tmp_path), datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    in_versions.put(NAME, b"content")
    s3.lock(in_versions, NAME, until)
    with before(s3.endpoint, authority["server"]) as encrypted:
        cloud = Cloud(aws_endpoint_url=encrypted.endpoint, aws_ca_bundle=authority.path)
        lock = versions(CloudBucket(in_versions.place, cloud)).lock(NAME)
    assert lock is not None
    assert lock.until == until
