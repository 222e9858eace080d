"""A storage that refuses, is overloaded, breaks off or never answers while a backup is copied to it, and locks that are lost."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.copies.given import CONTENT, NAME, OTHER, both_files, copied, folder, names, settings_of, take
from tests.storage.test_bad_lines import SOON
from tests.support.bucket import KEYS, S3
from tests.support.obstacle import Obstacle, Trouble, before
from tests.support.servers import Binary
from worker.broker import lock
from worker.broker.lease import Lease
from worker.config.cloud import Cloud
from worker.config.settings import Settings
from worker.errors import BackupSystemError, LostError, StorageError, StorageUnavailableError
from worker.repository import catalogue
from worker.storage import MEMBERS
from worker.storage.cache import Cache
from worker.storage.cloud import CloudBucket
from worker.storage.local import Folder
from worker.storage.remote import Remote


@pytest.fixture
def obstacle(s3: S3, in_s3: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Obstacle]:
    """Between us and the bucket; a minute of patience is over in seconds."""
    with before(s3.endpoint) as obstacle:
        cloud = Cloud(aws_endpoint_url=obstacle.endpoint)
        far = Remote(CloudBucket(in_s3.place, cloud, SOON, SOON), Cache(tmp_path / "cache", 1 << 30), in_s3.place)
        monkeypatch.setitem(MEMBERS, "s3", lambda _: far)
        yield obstacle


@pytest.fixture
def settings(home: Folder, in_s3: Remote, obstacle: Obstacle) -> Settings:
    take(home)
    take(in_s3, OTHER)
    return settings_of(home, in_s3)


def requests(settings: Settings, obstacle: Obstacle, in_s3: Remote) -> int:
    """How many it takes where all is well."""
    copied(settings)
    number = len(obstacle.seen)
    catalogue.remove(in_s3, NAME)
    return number


def failure(settings: Settings) -> BackupSystemError | None:
    try:
        copied(settings)
    except BackupSystemError as error:
        return error
    return None


@pytest.mark.parametrize(
    "trouble",
    [403, *(pytest.param(each, marks=pytest.mark.slow) for each in (503, "hang", "reset", "lost", "cut"))],
    ids=str,
)
def test_what_goes_wrong_at_any_request_leaves_nothing_half_and_the_next_try_completes_it(
    trouble: Trouble, settings: Settings, obstacle: Obstacle, home: Folder, in_s3: Remote
) -> None:
    original = both_files(home)
    for number in range(requests(settings, obstacle, in_s3)):
        obstacle.from_on(number, trouble)
        error = failure(settings)
        obstacle.clear()
        obstacle.let_go.clear()
        found = catalogue.read(in_s3)
        assert {backup.name for backup in found.backups} in ({OTHER}, {NAME, OTHER})
        if error is not None:
            assert isinstance(error, StorageError)
            assert isinstance(error, StorageUnavailableError) == (trouble != 403), error
            assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(error)
        assert both_files(home) == original
        assert failure(settings) is None, obstacle.seen
        assert both_files(in_s3) == original
        assert names(in_s3) == [OTHER, NAME]
        catalogue.remove(in_s3, NAME)


def test_a_right_that_is_missing_is_named_and_nothing_is_there(
    settings: Settings, obstacle: Obstacle, in_s3: Remote
) -> None:
    obstacle.trouble = lambda _, method, __: 403 if method == "PUT" else None
    error = failure(settings)
    assert "does not let us write (403): the credentials need the right s3:PutObject" in str(error)
    assert not isinstance(error, StorageUnavailableError)
    assert names(in_s3) == [OTHER]


@pytest.mark.parametrize("proofs", range(3))
def test_who_lost_the_lock_writes_nothing_more(
    proofs: int, settings: Settings, obstacle: Obstacle, in_s3: Remote, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def prove(_: Lease) -> None:
        asked.append(len(obstacle.seen))
        if len(asked) > proofs:
            raise LostError("This run has lost its lock.")

    monkeypatch.setattr(Lease, "prove", prove)
    assert isinstance(failure(settings), LostError)
    later = obstacle.seen[asked[-1] :]
    assert [
        request for request in later if request.startswith(("PUT", "POST")) and not request.endswith("?delete")
    ] == []
    assert names(in_s3) == [OTHER]
    assert not [key for key in s3.keys(in_s3) if NAME in key]


def test_of_two_that_copy_at_once_one_does_nothing(
    newest: Binary, start_server: StartServer, tmp_path: Path, home: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, broker = folder(tmp_path / "copies"), start_server(newest)
    settings = settings_of(home, there, celery_broker_url=broker.url)
    take(home)
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.1)
    with lock.held(settings, f"copy of {NAME} in {there.place}"):
        (skipped,) = copied(settings)
    assert skipped == {"to": str(there), "skipped": f"another run is copying {NAME} to {there}"}
    assert there.files() == []
    assert copied(settings)[0]["new"]


def test_a_name_that_somebody_else_is_writing_is_waited_for(settings: Settings, in_s3: Remote) -> None:
    with in_s3.draft([NAME]) as draft:
        draft.write(b"another backup of that second")
        error = failure(settings)
        assert isinstance(error, StorageUnavailableError)
        assert str(error).startswith(f"Somebody else is bringing {NAME} to {in_s3}")
        draft.publish()


def test_who_is_overtaken_takes_nothing_back(settings: Settings, home: Folder, in_s3: Remote) -> None:
    """Without a broker there is no lock: whoever comes second with the same bytes goes on, and the first gives way."""
    claim = hashlib.sha256(both_files(home)[1]).hexdigest()
    with suppress(StorageError), MEMBERS["s3"](in_s3.place).draft([NAME], claim) as draft:
        draft.write(CONTENT)
        assert copied(settings)[0]["new"]
        with pytest.raises(StorageError, match="Somebody else is writing"):
            draft.publish()
        raise StorageError("It fails.")
    assert both_files(in_s3) == both_files(home)
    assert names(in_s3) == [OTHER, NAME]
