"""Files of somebody's own, outside the storage: an export, for one."""

import os
from pathlib import Path

import pytest

from worker.errors import StorageError
from worker.storage import write_new


def test_it_is_whole_and_never_in_the_place_of_another(tmp_path: Path) -> None:
    own = tmp_path / "dump.rdb"
    write_new(own, iter([b"all ", b"of it"]))
    with pytest.raises(StorageError, match="No free name"):
        write_new(own, iter([b"something else"]))
    assert own.read_bytes() == b"all of it"
    assert os.listdir(tmp_path) == ["dump.rdb"]
