"""Backups that push out each other, and no others."""

from typing import NamedTuple

from worker.repository.manifest import Manifest, Scope
from worker.repository.trash import is_token

BY_HAND = "hand"
SCHEDULE = ""


class Pool(NamedTuple):
    """Backups of one scope, made by the schedule, by hand, or by one token.

    Were there one pool for all, whoever may make backups could empty the history by making more.
    """

    scope: Scope
    maker: str

    @property
    def words(self) -> str:
        """What is in it."""
        return {SCHEDULE: "of the schedule", BY_HAND: "made by hand"}.get(self.maker, f"made by {self.maker}")


class Lane(NamedTuple):
    """Backups of one scope that can stand for each other: good ones, or parts of a node of a cluster."""

    scope: Scope
    parts: bool


def pool_of(manifest: Manifest) -> Pool:
    """The one that it is in."""
    if manifest.trigger == "schedule":
        return Pool(manifest.scope, SCHEDULE)
    asked_by = manifest.asked_by or ""
    return Pool(manifest.scope, asked_by if is_token(asked_by) else BY_HAND)


def lane_of(manifest: Manifest) -> Lane:
    """The one that it is in; what is partial is beside the good ones."""
    return Lane(manifest.scope, manifest.kind == "part")
