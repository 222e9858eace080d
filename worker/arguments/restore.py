"""What a restore, a preview of one, or the undo of one is asked to do."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from worker.arguments.moments import BackupOrMoment
from worker.arguments.places import Address
from worker.arguments.redirection import Redirection
from worker.arguments.selection import ONCE, Selection, TypeName
from worker.errors import RefusedError
from worker.formats.key_text import LONGEST_KEY, KeyText
from worker.repository.manifest import Manifest

Mode = Literal["skip", "overwrite", "mirror"]

WrittenKind = Literal["new", "differs", "expiry"]
ShownKind = Literal["new", "identical", "differs", "expiry", "expired", "deleted"]

_CURSOR = r"^([0-9]{1,18}|[0-9]{1,9}:[\s\S]*)$"


class Request(Selection, Redirection):
    """Which backup, how, how much of it, and where to."""

    name: BackupOrMoment
    """Of the backup; `latest` is the newest. Or a moment of the source: `@2026-11-28T14:03:05Z`, `@-10m`, `@before:FLUSHALL`,
    `@before:RUN`, `@offset:N`.
    """
    storage: Address | None = None
    """Where to read it: BACKUP_STORAGE, or one of BACKUP_COPIES; None for wherever it lies, at home first."""
    mode: Mode = "skip"
    kinds: Annotated[frozenset[WrittenKind], ONCE] | None = None
    """Only keys that compare so with the live ones: not there, of another value, or of another expiry only."""

    @property
    def deletes(self) -> bool:
        """Whether live keys go that the backup does not have."""
        return self.mode not in ("skip", "overwrite")

    def databases_of(self, manifest: Manifest) -> list[int]:
        """The target's databases that are written. RefusedError where two of the backup's would go to one, or where the map
        is of none that it has: what was to go elsewhere would go where it came from.
        """
        if self.map_databases and manifest.keys_by_db and not self.map_databases.keys() & manifest.keys_by_db.keys():
            has, named = (", ".join(map(str, sorted(dbs))) for dbs in (manifest.keys_by_db, self.map_databases))
            raise RefusedError(
                f"No key would go to another database: the backup has databases {has}, and the map is of {named}. Write "
                "the backup's database first, as in --map-db 0:5."
            )
        return self.mapped([db for db in manifest.keys_by_db if self.databases is None or db in self.databases])


class RestoreArguments(Request):
    """What is to be restored, and which preview of it somebody has seen."""

    preview: str | None = Field(default=None, max_length=200)
    """The id of a run: where the target has changed since that preview, the restore is refused."""
    force: StrictBool = False
    """Go on all the same."""


class PreviewArguments(Request):
    """What the restore would be asked to do."""


class DifferencesArguments(Request):
    """Which keys of a preview are to be shown, with their values: those of one of its numbers, a page at a time."""

    kind: ShownKind | None = None
    """Keys that compare so with the live ones; None for all that a restore might write."""
    of_type: TypeName | None = None
    of_database: int | None = Field(default=None, ge=0)
    """At the target."""
    under: KeyText | None = None
    """Keys with this prefix, as `key_text` writes it: what they have up to their first colon."""
    not_under: Annotated[tuple[KeyText, ...], Field(max_length=100)] = ()
    """Keys with none of these."""
    after: Annotated[str, Field(max_length=LONGEST_KEY + 100, pattern=_CURSOR)] | None = None
    """The `next` of the page before."""
    limit: int = Field(default=20, ge=1, le=100)
    """How many keys are shown at once."""
    preview: str | None = Field(default=None, max_length=200)
    """The run whose number it is."""


class UndoArguments(BaseModel):
    """Which restore to undo."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str = Field(min_length=1, max_length=200)
    """The id of the restore's run, or the name of the undo that it kept."""
    force: StrictBool = False
    """Undo also what others have changed since."""
