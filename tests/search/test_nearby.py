"""One key out of a large backup: its frames are read, over a network too, and the rest is not."""

import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.bucket import S3
from tests.support.given import laid, stored, string
from tests.support.obstacle import before
from worker.errors import ArtifactError, StorageError
from worker.formats import compression
from worker.formats.encryption import NONE
from worker.formats.entries import Entry
from worker.progress import silent
from worker.repository import artifact
from worker.repository.manifest import Manifest
from worker.search.indexing import nearby
from worker.search.places import Stored
from worker.storage import Storage, open_storage
from worker.storage.local import Folder
from worker.storage.remote import Remote

LARGE = 5 << 18
KEYS = (b"000", b"040", b"089")


@cache
def given() -> list[Entry]:
    """Two megabytes and a value of more than one that nothing makes smaller: four frames."""
    dice = random.Random(3)  # noqa: S311
    small = [Entry(0, b"%03d" % number, None, "string", string(dice.randbytes(25_000))) for number in range(90)]
    return [*small[:45], Entry(0, b"large", 2**41, "string", string(dice.randbytes(LARGE))), *small[45:]]


def payload(key: bytes) -> bytes | None:
    return next(entry.payload for entry in given() if entry.key == key)


def read(storage: Storage, manifest: Manifest, key: bytes) -> Entry | None:
    return Stored(storage, manifest, NONE).versions(key, [0], silent)[0].read()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of a quarter of their size, so that backups of four of them are soon made."""
    monkeypatch.setattr(compression, "FRAME_BYTES", 1 << 20)
    monkeypatch.setattr(nearby, "WHOLE_BYTES", 2 << 20)


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was fetched whole for one key."""
    fetched: list[str] = []

    def resumed(file: Any, manifest: Manifest, *more: Any, really: Any = artifact.resumed) -> Any:
        fetched.append(manifest.name)
        return really(file, manifest, *more)

    monkeypatch.setattr(artifact, "resumed", resumed)
    return fetched


def test_one_key_in_a_bucket_costs_its_frames(
    in_s3: Remote, s3: S3, whole: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = laid(in_s3, given())
    read(in_s3, manifest, KEYS[0])
    with before(s3.endpoint) as obstacle:
        monkeypatch.setenv("AWS_ENDPOINT_URL", obstacle.endpoint)
        far = open_storage(in_s3.place)
        for key, most in ((KEYS[0], 1.1), (KEYS[1], 2.2), (KEYS[2], 1.1)):
            obstacle.clear()
            found = read(far, manifest, key)
            assert found
            assert found.payload == payload(key)
            assert 25_000 < obstacle.sent < most * (1 << 20) < manifest.bytes.stored
    assert whole == []


def test_what_is_at_hand_is_not_fetched_again(in_s3: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = laid(in_s3, given())
    in_s3.fetch(manifest.name).close()
    monkeypatch.setattr(type(in_s3.bucket), "part", None)
    assert in_s3.part(manifest.name, 7, 5) == in_s3.part(manifest.name, 0, 12)[7:]
    assert in_s3.part(manifest.name, manifest.bytes.stored - 2, 10) == in_s3.part(manifest.name, 0, 1 << 30)[-2:]


def test_so_it_is_with_a_bucket_of_rclone(in_sftp: Remote) -> None:
    content = bytes(range(256)) * 4000
    in_sftp.put("a", content)
    for start, size in ((0, 10), (700_000, 70_000), (0, len(content)), (len(content) - 3, 10)):
        assert in_sftp.part("a", start, size) == content[start : start + size]


def test_a_value_that_goes_through_frames_comes_whole(whole: list[str], tmp_path: Path) -> None:
    manifest, storage = stored(tmp_path, given()), Folder(tmp_path)
    found = read(storage, manifest, b"large")
    assert found
    assert (found.payload, found.expires_at) == (payload(b"large"), 2**41)
    assert whole == []


def test_one_that_is_larger_than_the_frames_of_a_record_is_read_all_the_same(
    whole: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.search.indexing.index.FRAMES_BESIDE", 1)
    manifest = stored(tmp_path, given())
    found = read(Folder(tmp_path), manifest, b"large")
    assert found
    assert found.payload == payload(b"large")
    assert whole == [manifest.name]


@pytest.mark.parametrize(("changed", "other"), [(b"001", b"088"), (b"088", b"001")])
def test_what_has_changed_is_never_shown(changed: bytes, other: bytes, whole: list[str], tmp_path: Path) -> None:
    """Of another frame a search for one key does not notice it, as `verify` and every restore do."""
    manifest, storage = stored(tmp_path, given()), Folder(tmp_path)
    read(storage, manifest, changed)
    path = tmp_path / manifest.name
    content = bytearray(path.read_bytes())
    content[content.index((payload(changed) or b"")[-12_000:-11_900])] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError):
        read(storage, manifest, changed)
    assert whole == [manifest.name]
    found = read(storage, manifest, other)
    assert found
    assert found.payload == payload(other)
    assert whole == [manifest.name]


def test_where_a_place_gives_files_only_whole_they_are_fetched(
    whole: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = stored(tmp_path, given())

    def part(*_: Any) -> bytes:
        raise StorageError("It knows no ranges.")

    monkeypatch.setattr(Folder, "part", part)
    assert read(Folder(tmp_path), manifest, KEYS[1])
    assert whole == [manifest.name]


def test_a_small_one_is_fetched_whole(whole: list[str], tmp_path: Path) -> None:
    manifest = stored(tmp_path, given()[:40])
    assert manifest.bytes.stored < nearby.WHOLE_BYTES
    assert read(Folder(tmp_path), manifest, KEYS[0])
    assert whole == [manifest.name]
