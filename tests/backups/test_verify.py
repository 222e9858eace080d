"""A backup is looked at: it passes, or what is wrong with it is named."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.backups.given import DUMP, ENTRIES, NAME, checked, flip, squeezed, stored
from tests.support.backups import ANYWHERE, files, fill_all, settings_for, take
from tests.support.servers import Server
from worker.config.settings import Settings
from worker.errors import ArtifactError, BackupSystemError, NotFoundError
from worker.repository import catalogue
from worker.repository.manifest import Size
from worker.storage.local import Folder


@pytest.mark.parametrize("engine", ["replication", "scan", "typed"])
def test_a_good_backup_passes_and_the_time_is_noted(engine: str, source: Server, storage: Path) -> None:
    settings = settings_for(fill_all(source), storage)
    manifest = take(source, storage, engine=engine, format="json" if engine == "typed" else "rdb")
    assert manifest["verified_at"] is None
    report = checked(settings, "latest")
    assert (report["name"], report["keys"], report["sha256"]) == (
        manifest["name"],
        manifest["keys"],
        manifest["sha256"],
    )
    assert catalogue.get(Folder(storage), "latest", ANYWHERE).verified_at is not None
    assert len(files(storage)) == 3


def overwrite(content: bytes) -> Callable[[Path], object]:
    return lambda artifact: artifact.write_bytes(content)


DAMAGED: dict[str, tuple[Callable[[Path], object], type[BackupSystemError], str]] = {
    "missing": (os.unlink, NotFoundError, "."),
    "empty": (overwrite(b""), ArtifactError, "cut short"),
    "short": (overwrite(DUMP[:-1]), ArtifactError, "cut short"),
    "changed": (flip, ArtifactError, "has changed"),
    "extra": (overwrite(DUMP + b"\x00"), ArtifactError, "longer than it was"),
}


@pytest.mark.parametrize(("damage", "error", "words"), DAMAGED.values(), ids=DAMAGED)
def test_what_is_wrong_with_the_bytes_is_named(
    damage: Callable[[Path], object], error: type[BackupSystemError], words: str, settings: Settings, storage: Path
) -> None:
    stored(storage, DUMP)
    assert checked(settings)["keys"] == len(ENTRIES)
    before = catalogue.get(Folder(storage), NAME, ANYWHERE)
    damage(storage / NAME)
    with pytest.raises(error, match=words) as caught:
        checked(settings)
    assert NAME in str(caught.value)
    assert catalogue.get(Folder(storage), NAME, ANYWHERE) == before


FOREIGN: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "another kind of file": (b"\x89PNG\r\n\x1a\n" + bytes(200), {}, "no RDB file"),
    "cut before it was described": (DUMP[:-30], {}, "cut short"),
    "followed by more": (DUMP + b"more", {}, "4 bytes follow its end"),
    "of another compression": (DUMP, {"compression": "zstd"}, "damaged"),
    "compressed and not said": (squeezed("gzip", DUMP), {}, "no RDB file"),
    "cut and compressed": (
        squeezed("zstd", DUMP)[:-5],
        {"compression": "zstd", "bytes": Size(raw=9999, stored=0)},
        "cut short",
    ),
    "of another number of keys": (DUMP, {"keys": 21, "keys_by_db": {0: {"string": 21}}}, "holds 20 keys where"),
    "of keys of another type": (DUMP, {"keys_by_db": {0: {"list": 20}}}, "not its own"),
    "of keys in another database": (DUMP, {"keys_by_db": {1: {"string": 20}}}, "not its own"),
    "said to be json": (DUMP, {"data_format": "json"}, "JSON"),
}


@pytest.mark.parametrize(("content", "changes", "words"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_not_what_its_manifest_says_is_named(
    content: bytes, changes: dict[str, Any], words: str, settings: Settings, storage: Path
) -> None:
    if "bytes" in changes:
        changes = {**changes, "bytes": Size(raw=changes["bytes"].raw, stored=len(content))}
    stored(storage, content, **changes)
    with pytest.raises(ArtifactError, match=words):
        checked(settings)
    assert catalogue.get(Folder(storage), NAME, ANYWHERE).verified_at is None


def test_a_dump_larger_than_its_manifest_says_is_not_read_to_its_end(settings: Settings, storage: Path) -> None:
    content = squeezed("zstd", bytes(50 << 20))
    stored(storage, content, compression="zstd")
    with pytest.raises(ArtifactError):
        checked(settings)
