"""The rights of which the guide says that no more is needed: with these all goes, and each that is taken away is named."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.bucket import KEYS, S3
from worker.config.cloud import Cloud
from worker.storage.cache import Cache
from worker.storage.cloud import CloudBucket
from worker.storage.remote import Remote
from worker.storage.trial import Step, try_out

GUIDE = Path(__file__).parent.parent.parent / "docs" / "guide.md"
ACTIONS = ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
STEP = dict(zip(ACTIONS, ["list", "write", "write", "delete"], strict=False))
"""The step of a trial that is the first to need it."""


def policy(bucket: str) -> Any:
    """As it stands in the guide, for that bucket."""
    (text,) = re.findall(r"```json\n(\{\"Version\".*?)```", GUIDE.read_text(), re.DOTALL)
    return json.loads(text.replace(":::bucket", f":::{bucket}"))


def without(said: Any, action: str | None) -> Any:
    for statement in said["Statement"]:
        actions = statement["Action"]
        statement["Action"] = [one for one in ([actions] if isinstance(actions, str) else actions) if one != action]
    # The server of this test asks it of the bucket when several objects are deleted at once, which Amazon does not.
    if action != "s3:DeleteObject":
        said["Statement"].append(
            {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": said["Statement"][0]["Resource"]}
        )
    said["Statement"] = [statement for statement in said["Statement"] if statement["Action"]]
    return said


class User:
    """Somebody whose rights count, in a bucket of this test's."""

    def __init__(self, s3: S3, bucket: str, cache: Path) -> None:
        import boto3  # noqa: PLC0415 - only who asks for a server waits for it

        self.bucket = bucket
        signed = {"aws_access_key_id": "root", "aws_secret_access_key": "root", "region_name": KEYS["AWS_REGION"]}
        self._iam = boto3.client("iam", endpoint_url=s3.endpoint, **signed)
        self._iam.create_user(UserName=bucket)
        key = self._iam.create_access_key(UserName=bucket)["AccessKey"]
        cloud = Cloud(
            aws_endpoint_url=s3.endpoint,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            aws_region=KEYS["AWS_REGION"],
        )
        place = f"s3://{bucket}/folder"
        self.storage = Remote(CloudBucket(place, cloud), Cache(cache, 1 << 24), place)

    @contextmanager
    def lacking(self, action: str | None) -> Iterator[Remote]:
        """Within the block it may do what the guide says but that, and nobody may do anything else."""
        from moto import settings  # noqa: PLC0415

        said = json.dumps(without(policy(self.bucket), action))
        self._iam.put_user_policy(UserName=self.bucket, PolicyName="least", PolicyDocument=said)
        free, settings.INITIAL_NO_AUTH_ACTION_COUNT = settings.INITIAL_NO_AUTH_ACTION_COUNT, 0
        try:
            yield self.storage
        finally:
            settings.INITIAL_NO_AUTH_ACTION_COUNT = free


@pytest.fixture
def user(s3: S3, tmp_path: Path) -> User:
    bucket = f"bucket-{abs(hash(str(tmp_path)))}"
    s3.make(bucket)
    return User(s3, bucket, tmp_path / "cache")


def missing(steps: list[Step]) -> list[tuple[str, str | None]]:
    return [(step.what, step.right) for step in steps if step.why]


def test_the_rights_of_the_guide_are_enough(user: User, s3: S3) -> None:
    with user.lacking(None) as storage:
        assert missing(try_out(storage, "trial-1")) == []
    assert s3.keys(user.storage) == []


@pytest.mark.parametrize("action", [*STEP])
def test_each_of_them_is_needed_and_named_where_it_is_missing(user: User, s3: S3, action: str) -> None:
    with user.lacking(action) as storage:
        assert missing(try_out(storage, "trial-1")) == [(STEP[action], action)]
    left = [".trial-1.partial", "trial-1"] if action == "s3:DeleteObject" else []
    assert s3.keys(user.storage) == left


def _broken_off(storage: Remote) -> None:
    asked = []

    def refuse() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise ZeroDivisionError

    with suppress(ZeroDivisionError):
        storage.bucket.upload("large", BytesIO(bytes(20 << 20)), 20 << 20, refuse)


@pytest.mark.parametrize(("action", "left"), [(None, []), ("s3:AbortMultipartUpload", ["folder/large"])])
def test_with_the_last_of_them_an_upload_in_parts_that_breaks_off_leaves_none(
    user: User, s3: S3, action: str | None, left: list[str]
) -> None:
    with user.lacking(action) as storage:
        _broken_off(storage)
    assert s3.began(storage) == left
