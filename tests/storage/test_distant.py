"""A file that is elsewhere, read from wherever whoever hands it out begins."""

import io
import os

import pytest

from worker.storage import Distant, Stream

CONTENT = b"0123456789"


class Elsewhere:
    """Where it lies, and from where it was asked for."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.sources: list[io.BytesIO] = []

    def begin(self, offset: int) -> Stream:
        self.begun.append(offset)
        self.sources.append(io.BytesIO(CONTENT[offset:]))
        return Stream(self.sources[-1])


@pytest.mark.parametrize(
    ("offset", "whence", "at"),
    [(0, os.SEEK_SET, 0), (4, os.SEEK_SET, 4), (0, os.SEEK_END, 10), (-3, os.SEEK_END, 7)],
)
def test_it_is_asked_for_once_from_where_it_is_to_begin(offset: int, whence: int, at: int) -> None:
    elsewhere = Elsewhere()
    file = Distant(elsewhere.begin, len(CONTENT))
    assert file.seekable()
    assert file.seek(offset, whence) == at
    assert (file.tell(), elsewhere.begun) == (at, []), "nobody has asked for a byte yet"
    assert b"".join(file) == CONTENT[at:]
    assert (file.tell(), elsewhere.begun) == (len(CONTENT), [at])


def test_what_was_begun_is_let_go_and_what_was_not_needs_nothing() -> None:
    elsewhere = Elsewhere()
    file = Distant(elsewhere.begin, len(CONTENT))
    file.close()
    assert elsewhere.begun == []
    next(file)
    file.close()
    assert elsewhere.sources[0].closed
