"""Which choices this process goes by, and the last good ones that this machine has seen, for when nobody can be asked.

Whoever reads them where they are kept says so here; a process that has not yet been told begins with those of the machine.
"""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from worker.config.schedule.chosen import NOTHING, Chosen

_chosen: dict[str, Chosen] = {}
"""By broker: each has choices of its own."""


def chosen(broker: str, folder: str) -> Chosen:
    """What this process goes by; `broker` is the URL of that, `folder` is BACKUP_STATE."""
    if (place := _place(broker)) not in _chosen:
        _chosen[place] = remembered(broker, folder) or NOTHING
    return _chosen[place]


def go_by(broker: str, choices: Chosen) -> None:
    """From now on this process goes by these."""
    if _chosen.get(place := _place(broker)) != choices:
        _chosen[place] = choices


def remembered(broker: str, folder: str) -> Chosen | None:
    """The last ones that this machine has seen; None where it has seen none, or the file cannot be read."""
    with suppress(OSError, ValidationError):
        return Chosen.model_validate_json(file_of(broker, folder).read_bytes())
    return None


def age_seconds(broker: str, folder: str) -> float | None:
    """How long ago this machine has seen them; None where it has not."""
    with suppress(OSError):
        return time.time() - file_of(broker, folder).stat().st_mtime
    return None


def remember(broker: str, folder: str, choices: Chosen) -> None:
    """Have this machine remember them, and when it saw them; one whose folder takes nothing does without."""
    file = file_of(broker, folder)
    draft = file.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        # The key to sign with may come to lie there, too.
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with draft.open("w") as written:
            written.write(choices.model_dump_json(indent=1))
            written.flush()
            os.fsync(written.fileno())
        draft.replace(file)


def forget() -> None:
    """As a process that has only begun."""
    _chosen.clear()


def file_of(broker: str, folder: str) -> Path:
    """Where this machine remembers those of that broker."""
    return Path(folder) / f"schedule-{hashlib.sha256(_place(broker).encode()).hexdigest()[:12]}.json"


def _place(broker: str) -> str:
    """A broker without its secrets: a password may change, and it is still the same."""
    parts = urlsplit(broker)
    return f"{parts.hostname}:{parts.port or 6379}{parts.path}"
