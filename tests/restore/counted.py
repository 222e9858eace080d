"""A restore that is watched, and what it counted."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.backups import settings_for
from tests.support.servers import Server
from worker.arguments.restore import RestoreArguments
from worker.restore.restore import restore

COUNTS = ("restored", "skipped", "expired", "failed")


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {name: report[name] for name in COUNTS if report[name]}


def told(error: BaseException) -> dict[str, int]:
    """The counts that an error tells."""
    found = {name: re.search(rf"([\d,]+) {name}", str(error)) for name in COUNTS}
    return {name: int(match[1].replace(",", "")) for name, match in found.items() if match}


def run(server: Server, storage: Path, during: Callable[[int], object], **arguments: Any) -> dict[str, Any]:
    """Restore, and do something each time that keys have been sent."""

    def progress(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == "restoring":
            during(current)

    return restore(settings_for(server, storage), RestoreArguments(name="latest", **arguments), progress)
