"""Which backup is the latest, for one server and some of its databases."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.backups import manifest_of
from worker.repository.catalogue import newest
from worker.repository.manifest import Manifest, Origin, Scope


def made(day: int, address: str, databases: list[int] | None, **more: Any) -> Manifest:
    at = datetime(2023, 12, day, tzinfo=UTC)
    source = Origin(address=address, databases=databases)
    return manifest_of(f"redis_backup_202312{day:02}_000000.rdb", created_at=at, source=source, **more)


BACKUPS = [
    made(1, "a:1", [0, 3]),
    made(2, "a:1", None),
    made(3, "b:1", [0, 3]),
    made(4, "b:1", [0, 3]),
    made(5, "b:1", [7]),
    made(6, "a:1", [0, 3], kind="undo"),
]


@pytest.mark.parametrize(
    ("address", "databases", "day"),
    [
        ("a:1", (0, 3), 1),
        ("a:1", None, 2),
        ("c:1", (0, 3), 4),
        ("a:1", (7,), 5),
        ("c:1", None, 2),
        ("a:1", (1,), 2),
        ("c:1", (1,), 5),
    ],
    ids=[
        "the very scope",
        "all databases",
        "another server's, and of two the newer",
        "another server's before other databases of this one",
        "another server's of all databases",
        "this server's before a newer of another",
        "any",
    ],
)
def test_the_latest_is_of_the_scope_or_of_what_is_nearest_to_it(
    address: str, databases: tuple[int, ...] | None, day: int
) -> None:
    found = newest(BACKUPS, Scope(address, databases))
    assert found is not None
    assert found.created_at.day == day
