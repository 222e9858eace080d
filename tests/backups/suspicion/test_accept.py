"""Somebody says that a suspicious backup is as it should be; and what is known of it elsewhere."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import dated
from tests.support.dashboard import Web
from worker.arguments.backups import AcceptArguments, CopyArguments, PruneArguments
from worker.backups.copies.copy import copy
from worker.backups.prune import prune
from worker.backups.suspicion.accept import accept
from worker.config.settings import Settings
from worker.errors import NotFoundError, RefusedError
from worker.progress import silent
from worker.repository import behalf, catalogue
from worker.repository.manifest import Manifest
from worker.repository.trash import refuse_last
from worker.storage.local import Folder

FELL = ("It is empty, and the good one before it held 9 keys.",)


def listed(folder: Path) -> dict[str, Manifest]:
    return {backup.name: backup for backup in catalogue.read(Folder(folder)).listed}


def test_all_of_one_fall_are_accepted_together_and_nothing_else(settings: Settings, storage: Path) -> None:
    names = {hours: dated(settings, hours) for hours in (1, 2, 3, 4, 5)}
    for hours in (1, 2, 4):
        catalogue.note(Folder(storage), names[hours], suspicious=FELL)
    assert accept(settings, AcceptArguments(name=names[2])) == {
        "accepted": names[2],
        "was_suspicious": True,
        "why": [*FELL],
        "also": [names[1]],
    }
    doubted = {name for name, backup in listed(storage).items() if backup.suspicious}
    assert doubted == {names[4]}
    assert accept(settings, AcceptArguments(name=names[1]))["was_suspicious"] is False


@pytest.mark.parametrize("name", ["latest", "redis_backup_20010101_000000.rdb"])
def test_it_is_named_in_full_and_is_there(name: str, settings: Settings) -> None:
    with pytest.raises(NotFoundError):
        accept(settings, AcceptArguments(name=name))


def test_what_a_token_accepts_does_not_take_what_was_there_before(settings: Settings, storage: Path) -> None:
    good, fallen = dated(settings, 2, keys=1000), dated(settings, 1, keys=1)
    assert prune(settings, PruneArguments(keep=1), silent)["deleted"] == []
    assert listed(storage)[fallen].suspicious
    with behalf.acting_for("token ci"):
        accept(settings, AcceptArguments(name=fallen))
    assert prune(settings, PruneArguments(keep=1), silent)["deleted"] == []
    catalogue.note(Folder(storage), fallen, accepted_at=datetime.now(UTC), accepted_by="admin")
    assert [entry["name"] for entry in prune(settings, PruneArguments(keep=1), silent)["deleted"]] == [good]


def test_other_storages_hold_their_breath_as_well(tmp_path: Path) -> None:
    there, home = tmp_path / "there", tmp_path / "home"
    settings = Settings(backup_storage=str(home), backup_copies=(str(there),), backup_keep=1, backup_local_keep=1)
    there.mkdir()
    names = [dated(settings, hours, keys=1000) for hours in (4, 3)]
    for name in names:
        copy(settings, CopyArguments(name=name), silent)
    fallen = dated(settings, 1, keys=3)
    told = prune(settings, PruneArguments(), silent)
    assert told["deleted"] == []
    assert any("accept" in warning for warning in told["warnings"])
    # The newest, which tells of it, does not lie there yet.
    assert [*listed(there)] == names[::-1]
    copy(settings, CopyArguments(name=fallen), silent)
    prune(settings, PruneArguments(), silent)
    assert listed(there)[fallen].suspicious
    accept(settings, AcceptArguments(name=fallen))
    prune(settings, PruneArguments(), silent)
    assert [*listed(home)] == [fallen]
    prune(settings, PruneArguments(), silent)
    assert listed(there)[fallen].accepted_at is not None


def test_a_token_needs_the_scope_of_whoever_may_write_into_a_server(web_app: Web) -> None:
    name = dated(web_app.settings, 1)
    script, lesser = web_app.with_token("restore", name="ops"), web_app.with_token("read", "backup", "delete")
    assert lesser.post(f"/api/backups/{name}/accept").status_code == 403
    assert script.post("/api/backups/latest/accept").status_code == 400
    assert script.post("/api/backups/redis_backup_20010101_000000.rdb/accept").status_code == 404
    assert script.post(f"/api/backups/{name}/accept").status_code == 202


def test_a_suspicious_backup_is_no_reason_for_a_token_to_delete_the_last_good_one(
    settings: Settings, storage: Path
) -> None:
    good, fallen = dated(settings, 2, keys=1000), dated(settings, 1, keys=1)
    catalogue.note(Folder(storage), fallen, suspicious=FELL)
    with pytest.raises(RefusedError, match="is the last good backup"):
        refuse_last([*listed(storage).values()], good, "token ci")
    refuse_last([*listed(storage).values()], fallen, "token ci")
    refuse_last([*listed(storage).values()], good, "admin")


def test_a_dry_run_with_other_numbers_says_what_the_real_one_does(settings: Settings, storage: Path) -> None:
    for hours in range(1, 200, 7):
        dated(settings, hours)
    asked: dict[str, Any] = {"keep": 2, "keep_daily": 4, "keep_weekly": 2, "keep_hours": 20, "keep_bytes": 70}
    dry = prune(settings, PruneArguments(**asked, dry_run=True), silent)
    assert len(listed(storage)) == 29
    real = prune(settings, PruneArguments(**asked), silent)
    assert {**dry, "dry_run": False} == real
    assert len(listed(storage)) == real["kept_total"] == 29 - len(real["deleted"])
    assert prune(settings, PruneArguments(**asked), silent)["deleted"] == []
