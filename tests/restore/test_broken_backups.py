"""A backup that is broken, or not there, is refused before anything is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import ANYWHERE, Given, bring_back, manifest_of, rewrite
from tests.support.payloads import string
from tests.support.servers import Server
from tests.support.states import assert_same, state
from worker.errors import ArtifactError, BackupSystemError, FormatError, NotFoundError, RefusedError
from worker.formats.entries import Entry
from worker.formats.rdb.writer import write
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.repository.notes import NOTES_SUFFIX
from worker.storage.local import Folder


def artifacts(storage: Path) -> list[Path]:
    return sorted(path for path in storage.iterdir() if not path.name.endswith((MANIFEST_SUFFIX, NOTES_SUFFIX)))


def empty(storage: Path) -> None:
    artifacts(storage)[1].write_bytes(b"")


def cut(storage: Path) -> None:
    path = artifacts(storage)[1]
    path.write_bytes(path.read_bytes()[:-1])


def flip(storage: Path) -> None:
    path = artifacts(storage)[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def prolong(storage: Path) -> None:
    with artifacts(storage)[1].open("ab") as file:
        file.write(b"\x00")


def swap(storage: Path) -> None:
    one, other = artifacts(storage)
    first, second = one.read_bytes(), other.read_bytes()
    # Of the same length, so that only the contents differ.
    size = min(len(first), len(second))
    manifest = catalogue.get(Folder(storage), other.name, ANYWHERE)
    other.write_bytes((first + bytes(len(second)))[: manifest.bytes.stored])
    one.write_bytes(second[:size])


def remove(storage: Path) -> None:
    artifacts(storage)[1].unlink()


def link(storage: Path) -> None:
    path = artifacts(storage)[1]
    path.rename(storage.parent / "elsewhere")
    path.symlink_to(storage.parent / "elsewhere")


def spoof(**changes: Any) -> Callable[[Path], None]:
    def change(storage: Path) -> None:
        name = artifacts(storage)[1].name
        manifest = catalogue.get(Folder(storage), name, ANYWHERE)
        rewrite(Folder(storage), manifest.model_copy(update=changes))

    return change


def garble(storage: Path) -> None:
    (storage / (artifacts(storage)[1].name + MANIFEST_SUFFIX)).write_bytes(b"{}")


def of_another(storage: Path) -> None:
    one, other = (storage / (path.name + MANIFEST_SUFFIX) for path in artifacts(storage))
    other.write_bytes(one.read_bytes())


def foreign(storage: Path) -> None:
    """Another file, with a manifest that knows its size and sha256."""
    name, content = artifacts(storage)[1].name, b"\x89PNG\r\n\x1a\n" + bytes(1000)
    (storage / name).write_bytes(content)
    spoof(
        **manifest_of(name, content).model_dump(include={"sha256", "compression"}),
        bytes=manifest_of(name, content).bytes,
    )(storage)


BROKEN: dict[str, tuple[Callable[[Path], None], type[BackupSystemError], str]] = {
    "empty": (empty, ArtifactError, "cut short"),
    "cut": (cut, ArtifactError, "cut short"),
    "flipped": (flip, ArtifactError, "has changed"),
    "prolonged": (prolong, ArtifactError, "longer than it was"),
    "swapped": (swap, ArtifactError, "has changed"),
    "missing": (remove, NotFoundError, "There is no"),
    "a link": (link, BackupSystemError, "."),
    "foreign": (foreign, FormatError, "no RDB file"),
    "manifest garbled": (garble, ArtifactError, "damaged"),
    "manifest of another": (of_another, ArtifactError, "another backup"),
    "sha256 spoofed": (spoof(sha256="0" * 64), ArtifactError, "has changed"),
    "compression spoofed": (spoof(compression="none"), ArtifactError, "."),
    "format spoofed": (spoof(data_format="json"), ArtifactError, "."),
    "unknown databases": (spoof(keys_by_db={99: {"string": 300}}), RefusedError, "no database 99"),
    "keys unknown": (
        spoof(keys=None, warnings=["It has a type 200."]),
        RefusedError,
        "redis-server of the source's version",
    ),
}


@pytest.mark.parametrize(("broken", "error", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_before_anything_is_written(
    broken: Callable[[Path], None], error: type[BackupSystemError], words: str, live: Server, tmp_path: Path
) -> None:
    storage = tmp_path / "backups"
    name = artifacts(storage)[1].name
    broken(storage)
    before = state(live)
    with pytest.raises(error, match=words) as caught:
        bring_back(live, storage, name, mode="overwrite")
    assert_same(live, before)
    assert str(caught.value).endswith(".")


def test_a_number_of_stored_bytes_that_was_spoofed_is_refused(live: Server, tmp_path: Path) -> None:
    storage = tmp_path / "backups"
    name = artifacts(storage)[1].name
    size = catalogue.get(Folder(storage), name, ANYWHERE).bytes
    for wrong in (size.stored - 1, size.stored + 1, 0):
        spoof(bytes=size.model_copy(update={"stored": wrong}))(storage)
        before = state(live)
        with pytest.raises(ArtifactError):
            bring_back(live, storage, name, mode="overwrite")
        assert_same(live, before)


@pytest.mark.parametrize("name", ["redis_backup_20010101_000000.rdb", "../../etc/passwd", "nonsense"])
def test_a_name_that_is_not_there_is_not_found(name: str, live: Server, tmp_path: Path) -> None:
    before = state(live)
    with pytest.raises(NotFoundError, match="There is no backup"):
        bring_back(live, tmp_path / "backups", name)
    with pytest.raises(NotFoundError):
        bring_back(live, tmp_path / "none")
    assert_same(live, before)


def test_damage_that_a_manifest_vouches_for_is_found_before_an_empty_target_is_written(
    target: Server, tmp_path: Path
) -> None:
    storage = Folder(tmp_path / "backups")
    entries = [Entry(0, b"key:%d" % number, None, "string", b"\x00" + string(bytes(50))) for number in range(20_000)]
    content = bytearray(b"".join(write(Given(entries, rdb_version=9), {})))
    content[-300_000] ^= 1
    storage.put("redis_backup_20231205_143022.rdb", bytes(content))
    catalogue.add(storage, manifest_of("redis_backup_20231205_143022.rdb", bytes(content)))
    with pytest.raises(FormatError, match="its checksum does not match"):
        bring_back(target, storage.path, mode="overwrite")
    assert target.client().dbsize() == 0
