"""How it stands with the stream of a source: noted by each visit, beside the file that it appends to, and in the broker for whoever
shows it.
"""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from worker.broker import connection
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError
from worker.repository.scope import scope_of
from worker.segments.marks import Count, Mark, Milliseconds
from worker.segments.visits.folder import folder_of
from worker.storage.owned import made

_FILE = "standing.json"
_KEY = f"{connection.PREFIX}stream:"
DAY_MS = 86_400_000


class Standing(BaseModel):
    """What the last visit knew; times in milliseconds since the epoch, by the source's clock."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    address: str
    ms: Milliseconds
    """When it was."""
    here_ms: Milliseconds = 0
    """The same by the clock of the machine that visits."""
    offset: Count = 0
    """How far the stream is at home."""
    history: str = ""
    """The replication id that the source had there."""
    asked_ms: Milliseconds = 0
    """When the stream itself was last asked for: a server that nobody follows forgets it after an hour."""
    began: Milliseconds = 0
    """Since when there is no gap."""
    began_offset: Count = 0
    marks: tuple[Mark, ...] = ()
    """When the stream stood where since the last frame."""
    gap: str = ""
    """Why the stretch before this one ended."""
    gap_since: Milliseconds = 0
    """The last moment before that gap."""
    follows: bool = False
    """Whether the source can be followed now."""
    base: str = ""
    """The newest backup that any moment can be made from; empty where there is none."""
    base_ms: Milliseconds = 0
    """When the oldest such backup was begun: moments begin with it."""
    base_offset: Count = 0
    looked_ms: Milliseconds = 0
    """When a base was last looked for."""
    base_asked_ms: Milliseconds = 0
    """When a base was last asked for."""
    backlog: Count = 0
    """Bytes that the source's replication backlog holds."""
    peak: float = 0
    """Bytes a second, at most, between two visits of the last day."""
    peak_ms: Milliseconds = 0
    largest: Count = 0
    """Bytes of the largest command of the last day."""
    absence: float = 0
    """Seconds between two visits, at most, in the last day."""

    @property
    def wanted_backlog(self) -> int:
        """The replication backlog that this source needs: twice what it writes at most in the longest time between two visits, and the
        largest command.
        """
        return int(2 * self.peak * self.absence) + self.largest

    @property
    def is_chain(self) -> bool:
        """Whether there is a moment to go back to."""
        return bool(self.base) and self.base_offset >= self.began_offset

    @property
    def is_short(self) -> bool:
        """Whether the source's backlog is smaller than it needs to be."""
        return 0 < self.backlog < self.wanted_backlog

    def age_seconds(self, now: datetime) -> float:
        """How old it is: what the source has run since would be lost with it."""
        return max(0.0, now.timestamp() - self.here_ms / 1000)

    def measured(self, seconds: float, size: int, largest: int) -> "Standing":
        """The same after `size` bytes had come in so many seconds."""
        fresh = self.ms - self.peak_ms < DAY_MS
        rate = size / seconds if seconds > 0 else 0.0
        before = (self.peak, self.absence, self.largest) if fresh else (0.0, 0.0, 0)
        changes = {
            "peak": max(before[0], rate),
            "absence": max(before[1], seconds),
            "largest": max(before[2], largest),
            "peak_ms": self.peak_ms if fresh else self.ms,
        }
        return self.model_copy(update=changes)


def of_folder(folder: Path) -> Standing | None:
    """What the last visit of this machine has noted; None where there was none, or nobody can read it."""
    try:
        return Standing.model_validate_json((folder / _FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def note(settings: Settings, folder: Path, standing: Standing) -> None:
    """Keep it beside the file, and show it in the broker where there is one."""
    text = standing.model_dump_json().encode()
    with made(folder / _FILE, text, lasting=False) as beside:
        beside.replace(folder / _FILE)
    with suppress(BrokerUnavailableError), connection.translated(), connection.client(settings) as client:
        client.set(_KEY + standing.address, text)


def shown(settings: Settings, address: str) -> Standing | None:
    """What the last visit has noted in the broker. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(settings) as client:
        text = client.get(_KEY + address)
    try:
        return None if text is None else Standing.model_validate_json(text)
    except ValidationError:
        return None


def last(settings: Settings) -> Standing | None:
    """What is known of the last visit: here, or else in the broker."""
    return of_folder(folder_of(settings)) or shown_or_none(settings, str(scope_of(settings).address))


def shown_or_none(settings: Settings, address: str) -> Standing | None:
    """The same; None also where the broker is away."""
    with suppress(BrokerUnavailableError):
        return shown(settings, address)
    return None


def as_shown(settings: Settings) -> dict[str, Any] | None:
    """What there is to say of it, for `ping`; None where nobody has visited."""
    known = last(settings)
    if known is None:
        return None
    numbers = {"backlog": known.backlog, "wanted_backlog": known.wanted_backlog, "is_short": known.is_short}
    return {"offset": known.offset, "is_chain": known.is_chain, "gap": known.gap or None, **numbers}
