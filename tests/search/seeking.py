"""A search for one key, what it says of a key's history, and a key with a hostile name."""

from pathlib import Path
from typing import Any

from tests.support.backups import settings_for
from tests.support.servers import Server
from worker.arguments.questions import SearchArguments
from worker.progress import silent
from worker.search.search import search

HOSTILE = b"\x1b[31m\xe2\x80\xae<img src=x onerror=alert(1)>\r\n\xff'; rm -rf /"


def find(server: Server, storage: Path, key: str | None = None, **arguments: Any) -> Any:
    return search(settings_for(server, storage), SearchArguments(key=key, **arguments), silent)


def changes(found: Any, db: int = 0) -> list[tuple[str, str | None, str]]:
    """Of each place from the oldest on: where (the number of the backup, or live), the type, and the change."""
    (one,) = [one for one in found["found"] if one["db"] == db]
    names = sorted({row["where"] for row in one["versions"]} - {"live"})
    return [
        (str(names.index(row["where"])) if row["where"] in names else "live", row["type"], row["change"])
        for row in reversed(one["versions"])
    ]
