"""What a bucket of the cloud is asked by: how large its parts are, its patience, and what its settings become."""

from datetime import timedelta
from typing import Any

import pytest
from obstore.store import S3Store

from worker.config.cloud import Cloud
from worker.storage.cloud import CloudBucket, Patience, part_bytes

MIB = 1 << 20


@pytest.mark.parametrize(
    ("size", "part"),
    [
        (0, 8 * MIB),
        (1, 8 * MIB),
        (9000 * 8 * MIB, 8 * MIB),
        (9000 * 8 * MIB + 1, 8 * MIB + 1),
        (9000 * 9 * MIB, 9 * MIB),
    ],
)
def test_no_part_is_small_and_there_are_not_too_many(size: int, part: int) -> None:
    assert part_bytes(size) == part
    assert -(-size // part) <= 9000


def test_patience_is_said_as_obstore_calls_it() -> None:
    patience = Patience(request=6, connect=3, silence=5, tries=2, within=7, pause=0.1, longest=1)
    assert patience.client == {
        "timeout": timedelta(seconds=6),
        "connect_timeout": timedelta(seconds=3),
        "read_timeout": timedelta(seconds=5),
    }
    pauses = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=1), "base": 2}
    assert patience.retry == {"max_retries": 2, "retry_timeout": timedelta(seconds=7), "backoff": pauses}


def stores(place: str, **settings: Any) -> list[S3Store]:
    bucket = CloudBucket(place, Cloud(**settings))
    assert bucket.versions is not None
    assert bucket.exclusive is None
    return [store for store in vars(bucket).values() if isinstance(store, S3Store)]


@pytest.mark.parametrize(
    ("place", "settings", "config", "plain", "prefix"),
    [
        ("s3://name/a/b", {}, {"virtual_hosted_style_request": "true"}, "false", "a/b"),
        ("s3://na.me", {}, {}, "false", None),
        ("s3://name", {"aws_endpoint_url": "http://here:1"}, {"endpoint": "http://here:1"}, "true", None),
        ("s3://name", {"aws_endpoint_url": "https://here:1"}, {"endpoint": "https://here:1"}, "false", None),
    ],
    ids=["amazon", "a dot in the name", "plain", "tls"],
)
def test_a_bucket_of_s3_is_asked_as_its_address_says(
    place: str, settings: dict[str, str], config: dict[str, Any], plain: str, prefix: str | None
) -> None:
    for store in stores(place, aws_checksum_algorithm="none", **settings):
        assert {
            name: value for name, value in store.config.items() if name in (*config, "checksum_algorithm")
        } == config
        assert ("virtual_hosted_style_request" in store.config) is ("virtual_hosted_style_request" in config)
        assert dict(store.client_options or {})["allow_http"] == plain
        assert (store.prefix or None) == prefix
    (checked, _) = stores(place, aws_checksum_algorithm="SHA256", **settings)
    assert checked.config["checksum_algorithm"] == "SHA256"


def test_other_clouds_are_not_asked_for_versions() -> None:
    account = {"azure_storage_account_name": "name", "azure_storage_account_key": "a2V5"}
    assert CloudBucket("az://container", Cloud(**account)).versions is None
