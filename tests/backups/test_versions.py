"""In a bucket with versions: what somebody else deletes or writes over is named, and put back as it was written."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.backups.given import DUMP, NAME
from tests.support.backups import manifest_of
from tests.support.bucket import S3
from tests.support.processes import Shell
from worker.arguments.backups import (
    CopyArguments,
    DeleteArguments,
    PinArguments,
    PruneArguments,
    PutBackArguments,
    VerifyArguments,
)
from worker.backups.copies.copy import copy
from worker.backups.pin import pin
from worker.backups.prune import prune
from worker.backups.stats import stats
from worker.backups.trash import delete, put_back
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.errors import ArtifactError, NotFoundError, RefusedError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.behalf import acting_for
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest, Origin, to_json
from worker.repository.versions.records import SUFFIX, record_of, records, remember
from worker.storage.local import Folder
from worker.storage.remote import Remote

MANIFEST = NAME + MANIFEST_SUFFIX
OTHER_DUMP = DUMP[:-1] + b"x"
COUNTS: dict[str, Any] = {"keys": 20, "keys_by_db": {0: {"string": 20}}, "source": Origin(address="here:6379")}

Harm = Callable[[S3, Remote], None]


def keep(storage: Remote, name: str = NAME, content: bytes = DUMP) -> Manifest:
    """A backup, the way a run makes one."""
    manifest = manifest_of(name, content).model_copy(update=COUNTS)
    with storage.draft([name]) as draft:
        draft.write(content)
        draft.publish()
        return catalogue.add(storage, manifest)


def name_of(day: int) -> str:
    return f"redis_backup_202312{day:02}_143022.rdb"


def listed(storage: Remote) -> list[str]:
    return [backup.name for backup in catalogue.read(storage).listed]


@pytest.fixture
def settings(in_versions: Remote) -> Settings:
    return Settings(backup_storage=in_versions.place)


def both_deleted(s3: S3, storage: Remote) -> None:
    for name in (MANIFEST, NAME):
        s3.delete(storage, name)


def artifact_deleted(s3: S3, storage: Remote) -> None:
    s3.delete(storage, NAME)


def manifest_deleted(s3: S3, storage: Remote) -> None:
    s3.delete(storage, MANIFEST)


def artifact_replaced(s3: S3, storage: Remote) -> None:
    s3.put(storage, NAME, OTHER_DUMP)


def both_replaced(s3: S3, storage: Remote) -> None:
    """By somebody who knows how a backup looks: another one of the same name, with a manifest that fits."""
    s3.put(storage, NAME, OTHER_DUMP)
    s3.put(storage, MANIFEST, to_json(manifest_of(NAME, OTHER_DUMP)))


def replaced_and_deleted(s3: S3, storage: Remote) -> None:
    s3.put(storage, NAME, b"")
    s3.delete(storage, MANIFEST)


HARMS = [
    (both_deleted, "deleted"),
    (artifact_deleted, "deleted"),
    (manifest_deleted, "deleted"),
    (artifact_replaced, "written over"),
    (both_replaced, "written over"),
    (replaced_and_deleted, "written over"),
]


@pytest.mark.parametrize(("harm", "how"), HARMS)
def test_what_somebody_else_did_is_named_everywhere_and_put_back(
    harm: Harm, how: str, s3: S3, in_versions: Remote, settings: Settings
) -> None:
    written = keep(in_versions)
    older = keep(in_versions, name_of(4)).name
    assert catalogue.read(in_versions).problems == []
    harm(s3, in_versions)
    words = (
        f"{NAME} was {how} in {in_versions} by somebody else: `BACKUP_STORAGE={in_versions} python -m worker put-back {NAME}` "
        "puts the version back that was written there."
    )
    found = catalogue.read(in_versions)
    assert (found.faults, listed(in_versions)) == ({NAME: words}, [older])
    assert [(missed.name, missed.how) for missed in found.lost] == [(NAME, how)]
    assert stats(settings)["problems"] == [words]
    with pytest.raises(ArtifactError) as refused:
        verify(settings, VerifyArguments(name=NAME), silent)
    assert str(refused.value) == words
    assert catalogue.get(in_versions, "latest").name == older, "nobody restores what is not what was written"

    assert put_back(settings, PutBackArguments(name=NAME)) == {"put_back": NAME, "warnings": []}
    assert catalogue.read(in_versions).listed[0] == written
    assert catalogue.read(in_versions).problems == []
    assert verify(settings, VerifyArguments(name=NAME), silent)["warnings"] == []
    harm(s3, in_versions)
    assert [missed.how for missed in catalogue.read(in_versions).lost] == [how], "it is watched as before"


def test_what_we_do_ourselves_is_no_loss(in_versions: Remote, settings: Settings) -> None:
    for day in range(1, 5):
        keep(in_versions, name_of(day))
    delete(settings, DeleteArguments(name=name_of(1)))
    delete(settings, DeleteArguments(name=name_of(1), now=True))
    told = prune(settings, PruneArguments(keep=2), silent)
    assert [entry["name"] for entry in told["deleted"]] == [name_of(2)]
    assert (told["freed_bytes"], told["problems"]) == (0, []), "the bucket keeps what was deleted"
    found = catalogue.read(in_versions)
    assert ([backup.name for backup in found.listed], found.problems) == ([name_of(4), name_of(3)], [])
    assert sorted(records(in_versions)) == [name_of(3), name_of(4)]


def test_a_version_that_was_destroyed_is_not_put_back(s3: S3, in_versions: Remote, settings: Settings) -> None:
    keep(in_versions)
    record = record_of(in_versions, NAME)
    assert record is not None
    artifact_replaced(s3, in_versions)
    s3.delete(in_versions, NAME, record.artifact.id)
    with pytest.raises(NotFoundError, match=r"does not keep the version of redis_backup_\S+ any more"):
        put_back(settings, PutBackArguments(name=NAME))
    assert in_versions.read(NAME) == OTHER_DUMP, "nothing is deleted before its replacement is verified"
    delete(settings, DeleteArguments(name=NAME, now=True))
    assert catalogue.read(in_versions).problems == []


def test_a_version_that_is_not_what_was_written_is_not_put_back(
    s3: S3, in_versions: Remote, settings: Settings
) -> None:
    """The sha256 is held against what is remembered here, whatever the bucket says."""
    written = keep(in_versions)
    remember(in_versions, NAME, to_json(written.model_copy(update={"sha256": "0" * 64})))
    both_deleted(s3, in_versions)
    with pytest.raises(ArtifactError, match="is not what was written: its sha256 differs"):
        put_back(settings, PutBackArguments(name=NAME))
    assert s3.keys(in_versions) == []


def test_what_is_gone_for_good_is_let_go_by_the_admin_alone(s3: S3, in_versions: Remote, settings: Settings) -> None:
    keep(in_versions)
    both_deleted(s3, in_versions)
    with pytest.raises(RefusedError, match=f"`python -m worker delete --now {NAME}` lets it be gone"):
        delete(settings, DeleteArguments(name=NAME))
    with acting_for("token ci"), pytest.raises(RefusedError, match="No token may delete a backup past the trash"):
        delete(settings, DeleteArguments(name=NAME, now=True))
    assert len(catalogue.read(in_versions).problems) == 1
    assert delete(settings, DeleteArguments(name=NAME, now=True))["deleted"] == NAME
    assert catalogue.read(in_versions).problems == []


def test_a_prune_lets_go_what_would_have_gone_by_now_unless_it_was_pinned(
    s3: S3, in_versions: Remote, settings: Settings
) -> None:
    for day in range(1, 6):
        keep(in_versions, name_of(day))
    pin(settings, PinArguments(name=name_of(1), why="to be kept"))
    for day in (1, 2, 5):
        s3.delete(in_versions, name_of(day) + MANIFEST_SUFFIX)
        s3.delete(in_versions, name_of(day))
    few = settings.model_copy(update={"backup_keep": 3})
    assert prune(few, PruneArguments(dry_run=True), silent)["deleted"] == []
    assert [missed.name for missed in catalogue.read(in_versions).lost] == [name_of(1), name_of(2), name_of(5)]
    prune(few, PruneArguments(), silent)
    assert [missed.name for missed in catalogue.read(in_versions).lost] == [name_of(1), name_of(5)]
    assert listed(in_versions) == [name_of(4), name_of(3)]


@pytest.mark.slow
def test_a_locked_backup_is_kept_and_its_reason_says_until_when(
    s3: S3, in_versions: Remote, settings: Settings
) -> None:
    for day in range(1, 5):
        keep(in_versions, name_of(day))
    until = datetime.now(UTC) + timedelta(days=30)
    s3.lock(in_versions, name_of(1), until)
    s3.hold(in_versions, name_of(2) + MANIFEST_SUFFIX)
    told = prune(settings, PruneArguments(keep=1), silent)
    reasons = {entry["name"]: entry["reason"] for entry in told["kept"]}
    locked = f"kept until {until:%Y-%m-%d} by the bucket's lock"
    assert reasons[name_of(1)] == locked
    assert reasons[name_of(2)] == "kept by a legal hold of the bucket"
    assert [entry["name"] for entry in told["deleted"]] == [name_of(3)]
    assert listed(in_versions) == [name_of(4), name_of(2), name_of(1)]

    with pytest.raises(RefusedError, match=f"{name_of(1)} is {locked}, and cannot be deleted before that ends"):
        delete(settings, DeleteArguments(name=name_of(1), now=True))
    delete(settings, DeleteArguments(name=name_of(1)))
    catalogue.note(in_versions, name_of(1), deleted_at=datetime.now(UTC) - timedelta(days=9))
    told = prune(settings.model_copy(update={"backup_trash_days": 0}), PruneArguments(), silent)
    assert told["warnings"] == [f"{name_of(1)} lies in the trash, and is {locked}."]
    assert [trashed.name for trashed in catalogue.read(in_versions).trash] == [name_of(1)]


def test_a_copy_is_watched_as_well_and_one_that_was_deleted_is_made_again(
    s3: S3, in_versions: Remote, tmp_path: Path
) -> None:
    home = Folder(tmp_path / "home")
    home.put(NAME, DUMP)
    catalogue.add(home, manifest_of(NAME, DUMP).model_copy(update=COUNTS))
    settings = Settings(backup_storage=str(home), backup_copies=(in_versions.place,))
    copy(settings, CopyArguments(name=NAME), silent)
    assert listed(in_versions) == [NAME]
    both_deleted(s3, in_versions)
    assert [missed.how for missed in catalogue.read(in_versions).lost] == ["deleted"]
    copy(settings, CopyArguments(name=NAME), silent)
    assert catalogue.read(in_versions).problems == []
    both_replaced(s3, in_versions)
    assert [missed.how for missed in catalogue.read(in_versions).lost] == ["written over"]
    there = settings.model_copy(update={"backup_storage": in_versions.place})
    put_back(there, PutBackArguments(name=NAME))
    assert (listed(in_versions), in_versions.read(NAME)) == ([NAME], DUMP)


def test_a_bucket_without_versions_has_nothing_remembered(s3: S3, in_s3: Remote) -> None:
    keep(in_s3)
    both_deleted(s3, in_s3)
    assert records(in_s3) == {}
    contents = catalogue.read(in_s3)
    assert (contents.lost, [*contents.amiss]) == ([], [NAME])


def test_what_is_remembered_is_private_and_a_damaged_record_says_nothing(
    s3: S3, in_versions: Remote, tmp_path: Path
) -> None:
    keep(in_versions)
    (record,) = (tmp_path / "cache/versions").glob(f"*/{NAME}{SUFFIX}")
    assert [oct(path.stat().st_mode)[-3:] for path in (record, record.parent)] == ["600", "700"]
    both_deleted(s3, in_versions)
    assert (len(catalogue.read(in_versions).lost), catalogue.read(in_versions).amiss) == (1, {})
    record.write_bytes(record.read_bytes().replace(b"here:6379", b"gone:6379"))
    assert (catalogue.read(in_versions).lost, [*catalogue.read(in_versions).amiss]) == ([], [NAME])


@pytest.mark.slow
def test_a_shell_lists_it_and_puts_it_back(s3: S3, in_versions: Remote, tmp_path: Path) -> None:
    keep(in_versions)
    both_replaced(s3, in_versions)
    shell = Shell("redis://127.0.0.1:1", tmp_path / "unused", tmp_path, forked=False)
    there = {"BACKUP_STORAGE": in_versions.place, "BACKUP_CACHE": str(tmp_path / "cache")}
    shown = shell("list", preexec=None, **there)
    assert f"{NAME} was written over in {in_versions} by somebody else" in shown.out + shown.err
    assert [missed["name"] for missed in shell("list", "--json", preexec=None, **there).data["lost"]] == [NAME]
    done = shell("put-back", NAME, preexec=None, **there)
    assert (done.code, done.out) == (0, f"{NAME} is back among the backups\n"), done.err
    assert listed(in_versions) == [NAME]
