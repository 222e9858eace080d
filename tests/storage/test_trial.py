"""What we may do in a storage is found out by doing it, and nothing of that stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backups import files
from tests.support.bucket import S3
from tests.support.certificates import Authority
from tests.support.obstacle import Obstacle, Trouble, before
from tests.support.processes import Shell
from worker.config.cloud import Cloud
from worker.config.settings import Settings
from worker.errors import CancelledError, StorageError, UsageError
from worker.progress import silent
from worker.storage import open_storage, trial
from worker.storage.cache import Cache
from worker.storage.cloud import CloudBucket, Patience
from worker.storage.local import Folder
from worker.storage.remote import Remote

SOON = Patience(request=1, connect=1, silence=1, tries=0, within=1, pause=0.01, longest=0.02)
ALL = ["list", "write", "read back", "write over nothing", "note", "delete"]


@pytest.fixture
def obstacle(s3: S3) -> Iterator[Obstacle]:
    with before(s3.endpoint) as found:
        yield found


@pytest.fixture
def far(obstacle: Obstacle, in_s3: Remote, tmp_path: Path) -> Remote:
    bucket = CloudBucket(in_s3.place, Cloud(aws_endpoint_url=obstacle.endpoint), SOON, SOON)
    return Remote(bucket, Cache(tmp_path / "cache", 1 << 20), in_s3.place)


def refused(storage: Remote | Folder) -> dict[str, str]:
    return {step.what: step.why for step in trial.try_out(storage, "trial-1") if step.why}


def test_all_is_well_in_a_folder_and_in_a_bucket(in_s3: Remote, s3: S3, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "backups")
    for storage in (folder, in_s3):
        steps = trial.try_out(storage, "trial-1")
        assert [(step.what, step.why) for step in steps] == [(what, None) for what in ALL]
    assert (files(folder.path), s3.keys(in_s3)) == ([], [])
    assert (folder.exclusive, in_s3.exclusive) == (True, True)


@pytest.mark.parametrize(
    ("method", "step", "right"),
    [
        ("list", "list", "s3:ListBucket"),
        ("PUT", "write", "s3:PutObject"),
        ("GET", "read back", "s3:GetObject"),
    ],
)
def test_the_missing_right_is_named(method: str, step: str, right: str, far: Remote, obstacle: Obstacle) -> None:
    def trouble(_: int, asked: str, path: str) -> Trouble:
        is_list = "list-type" in path
        return 403 if (is_list if method == "list" else asked == method and not is_list) else None

    obstacle.trouble = trouble
    assert right in refused(far)[step]


def test_a_shell_says_it_and_fails(in_s3: Remote, obstacle: Obstacle, tmp_path: Path) -> None:
    shell = Shell("redis://127.0.0.1:1", tmp_path / "unused", tmp_path, forked=False)
    settings = {"BACKUP_STORAGE": in_s3.place, "AWS_ENDPOINT_URL": obstacle.endpoint}
    done = shell("storage", "--json", preexec=None, **settings)
    assert (done.code, done.err) == (0, "")
    (place,) = done.data["storages"]
    assert ([step["what"] for step in place["steps"]], place["exclusive"], place["usable"]) == (ALL, True, True)
    assert (place["where"], place["left"], place["free_bytes"]) == (in_s3.place, None, None)
    obstacle.trouble = lambda _, method, __: 403 if method == "PUT" else None
    done = shell("storage", preexec=None, **settings)
    assert done.code == 1
    assert "no, s3:PutObject is missing: s3://" in done.out
    assert done.err.startswith(f"Error: Backups cannot be kept in {in_s3.place}: s3://")


def test_what_is_cancelled_on_its_way_leaves_nothing_there(in_s3: Remote, s3: S3) -> None:
    def stop(phase: str, current: int, total: int | None, unit: str) -> None:
        if (phase, current, total, unit) == (f"trying {in_s3.place}", 3, 6, "steps"):
            assert s3.keys(in_s3) == ["trial-1"]
            raise CancelledError("Cancelled.")

    with pytest.raises(CancelledError):
        trial.try_out(in_s3, "trial-1", stop)
    assert s3.keys(in_s3) == []


def test_one_that_cannot_be_opened_is_told_of_as_one_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"):
        monkeypatch.delenv(name, raising=False)
    tried = trial.storage(Settings.model_construct(backup_storage="az://container/folder", backup_copies=()), silent)
    (place,) = tried["storages"]
    assert ([step["what"] for step in place["steps"]], place["usable"], place["left"]) == (["open"], False, None)
    with pytest.raises(StorageError, match=r"cannot be kept in az://container/folder: .*AZURE_STORAGE_ACCOUNT_NAME"):
        trial.check_usable(tried)


def test_all_storages_are_tried_and_a_folder_of_copies_that_is_not_there_is_not_made(
    in_versions: Remote, tmp_path: Path
) -> None:
    home, away = tmp_path / "home", tmp_path / "unmounted"
    settings = Settings(backup_storage=str(home), backup_copies=(in_versions.place, str(away)))
    places = trial.storage(settings, silent)["storages"]
    assert [(place["where"], place["usable"], place["versions"]) for place in places] == [
        (str(home), True, None),
        (in_versions.place, True, True),
        (str(away), False, None),
    ]
    assert "is not there" in places[2]["steps"][0]["why"]
    assert not away.exists()


def test_a_bucket_without_versions_is_said_to_keep_none(in_s3: Remote) -> None:
    (place,) = trial.storage(Settings(backup_storage=in_s3.place), silent)["storages"]
    assert (place["usable"], place["versions"]) == (True, False)


def test_credentials_that_are_none_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="AZURE_STORAGE_ACCOUNT_NAME"):
        open_storage("az://container/folder")


def test_a_server_of_ones_own_authority_is_spoken_to_where_that_is_named(s3: S3, in_s3: Remote, tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    def tried(cloud: Cloud) -> dict[str, str]:
        bucket = CloudBucket(in_s3.place, cloud, SOON, SOON)
        return refused(Remote(bucket, Cache(tmp_path / "cache", 1 << 20), in_s3.place))

    with before(s3.endpoint, authority["server"]) as encrypted:
        assert tried(Cloud(aws_endpoint_url=encrypted.endpoint, aws_ca_bundle=authority.path)) == {}
        assert "AWS_CA_BUNDLE" in tried(Cloud(aws_endpoint_url=encrypted.endpoint))["list"]
