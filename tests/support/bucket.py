"""A real server of S3, and buckets in it: what is written there went over HTTP."""

# Its server and its client take most of a second to load, so only who asks for them waits for that.
# ruff: noqa: PLC0415

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from worker.config.settings import load
from worker.storage import open_storage
from worker.storage.remote import Remote

KEYS = {"AWS_ACCESS_KEY_ID": "a-key", "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True)
class S3:
    """A server, which every process of a test's may speak to."""

    endpoint: str

    def client(self) -> Any:
        """Somebody else's client, to look behind our back."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            region_name=KEYS["AWS_REGION"],
        )

    def make(self, bucket: str, *, keeps: bool = False) -> None:
        """One that keeps versions, and locks those that it is told to, where it `keeps`."""
        self.client().create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=keeps)

    def keys(self, storage: Remote) -> list[str]:
        """All that lies in it, what is hidden as well."""
        bucket, _, prefix = storage.place.removeprefix("s3://").partition("/")
        found = self.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
        return [one["Key"].removeprefix(f"{prefix}/") for one in found]

    def put(self, storage: Remote, name: str, content: bytes) -> None:
        """Somebody else writes there."""
        bucket, key = self._at(storage, name)
        self.client().put_object(Bucket=bucket, Key=key, Body=content)

    def delete(self, storage: Remote, name: str, version: str | None = None) -> None:
        """Somebody else deletes there; a version is gone for good."""
        bucket, key = self._at(storage, name)
        more = {"VersionId": version} if version else {}
        self.client().delete_object(Bucket=bucket, Key=key, **more)

    def lock(self, storage: Remote, name: str, until: datetime) -> None:
        """That version, against all but an administrator."""
        bucket, key = self._at(storage, name)
        retention = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
        self.client().put_object_retention(Bucket=bucket, Key=key, Retention=retention)

    def hold(self, storage: Remote, name: str) -> None:
        """That version, until somebody says otherwise."""
        bucket, key = self._at(storage, name)
        self.client().put_object_legal_hold(Bucket=bucket, Key=key, LegalHold={"Status": "ON"})

    def _at(self, storage: Remote, name: str) -> tuple[str, str]:
        bucket, _, prefix = storage.place.removeprefix("s3://").partition("/")
        return bucket, f"{prefix}/{name}"

    def began(self, storage: Remote) -> list[str]:
        """Uploads in parts that were begun and neither ended nor given up."""
        bucket, _, _ = storage.place.removeprefix("s3://").partition("/")
        return [one["Key"] for one in self.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3(f"http://{host}:{port}")
    server.stop()


@pytest.fixture
def s3(s3_server: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """The same, with the environment of a product that uses it, and a folder of this test's for files on their way."""
    for name, value in {
        **KEYS,
        "AWS_ENDPOINT_URL": s3_server.endpoint,
        "BACKUP_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    load.cache_clear()
    yield s3_server
    load.cache_clear()


@pytest.fixture
def in_s3(s3: S3, tmp_path: Path) -> Remote:
    """A folder of a bucket of this test's."""
    return _bucket(s3, tmp_path, keeps=False)


@pytest.fixture
def in_versions(s3: S3, tmp_path: Path) -> Remote:
    """The same, of one that keeps versions."""
    return _bucket(s3, tmp_path, keeps=True)


def _bucket(s3: S3, tmp_path: Path, *, keeps: bool) -> Remote:
    bucket = f"bucket-{abs(hash(str(tmp_path)))}"
    s3.make(bucket, keeps=keeps)
    storage = open_storage(f"s3://{bucket}/of/redis")
    assert isinstance(storage, Remote)
    return storage
