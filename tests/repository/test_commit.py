"""How a backup comes to be: whoever cannot prove that nobody else is at work shows nothing, nor half of it."""

from pathlib import Path

import pytest

from tests.support.backups import files, manifest_of
from worker.errors import LostError
from worker.repository import catalogue
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"


@pytest.mark.parametrize("proofs", [0, 1], ids=["before the artifact", "before the manifest"])
def test_a_backup_whose_run_has_lost_its_lock_is_not_committed(proofs: int, tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def prove() -> None:
        asked.append(files(tmp_path))
        if len(asked) > proofs:
            raise LostError("Somebody else may be at work.")

    def make(folder: Folder) -> None:
        with folder.draft([NAME]) as draft:
            draft.write(b"content")
            catalogue.commit(folder, draft, manifest_of(NAME, b"content"), "backup_created", prove)

    with pytest.raises(LostError):
        make(Folder(tmp_path))
    assert len(asked) == proofs + 1
    assert NAME not in asked[0], "it is asked before anything is shown"
    assert files(tmp_path) == []
