"""One restore, described: which backup, which of its keys, where to, as of when. Preview, restore, mirror and undo share it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO

from worker.arguments.moments import is_moment
from worker.arguments.restore import Request
from worker.config.settings import Settings
from worker.errors import RefusedError
from worker.formats.encryption import Keys, keys_of
from worker.progress import Progress
from worker.repository import artifact
from worker.repository.check import check
from worker.repository.copies.found import fetched
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.repository.signing.trust import trust_of
from worker.restore.selection.filters import Selected
from worker.restore.selection.held import held, known_as
from worker.restore.selection.mapping import Redirected
from worker.server import rights
from worker.server.endpoint import Endpoint
from worker.server.pipeline import milliseconds
from worker.server.wire import Wire


@dataclass(frozen=True)
class Demand:
    """What a target would be given."""

    rdb_version: int | None
    """The version of the payloads; None where it is given values."""
    databases: list[int]
    """The databases that are written."""
    types: frozenset[str] = frozenset()
    """The types of the keys."""
    besides: tuple[str, ...] = ()
    """Rights that are needed besides those for writing."""
    doing: str = "a restore"


@dataclass(frozen=True)
class Plan:
    """A restore: to come, under way or past."""

    manifest: Manifest
    """Of the backup."""
    file: BinaryIO
    """Its artifact, which was checked."""
    request: Request
    endpoint: Endpoint
    """The target's."""
    keys: Keys
    """What opens it."""
    at: int
    """When it begins or began, in milliseconds since the epoch: what has expired by then is not written. By the target's
    clock, once that was asked.
    """
    strangers: list[str] = field(default_factory=list)
    """Whose signature is taken at its word, where this machine knows nobody, in sentences."""

    def as_of(self, at: int) -> "Plan":
        """The same restore, begun at another moment."""
        return replace(self, at=at)

    def as_of_now(self) -> "Plan":
        """The same restore, begun now by the target's clock. Raises the endpoint's errors."""
        with self.endpoint.translated("asking for the time"), Wire(self.endpoint) as wire:
            return self.as_of(milliseconds(wire.try_(b"TIME")))

    @property
    def name(self) -> str:
        """What leads to the same backup again, or to the same moment."""
        return known_as(self.request.name, self.manifest)

    @property
    def databases(self) -> list[int]:
        """Those of the target that are written. Raises what `Request.databases_of` raises."""
        return self.request.databases_of(self.manifest)

    @property
    def demand(self) -> Demand:
        """What the target would be given. Raises what `Request.databases_of` raises."""
        request, kinds = self.request, {kind for db in self.manifest.keys_by_db.values() for kind in db}
        return Demand(
            self.manifest.rdb_version,
            self.databases,
            frozenset(kinds if request.types is None else kinds & request.types),
            rights.TO_DELETE if request.deletes else (),
            "a mirror" if request.deletes else "a restore",
        )

    @property
    def expected_keys(self) -> int | None:
        """How many keys of the backup are meant; None where only a look at each tells."""
        request = self.request
        if request.match or request.exclude or request.keys is not None or request.strip_prefix:
            return None
        return sum(
            number
            for db, kinds in self.manifest.keys_by_db.items()
            for kind, number in kinds.items()
            if (request.databases is None or db in request.databases)
            and (request.types is None or kind in request.types)
        )

    @property
    def warnings(self) -> list[str]:
        """What is to be known of the backup before it is restored."""
        if is_moment(self.request.name):
            return [*self.manifest.warnings, *self.strangers]
        if not self.manifest.lacks_keys:
            return self.strangers
        words = f"{self.manifest.name} is {lacking(self.manifest)}: it does not hold all the keys that there were."
        return [words, *self.strangers]

    def chunks(self) -> Iterator[bytes]:
        """The dump, from its start as soon as the first chunk is asked for: one reading must end before the next begins."""
        self.file.seek(0)
        yield from artifact.raw_chunks(self.file, self.manifest, self.keys)

    def stream(self, *, values: bool = True) -> Redirected:
        """The keys that are meant, as the target gets them; without `values` payloads are passed over where that can be.

        It is read as `chunks` are.
        """
        reader = artifact.reader(self.chunks(), self.manifest.data_format, values=values)
        return Redirected(Selected(reader, self.request), self.request, self.manifest, self.at)


@contextmanager
def opened(
    settings: Settings, request: Request, endpoint: Endpoint, progress: Progress, *, anew: bool = False
) -> Iterator[Plan]:
    """The plan of what is asked for, as of now by our own clock. The artifact was verified whole; `anew` is as in `fetched`.

    Raises NotFoundError, RefusedError for a backup that cannot be restored, and ArtifactError.
    """
    with held(settings, request.name, scope_of(settings), request.storage, progress) as backup:
        manifest, keys = backup.manifest, keys_of(settings)
        _check_readable(manifest)
        strangers = trust_of(settings, backup.storage).strangers([manifest])
        verified = partial(check, manifest=manifest, keys=keys, progress=progress)
        with fetched(settings, backup, verified, progress, anew=anew) as file:
            yield Plan(manifest, file, request, endpoint, keys, round(time.time() * 1000), strangers)


def lacking(manifest: Manifest) -> str:
    """What to call a backup that lacks keys, behind an `is`."""
    return "partial" if manifest.kind == "partial" else "a part"


def _check_readable(manifest: Manifest) -> None:
    """RefusedError for a backup of which only its own server knows what is in it, and for names without values."""
    if manifest.names_only:
        raise RefusedError(
            f"{manifest.name} holds the names of keys that a restore left alone, and no values: it can only undo that "
            f"restore (`python -m worker undo {manifest.name}`)."
        )
    if manifest.keys is None:
        raise RefusedError(
            f"{manifest.name} holds something that this program cannot read ({' '.join(manifest.warnings)}) "
            "It is a plain RDB file: a redis-server of the source's version loads it."
        )
