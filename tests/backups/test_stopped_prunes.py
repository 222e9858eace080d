"""A prune that ends early tells what it deleted by then, to whoever asked for it and in its run."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import manifest_of
from tests.support.processes import PYTHON, Background, environment
from tests.support.servers import Binary
from worker.arguments.backups import PruneArguments
from worker.backups.prune import prune
from worker.config.settings import Settings
from worker.errors import BackupSystemError, LostError, StoppedError
from worker.repository import catalogue
from worker.repository.manifest import artifact_name
from worker.runs.store import open_runs
from worker.storage.local import Folder

BACKUPS, KEPT = 6, 1


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    """Backups in the storage, the oldest first."""
    storage, now = Folder(tmp_path), datetime.now(UTC)
    made = [artifact_name(now - timedelta(days=age), "rdb", "") for age in range(BACKUPS, 0, -1)]
    for age, name in zip(range(BACKUPS, 0, -1), made, strict=True):
        storage.put(name, b"content")
        catalogue.add(storage, manifest_of(name, b"content", created_at=now - timedelta(days=age)))
    return made


def left(folder: Path) -> list[str]:
    return sorted(one.name for one in catalogue.read(Folder(folder)).backups)


@dataclass
class EndsAt:
    """A Progress by which a prune ends before it deletes the backup of that number."""

    number: int
    error: BackupSystemError
    phases: list[str] = field(default_factory=list)

    def __call__(self, phase: str, current: int, total: int | None, unit: str) -> None:
        if (phase, current) == ("deleting", self.number):
            assert (total, unit) == (BACKUPS - KEPT, "backups")
            raise self.error


@pytest.mark.parametrize("error", [StoppedError("Stopped."), LostError("It stood still.")], ids=["stopped", "lost"])
@pytest.mark.parametrize("number", [0, 2])
def test_what_was_deleted_is_told(number: int, error: BackupSystemError, names: list[str], tmp_path: Path) -> None:
    settings = Settings(backup_storage=str(tmp_path), backup_keep_manual=KEPT)
    with pytest.raises(type(error)) as caught:
        prune(settings, PruneArguments(keep=KEPT), EndsAt(number, error))
    gone = sorted(set(names) - set(left(tmp_path)))
    assert len(gone) == number
    assert str(caught.value) == f"{error} Until then {number} of 5 backups were deleted; prune again for the others."
    report = caught.value.report
    assert report is not None
    assert (sorted(one["name"] for one in report["deleted"]), report["cut_short"]) == (gone, True)
    assert report["freed_bytes"] == number * len(b"content")


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "words"])
def test_a_shell_that_is_stopped_tells_it_and_so_does_its_run(
    as_json: bool,
    strace: Callable[..., tuple[str, ...]],
    names: list[str],
    newest: Binary,
    start_server: StartServer,
    tmp_path: Path,
) -> None:
    broker = start_server(newest).url
    env = environment(BACKUP_STORAGE=str(tmp_path), CELERY_BROKER_URL=broker, REDIS_URL=broker)
    # It is asked to stop while it deletes the file of the first.
    stop = strace("unlink:signal=SIGTERM:when=1")
    given = ("prune", "--keep", str(KEPT), *["--json"] * as_json)
    ended = Background(*stop, *PYTHON, *given, env=env, cwd=tmp_path, name="verb")
    code = ended.process.wait(60)
    out, err = (tmp_path / "verb.out").read_text(), (tmp_path / "verb.err").read_text()
    gone = sorted(set(names) - set(left(tmp_path)))
    assert (code, 0 < len(gone) < BACKUPS - KEPT) == (1, True), (out, err)
    assert f"Stopped. Until then {len(gone)} of 5 backups were deleted; prune again for the others." in err
    if as_json:
        assert sorted(one["name"] for one in json.loads(out)["deleted"]) == gone
    else:
        assert all(f"deleted: {name}" in out for name in gone)
        assert f"Not to its end: 1 backups kept, {len(gone)} deleted" in out
    with open_runs(Settings(celery_broker_url=broker, backup_storage=str(tmp_path))) as runs:
        run = next(runs.each("prune"))
    assert (run.state, run.value["cut_short"]) == ("INTERRUPTED", True)
    assert sorted(one["name"] for one in run.value["deleted"]) == gone
