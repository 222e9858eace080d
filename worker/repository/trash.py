"""The trash: a backup that was deleted stays where it lies, noted as such, until a prune deletes it for good."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from worker.errors import RefusedError
from worker.repository.behalf import Asker
from worker.repository.manifest import Manifest


@dataclass(frozen=True)
class Trashed:
    """A deleted backup that is not gone yet. It can be put back, and until then it is as if it were not there."""

    name: str
    deleted_at: datetime
    deleted_by: str | None
    bytes: int
    """The size of the artifact, which still takes its room."""
    manifest: Manifest | None
    """None where the manifest is damaged."""

    def goes_at(self, days: int) -> datetime:
        """When its days are over, after which a prune deletes it for good."""
        return self.deleted_at + timedelta(days=days)


def is_token(asked_by: str | None) -> bool:
    """Whether somebody came with a token, which may have been stolen."""
    return asked_by is not None and Asker.parse(asked_by).kind == "token"


def refuse_last(listed: list[Manifest], name: str, asked_by: str | None) -> None:
    """RefusedError where a token would delete the last good backup of a source. `listed` are all that are in no trash.

    Only another backup with keys can replace one with keys, because a backup of an emptied server is worth nothing; and only one
    that is not suspicious one that is not.
    """
    last = next((backup for backup in listed if backup.name == name), None)
    if last is None or last.kind == "partial" or not is_token(asked_by):
        return
    now = datetime.now(UTC)
    others = (other for other in listed if (other.kind, other.scope) == (last.kind, last.scope) and other.name != name)
    if any(_stands_for(other, last) and not other.is_ahead(now) for other in others):
        return
    raise RefusedError(
        f"{name} is the last good backup of {last.source.address or 'what it was made of'}, and no token may delete that: "
        "make another one first, or have the admin delete it."
    )


def _stands_for(other: Manifest, last: Manifest) -> bool:
    holds_keys = other.keys != 0 or last.keys == 0
    return holds_keys and (not other.suspicious or bool(last.suspicious))
