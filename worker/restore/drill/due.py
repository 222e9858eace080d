"""Which drills are to be queued now: computed from what is noted beside the backups, so that no beat has to remember it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from worker.config.settings import Settings
from worker.repository import catalogue
from worker.repository.copies import holdings, places
from worker.repository.drills import standing
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of


class Planned(NamedTuple):
    """A drill, and the slot of which only one is made, however many beats ask for it."""

    name: str
    storage: str | None
    slot: str


def planned(settings: Settings) -> list[Planned]:
    """Raises StorageError where home cannot be read; a copy that cannot is passed over."""
    if not settings.drill_every_days:
        return []
    now = datetime.now(UTC)
    own = _readable(settings, catalogue.read(places.home(settings)).backups)
    due = standing.due(own, _elsewhere(settings), settings.drill_every_days, now)
    return [Planned(each.name, each.place, f"drill {each.why} {now:%Y-%m-%d}") for each in due]


def _elsewhere(settings: Settings) -> Iterator[tuple[str, list[Manifest]]]:
    for reading in holdings.look(settings):
        if reading.contents is not None and reading.error is None:
            yield reading.place, _readable(settings, reading.contents.backups)


def _readable(settings: Settings, backups: Sequence[Manifest]) -> list[Manifest]:
    """This source's backups that can be opened here: without the secret key there is nothing to rehearse."""
    has_key = settings.backup_age_identity_file is not None
    return [backup for backup in catalogue.own([*backups], scope_of(settings)) if has_key or not backup.encrypted]
