"""Copies are rehearsed from where they lie, anew from there, and it is noted with that copy."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.restore.drill.conftest import drilled, drilling
from tests.support.backups import take
from tests.support.bucket import S3
from tests.support.servers import Binary, Server
from worker.arguments.backups import CopyArguments
from worker.backups.copies.copy import copy
from worker.errors import ArtifactError
from worker.progress import silent
from worker.repository import catalogue
from worker.storage import Storage, open_storage
from worker.storage.local import Folder
from worker.storage.remote import Remote


@pytest.fixture
def small(newest: Binary, start_server: StartServer) -> Server:
    source = start_server(newest)
    source.client().mset({f"key:{number}": f"value {number}" for number in range(50)})
    return source


def test_a_copy_in_a_folder(small: Server, tmp_path: Path) -> None:
    home, there = tmp_path / "home", tmp_path / "there"
    there.mkdir()
    settings = drilling(small, home, backup_copies=str(there))
    name = take(small, home)["name"]
    copy(settings, CopyArguments(name=name), silent)
    assert drilled(settings, name, storage=str(there))["rehearsed"]
    manifest = catalogue.get(Folder(home), name)
    assert manifest.rehearsed is None
    known = manifest.copies[str(there)].rehearsed
    assert known is not None
    assert (known.is_good, known.storage) == (True, str(there))
    # Home is not asked for what is rehearsed elsewhere.
    (there / name).write_bytes(b"something else")
    with pytest.raises(ArtifactError):
        drilled(settings, name, storage=str(there))
    failed = catalogue.get(Folder(home), name).copies[str(there)].rehearsed
    assert failed is not None
    assert failed.has_failed


def test_what_home_has_given_up_is_noted_beside_the_copy(small: Server, tmp_path: Path) -> None:
    home, there = tmp_path / "home", tmp_path / "there"
    there.mkdir()
    settings = drilling(small, home, backup_copies=str(there))
    name = take(small, home)["name"]
    copy(settings, CopyArguments(name=name), silent)
    catalogue.remove(Folder(home), name)
    assert drilled(settings, name)["where"] == str(there)
    assert catalogue.get(Folder(there), name).rehearsed is not None


def test_the_buckets_copy_is_fetched_anew(small: Server, tmp_path: Path, s3: S3, in_s3: Remote) -> None:
    home = tmp_path / "home"
    address = str(in_s3)
    settings = drilling(small, home, backup_copies=address, backup_cache=str(tmp_path / "cache"))
    name = take(small, home)["name"]
    copy(settings, CopyArguments(name=name), silent)
    there: Storage = open_storage(address)
    assert drilled(settings, name, storage=address)["rehearsed"]
    content = bytearray((home / name).read_bytes())
    content[-1] ^= 1
    s3.put(in_s3, name, bytes(content))
    with pytest.raises(ArtifactError):
        drilled(settings, name, storage=address)
    known = catalogue.get(Folder(home), name).copies[there.place].rehearsed
    assert known is not None
    assert known.has_failed
