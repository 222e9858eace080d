"""How far a file has come on its way to a bucket and back is told in bytes, and it is stopped there without a trace."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.storage.folders import NAME
from tests.support.backups import settings_for
from tests.support.bucket import S3
from tests.support.servers import Binary
from worker.arguments.backups import BackupArguments, VerifyArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.backups.backup import backup
from worker.backups.export import export
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.errors import CancelledError
from worker.progress import Progress
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.storage.cache import Cache
from worker.storage.remote import Remote

MANY = 20 << 20
"""Bytes: they go in three parts."""


class Heard:
    """A Progress that remembers what it was told, and raises CancelledError when `end` has come in that phase."""

    def __init__(self, phase: str = "", end: int = 0) -> None:
        self.told: list[tuple[str, int, int | None, str]] = []
        self._phase, self._end = phase, end

    def __call__(self, phase: str, current: int, total: int | None, unit: str) -> None:
        self.told.append((phase, current, total, unit))
        if phase == self._phase and current >= self._end:
            raise CancelledError("Cancelled.")

    def of(self, phase: str) -> list[tuple[int, int | None, str]]:
        return [(current, total, unit) for said, current, total, unit in self.told if said == phase]


def write(storage: Remote, content: bytes, progress: Progress) -> None:
    with storage.draft([NAME]) as draft:
        draft.write(content)
        draft.publish(progress=progress)


def test_an_upload_tells_of_its_bytes_up_to_the_last(in_s3: Remote) -> None:
    heard = Heard()
    write(in_s3, bytes(MANY), heard)
    told = heard.of("uploading")
    assert told == sorted(told)
    assert (told[-1], {(total, unit) for _, total, unit in told}) == ((MANY, MANY, "bytes"), {(MANY, "bytes")})


def test_an_upload_that_is_cancelled_on_its_way_leaves_nothing_and_no_parts(in_s3: Remote, s3: S3) -> None:
    with pytest.raises(CancelledError):
        write(in_s3, bytes(MANY), Heard("uploading", 16 << 20))
    assert (s3.keys(in_s3), s3.began(in_s3)) == ([], [])


def test_a_fetch_tells_of_its_bytes_and_what_is_at_hand_tells_of_none(in_s3: Remote, s3: S3) -> None:
    content = os.urandom(1 << 20)
    s3.put(in_s3, NAME, content)
    heard, again, anew = Heard(), Heard(), Heard()
    in_s3.fetch(NAME, heard).close()
    told = heard.of("fetching")
    assert told == sorted(told)
    assert (told[-1], len(told) > 1) == ((1 << 20, 1 << 20, "bytes"), True)
    in_s3.fetch(NAME, again).close()
    assert again.told == []
    in_s3.fetch(NAME, anew, anew=True).close()
    assert anew.of("fetching")[-1] == told[-1]


def test_a_fetch_that_is_cancelled_on_its_way_leaves_it_to_the_next_one(in_s3: Remote, s3: S3) -> None:
    content = os.urandom(1 << 20)
    s3.put(in_s3, NAME, content)
    with pytest.raises(CancelledError):
        in_s3.fetch(NAME, Heard("fetching", 1 << 19))
    assert [path.name for path in in_s3.cache.folder.iterdir() if not path.name.endswith(".lock")] == []
    with in_s3.fetch(NAME) as file:
        assert file.read() == content


def test_who_waits_for_the_fetch_of_another_is_told_how_far_that_is_and_may_leave(tmp_path: Path) -> None:
    cache, begun, go_on, heard = Cache(tmp_path, 100), threading.Event(), threading.Event(), []

    def slowly(file: Any) -> None:
        file.write(b"half")
        file.flush()
        begun.set()
        assert go_on.wait(60)

    def leave(there: int) -> None:
        heard.append(there)
        if there:
            raise CancelledError("Cancelled.")

    other = threading.Thread(target=lambda: cache.fetch("a", 4, slowly).close())
    other.start()
    assert begun.wait(60)
    with pytest.raises(CancelledError):
        cache.fetch("a", 4, slowly, leave)
    go_on.set()
    other.join(60)
    assert heard[-1] == 4


@pytest.fixture
def settings(newest: Binary, start_server: StartServer, in_s3: Remote) -> Settings:
    source = start_server(newest)
    source.client().mset({f"key:{number}": "value" for number in range(100)})
    return settings_for(source, Path("unused")).model_copy(update={"backup_storage": in_s3.place})


def test_each_verb_tells_of_what_it_fetches_and_uploads(settings: Settings, in_s3: Remote, tmp_path: Path) -> None:
    heard = Heard()
    name = backup(settings, BackupArguments(), heard)["name"]
    (held,) = [file.size for file in in_s3.files() if file.name == name]
    assert {total for _, total, _ in heard.of("uploading")} == {held}
    assert heard.of("uploading")[-1] == (held, held, "bytes")
    verbs: list[Callable[[Progress], Any]] = [
        lambda progress: verify(settings, VerifyArguments(name=name), progress),
        lambda progress: preview(settings, PreviewArguments(name=name), progress),
        lambda progress: restore(settings, RestoreArguments(name=name), progress),
        lambda progress: export(settings, name, tmp_path / "out.json", progress),
    ]
    for verb in verbs:
        for kept in (path for path in in_s3.cache.folder.iterdir() if path.is_file()):
            kept.unlink()
        heard = Heard()
        verb(heard)
        assert (held, held, "bytes") in heard.of("fetching")
        (tmp_path / "out.json").unlink(missing_ok=True)


def test_a_backup_that_is_cancelled_while_it_is_uploaded_leaves_nothing(
    settings: Settings, in_s3: Remote, s3: S3
) -> None:
    with pytest.raises(CancelledError):
        backup(settings, BackupArguments(), Heard("uploading"))
    assert s3.keys(in_s3) == []
