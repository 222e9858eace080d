"""Golden files: what retention says of whole histories, word by word."""

from pathlib import Path

import pytest

from tests.support import golden

FILES = sorted(golden.FOLDER.glob("*.txt"))


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 40


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_backup_is_kept_or_given_up_for_the_reason_that_is_written_there(file: Path) -> None:
    assert golden.read(file).text() == file.read_text()
