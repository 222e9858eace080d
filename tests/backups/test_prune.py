"""Pruning beside backups of the future and damaged ones, and what it would do."""

from pathlib import Path

import pytest

from tests.backups.given import DUMP, NAME, flip, stored
from tests.support.backups import eventually, files, manifest_of
from worker.arguments.backups import PruneArguments
from worker.backups.prune import prune
from worker.config.settings import Settings
from worker.errors import ArtifactError
from worker.progress import silent
from worker.repository import catalogue
from worker.storage.local import Folder


def test_a_backup_in_the_future_is_kept_and_pushes_out_nothing(settings: Settings, storage: Path) -> None:
    for name in (NAME, "redis_backup_20231204_143022.rdb", "redis_backup_20991231_235959.rdb"):
        Folder(storage).put(name, DUMP)
        catalogue.add(Folder(storage), manifest_of(name, DUMP))
    told = prune(settings, PruneArguments(keep=1), silent)
    assert [one["name"] for one in told["deleted"]] == ["redis_backup_20231204_143022.rdb"]
    assert [one["name"] for one in told["kept"]] == ["redis_backup_20991231_235959.rdb", NAME]
    assert "redis_backup_20991231_235959.rdb is dated in the future" in told["warnings"][0]


def test_prune_deletes_nothing_while_the_newest_backup_is_damaged(settings: Settings, storage: Path) -> None:
    stored(storage, DUMP)
    newer = "redis_backup_20231206_143022.rdb"
    Folder(storage).put(newer, DUMP)
    catalogue.add(Folder(storage), manifest_of(newer, DUMP, keys=20))
    flip(storage / newer)
    before = files(storage)
    with pytest.raises(ArtifactError, match=newer):
        prune(settings, PruneArguments(keep=1), silent)
    assert files(storage) == before


def test_a_dry_run_says_what_the_real_one_does(settings: Settings, storage: Path) -> None:
    for day in range(1, 6):
        name = f"redis_backup_2023120{day}_143022.rdb"
        Folder(storage).put(name, DUMP)
        catalogue.add(Folder(storage), manifest_of(name, DUMP))
    before = files(storage)
    dry = prune(settings, PruneArguments(keep=2, dry_run=True), silent)
    assert files(storage) == before
    real = prune(settings, PruneArguments(keep=2), silent)
    assert {**dry, "dry_run": False} == real
    assert len(real["deleted"]) == 3
    assert real["freed_bytes"] == 3 * len(DUMP)
    assert eventually(lambda: len(files(storage)) == 4)
