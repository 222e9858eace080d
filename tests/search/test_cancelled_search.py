"""A search that somebody cancels is cancelled: it is no place that cannot be read."""

from pathlib import Path

import pytest

from tests.support.given import stored, string
from worker.arguments.questions import SearchArguments
from worker.config.settings import Settings
from worker.errors import CancelledError
from worker.formats.entries import Entry
from worker.search.search import search

GIVEN = [Entry(0, b"user:%d" % number, None, "string", string(b"x")) for number in range(20)]


@pytest.mark.parametrize(
    "asked",
    [SearchArguments(key="user:7", live=False), SearchArguments(match="user:*", live=False)],
    ids=["one key", "a pattern"],
)
@pytest.mark.parametrize("calls", [0, 1])
def test_it_ends_wherever_it_is_told_to(asked: SearchArguments, calls: int, tmp_path: Path) -> None:
    stored(tmp_path, GIVEN)
    heard: list[str] = []

    def progress(phase: str, current: int, total: int | None, unit: str) -> None:
        heard.append(phase)
        if len(heard) > calls:
            raise CancelledError("Cancelled by admin.")

    settings = Settings(redis_url="redis://127.0.0.1:1/0", backup_storage=str(tmp_path))
    with pytest.raises(CancelledError):
        search(settings, asked, progress)
    assert len(heard) == calls + 1
