"""Google's and Azure's buckets do what one of S3 does, by their own preconditions, parts and words."""

import os
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.storage.folders import NAME, OTHER
from tests.support.azure import Azure
from tests.support.google import BUCKET, Google
from worker.config.cloud import Cloud
from worker.config.settings import Settings
from worker.errors import ForbiddenError, NotFoundError, StorageError
from worker.progress import silent
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.storage import open_storage, trial
from worker.storage.cloud import CloudBucket, Patience
from worker.storage.remote import Remote
from worker.storage.upload import mark_of

PART = 8 << 20
"""Bytes of an upload that go at once."""
SOON = Patience(request=6, connect=3, silence=6, tries=1, within=2, pause=0.1, longest=0.1)


@pytest.fixture(params=["gs", pytest.param("az", marks=pytest.mark.slow)])
def cloud(request: pytest.FixtureRequest) -> tuple[Remote, Google | Azure]:
    """A storage, and whoever looks behind its back."""
    storage = request.getfixturevalue(f"in_{request.param}")
    return storage, request.getfixturevalue({"gs": "google", "az": "azure"}[request.param])


def test_it_is_tried_and_found_good_and_nobody_writes_over_anybody_there(cloud: tuple[Remote, Google | Azure]) -> None:
    storage, behind = cloud
    (tried,) = trial.storage(Settings(backup_storage=storage.place), silent)["storages"]
    assert [step["why"] for step in tried["steps"]] == [None] * 6
    assert (tried["usable"], tried["exclusive"], tried["left"]) == (True, True, None)
    assert behind.names(storage) == []


def test_what_another_machine_noted_meanwhile_is_not_lost(cloud: tuple[Remote, Google | Azure]) -> None:
    storage, behind = cloud
    storage.put(NAME + MANIFEST_SUFFIX, b"{}")
    storage.put(OTHER, b"noted")
    with storage.locked(NAME + MANIFEST_SUFFIX):
        assert storage.read(OTHER) == b"noted"
        behind.put(storage, OTHER, b"noted by another machine")
        with pytest.raises(StorageError, match="Somebody else has changed"):
            storage.put(OTHER, b"noted anew", replace=True)
    assert storage.read(OTHER) == b"noted by another machine"
    with storage.locked(NAME + MANIFEST_SUFFIX):
        storage.put(OTHER, storage.read(OTHER) + b", and here", replace=True)
    assert storage.read(OTHER) == b"noted by another machine, and here"


def test_who_has_the_same_claim_takes_a_name_over_and_nobody_else(cloud: tuple[Remote, Google | Azure]) -> None:
    storage, _ = cloud
    with storage.draft([NAME], claim="copy ") as left:
        with pytest.raises(StorageError, match="No free name"), storage.draft([NAME], claim="other "):
            raise AssertionError
        with storage.draft([NAME], claim="copy ") as again:
            again.write(b"content")
            again.publish()
        with pytest.raises(StorageError, match="Somebody else is writing"):
            left.publish()
    assert storage.read(NAME) == b"content"


def test_a_large_file_arrives_in_parts_and_comes_back_from_any_byte_on(cloud: tuple[Remote, Google | Azure]) -> None:
    storage, _ = cloud
    content = os.urandom(PART) + b"and its end"
    with storage.draft([NAME]) as draft:
        draft.write(content)
        draft.publish()
    handed = storage.hand_out(NAME)
    handed.seek(len(content) - 7)
    assert b"".join(handed) == b"its end"
    with storage.fetch(NAME) as file:
        assert file.read() == content


def test_an_upload_in_parts_that_is_stopped_shows_nothing(cloud: tuple[Remote, Google | Azure]) -> None:
    storage, behind = cloud
    asked = 0

    def prove() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise ZeroDivisionError

    with suppress(ZeroDivisionError), storage.draft([NAME]) as draft:
        draft.write(bytes(2 * PART + 1))
        draft.publish(prove)
    assert asked == 3
    assert (behind.names(storage), storage.files()) == ([], [])
    if isinstance(behind, Google):
        assert behind.uploads == {}


def test_a_file_that_was_replaced_while_it_was_fetched_is_not_mixed(cloud: tuple[Remote, Google | Azure]) -> None:
    storage, behind = cloud
    storage.put(NAME, b"content")
    handed = storage.hand_out(NAME)
    behind.put(storage, NAME, b"CONTENT")
    with pytest.raises(NotFoundError, match="has been replaced meanwhile"):
        b"".join(handed)


def test_what_killed_runs_left_is_seen_beside_what_lies_deeper(cloud: tuple[Remote, Google | Azure]) -> None:
    storage, behind = cloud
    for name in (f".{NAME}.deleting", NAME, "deeper/x", OTHER, "third", "zz"):
        behind.put(storage, name, b"x")
    assert [file.name for file in storage.files()] == [NAME, OTHER, "third", "zz"]
    assert storage.sweep(set()) == [f".{NAME}.deleting"]
    assert [file.name for file in storage.files()] == [OTHER, "third", "zz"]


def test_a_right_that_is_missing_is_named(in_gs: Remote, google: Google) -> None:
    google.refuse = lambda _method, _name: (403, "AccessDenied")
    with pytest.raises(ForbiddenError, match=r"storage\.objects\.list"):
        in_gs.files()
    google.refuse = lambda method, _name: (403, "AccessDenied") if method == "PUT" else None
    with pytest.raises(ForbiddenError, match=r"storage\.objects\.create"):
        in_gs.put(NAME, b"x")


def test_a_bucket_that_is_not_there_is_said(google: Google) -> None:
    with pytest.raises(StorageError, match="is in no bucket that exists"):
        open_storage(f"gs://not-{BUCKET}").files()


@pytest.mark.slow
def test_a_container_that_is_not_there_is_said(azure: Azure) -> None:
    with pytest.raises(StorageError, match="is in no container that exists"):
        open_storage("az://not-there").files()


@pytest.mark.slow
def test_a_key_that_is_not_theirs_is_said(in_az: Remote) -> None:
    bucket = CloudBucket(in_az.place, Cloud(azure_storage_account_key="bm90IHRoZWlycw=="), SOON, SOON)
    with pytest.raises(StorageError, match="AZURE_STORAGE_ACCOUNT_KEY"):
        bucket.things()


def test_what_somebody_else_has_signed_is_not_let_in(google_server: tuple[Google, str, str], in_gs: Remote) -> None:
    google, address, _ = google_server
    foreign = google.account(address, rsa.generate_private_key(65537, 2048))
    bucket = CloudBucket(in_gs.place, Cloud(google_service_account_key=foreign), SOON, SOON)
    with pytest.raises(StorageError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        bucket.things()


def test_one_that_has_too_much_to_do_is_asked_again(in_gs: Remote, google: Google) -> None:
    left = [2]

    def refuse(method: str, name: str) -> tuple[int, str] | None:
        if method == "PUT" and not name.endswith(mark_of(NAME)) and left[0]:
            left[0] -= 1
            return 503, "ServiceUnavailable"
        return None

    google.refuse = refuse
    with in_gs.draft([NAME]) as draft:
        draft.write(b"content")
        draft.publish()
    assert (in_gs.read(NAME), left) == (b"content", [0])
