"""One backup, described: what, when, from where, how many keys, and the sha256 of its bytes."""

import hashlib
import re
from collections.abc import Container, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worker.config.address import Address
from worker.config.settings import CompressionName, FormatName
from worker.errors import ArtifactError, DamagedError, ForgedError
from worker.formats.prefixes import Prefixes
from worker.formats.types import NAMES, UNKNOWN
from worker.repository import digest
from worker.repository.behalf import Trigger
from worker.repository.drills.quantities import Count, Moment, Seconds
from worker.repository.drills.rehearsal import Rehearsal, latest
from worker.repository.signing import keys, seal
from worker.repository.signing.keys import Signer

FORMAT: Literal[4] = 4
"""Of what is signed, and so of all that is written now."""
_ENCRYPTED_FORMAT: Literal[3] = 3
_PLAIN_FORMAT: Literal[2] = 2
"""Of the two before there were signatures."""
NAMES_TRIED = 600
"""How many seconds later than the backup its name may be, at the most."""
CLOCKS_APART = timedelta(minutes=2)
"""Two machines that share a storage agree on the time to that."""
MANIFEST_SUFFIX = ".manifest.json"
DAMAGED_SUFFIXES = (".damaged", ".damaged.2", ".damaged.3")
"""Suffixes for the old text of a manifest that was made anew."""
INDEX_SUFFIX = ".index"
"""The suffix of the index that `search` makes beside an artifact, and can make again."""
AGE_SUFFIX = ".age"
NAME = re.compile(r"redis_backup_([0-9]{8}_[0-9]{6})\.(rdb|json)(\.zst|\.gz)?(?:\.age)?")


class Origin(BaseModel):
    """The server that the data came from; for an adopted file, what the file says of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Address | None = None
    server: str | None = None
    version: str | None = None
    run_id: str | None = None
    replication_id: str | None = None
    replication_offset: int | None = None
    databases: list[int] | None = None
    """The databases that were asked for; None for all."""
    slots: str | None = None
    """The slots of a node of a cluster, such as `0-5460,9000`; None for a server that holds all the keys itself."""


class Scope(NamedTuple):
    """What a backup is a backup of: which server, and which of its databases (None for all)."""

    address: str | None
    databases: tuple[int, ...] | None


class Size(BaseModel):
    """Bytes: of the dump itself, and of the file in storage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    raw: Count
    stored: Count


class Encrypted(BaseModel):
    """By age, behind the compression."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipients: list[str]
    """What the public keys are known by (config/age_keys.py); none where nobody told."""


class Copied(BaseModel):
    """A copy of a backup in another storage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    copied_at: Moment
    """When it was known to be whole there."""
    versions: dict[str, str] = {}
    """By the name of a file of it the version that it has there, where that storage keeps versions."""
    rehearsed: Rehearsal | None = None
    """The last time that this copy was brought back into a server for trial."""
    decoded: Rehearsal | None = None
    """The last time that it was decoded to its end, for there was no server to bring it back into."""

    @property
    def drilled(self) -> Rehearsal | None:
        """The last drill, whatever came of it."""
        return latest(self.rehearsed, self.decoded)


class _Format(BaseModel):
    """What a manifest says in every format, of a later version too."""

    format: int


UNDO_FACT = "redis-backup-undo"
"""The AUX field of an undo's RDB file that says what it undoes, as JSON: these fields of its manifest."""
UNDO_FIELDS = ("source", "undoes", "restored", "restored_at", "restore_arguments", "engine", "consistency")


class Manifest(BaseModel):
    """One backup. It exists once its manifest is in storage, and no longer than that."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1, 2, 3, 4] = _PLAIN_FORMAT
    name: str
    created_at: Moment
    kind: Literal["backup", "adopted", "undo", "partial", "part"] = "backup"
    """`undo`: what a restore was about to touch, as it was before. `partial`: what could be read while the source lost its
    data. `part`: what one node of a cluster has. Of both the first warning says why, and they count as no backup."""
    trigger: Trigger = "schedule"
    """Whether a schedule asked for it, or somebody by hand. Backups made by hand push out none of a schedule's."""
    asked_by: str | None = None
    """Who asked for it, such as `beat daily`, `admin`, `token ci`; None where nobody has said it."""
    data_format: FormatName
    rdb_version: int | None = None
    consistency: Literal["point-in-time", "per-key", "unknown"]
    engine: Literal["replication", "scan", "typed", "none"]
    engine_reason: str = ""
    source: Origin
    keys: Count | None
    """None where the file could not be read to its end; `warnings` then says why."""
    keys_by_db: dict[Count, dict[str, Count]]
    """Keys by database and type."""
    expiring: Count
    made_from: str | None = None
    """The backup that it was made from, with what the source sent since; None where the source itself was read."""
    prefixes: Prefixes | None = None
    """How the names of most keys begin; None where nobody has counted that. Where the backup is encrypted they are hashed."""
    functions: Count = 0
    module_data: bool = False
    """Whether modules have put something beside the keys: only a server with all of them loads the file as it is."""
    damaged: Count = 0
    """Of an adopted file: values that no server is to be given; a restore leaves them out."""
    max_size: Count | None = None
    """Of an adopted file: how many bytes it may become, its values unpacked, where somebody has said that."""
    memory: Count | None = None
    """Bytes that the source used for all of its data and for itself when this was begun."""
    bytes: Size
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the stored file, in hexadecimal: what `sha256sum` prints."""
    compression: CompressionName
    encryption: Literal["none"] | Encrypted = "none"
    duration_seconds: Seconds
    tool_version: str
    verified_at: Moment | None = None
    rehearsed: Rehearsal | None = None
    """The last time that it was brought back into a server for trial."""
    decoded: Rehearsal | None = None
    """The last time that it was decoded to its end, for there was no server to bring it back into."""
    drilled_at: Moment | None = None
    """Nobody has ever written it; manifests of format 1 have its name."""
    pinned: bool = False
    pin_reason: str = ""
    warnings: list[str] = []
    undoes: str | None = None
    """Of an undo: the run that restored."""
    restored: str | None = None
    """Of an undo: the backup that was restored; without it nobody can tell which keys that created."""
    restored_at: Moment | None = None
    """Of an undo: when, by the target's clock; what had expired by then was not restored."""
    restore_arguments: dict[str, Any] = {}
    """Of an undo: the arguments of the restore. Where it is encrypted, no names of keys: those are in its file alone."""
    signer: str | None = None
    """The public key of whoever signed it; None of an earlier version, which signed nothing."""
    chain: str | None = None
    """Which machine's numbers in which storage `sequence` is one of."""
    sequence: Count | None = None
    previous: str | None = None
    """The sha256 of the manifest file with the number before, in hexadecimal; None of the first."""
    undone_at: Moment | None = None
    """Of an undo: when it was used."""
    deleted_at: Moment | None = None
    """Since when it lies in the trash; None where it does not."""
    deleted_by: str | None = None
    """Who put it there, as `asked_by`."""
    copies: dict[str, Copied] = {}
    """By their place the storages that it was copied to."""
    suspicious: tuple[str, ...] = ()
    """In sentences, what went missing since the backups before it; empty once somebody has accepted that."""
    accepted_at: Moment | None = None
    """When somebody said that it is as it should be."""
    accepted_by: str | None = None

    @property
    def scope(self) -> Scope:
        """Backups of one scope can stand for each other."""
        databases = self.source.databases
        return Scope(self.source.address, None if databases is None else tuple(sorted(databases)))

    @property
    def drilled(self) -> Rehearsal | None:
        """The last drill, whatever came of it."""
        return latest(self.rehearsed, self.decoded)

    @property
    def lacks_keys(self) -> bool:
        """Whether there were keys that it does not hold, so that it does not count as a backup."""
        return self.kind in ("partial", "part")

    @property
    def names_only(self) -> bool:
        """Whether it holds names and no values: what is kept before a restore that leaves alone what exists."""
        return self.kind == "undo" and self.restore_arguments.get("mode", "skip") == "skip"

    @property
    def encrypted(self) -> bool:
        """Whether only who has a secret key can read it."""
        return self.encryption != "none"

    def is_ahead(self, now: datetime) -> bool:
        """Whether it is dated in the future: made by a wrong clock, or the clock was set back since."""
        return self.created_at > now + CLOCKS_APART

    def age_seconds(self, now: datetime) -> float:
        """Seconds from the start of the backup to `now`; negative when it lies in the future."""
        return (now - self.created_at).total_seconds()


def artifact_name(at: datetime, data_format: FormatName, suffix: str) -> str:
    """The name of a backup begun at that moment, written in UTC, such as `redis_backup_20231205_143022.rdb.zst`."""
    return f"redis_backup_{at.astimezone(UTC):%Y%m%d_%H%M%S}.{data_format}{suffix}"


def named_moment(name: str) -> datetime:
    """The moment that a backup's name says, in UTC. ArtifactError where there is no such day or time."""
    said = NAME.fullmatch(name)
    try:
        # Not strptime, which takes as long as all the rest of reading a manifest.
        return datetime.fromisoformat(f"{said[1] if said else ''}+00:00")
    except ValueError:
        raise ArtifactError(f"No backup can have the name {name}: there is no such moment.") from None


def free_names(at: datetime, data_format: FormatName, suffix: str) -> Iterator[str]:
    """The name of that second and, should it be taken, those of the next ones."""
    for later in range(NAMES_TRIED):
        yield artifact_name(at + timedelta(seconds=later), data_format, suffix)


LATER = {
    *("verified_at", "rehearsed", "decoded", "drilled_at", "undone_at", "deleted_at", "deleted_by", "copies"),
    *("suspicious", "accepted_at", "accepted_by"),
}
"""Fields that are not known when a manifest is written; they stand in the notes."""
SIGNED = {"signer", "chain", "sequence", "previous", "prefixes", "made_from"}
"""Fields that only a signed manifest has."""
NAMING = frozenset({"match", "exclude", "keys", "prefix", "strip_prefix"})
"""Arguments of a restore that tell names of keys."""
_SUFFIXES = {"zstd": ".zst", "gzip": ".gz", "none": None}


def to_json(manifest: Manifest) -> bytes:
    """The bytes of a manifest file as earlier versions wrote it: not signed."""
    number = _ENCRYPTED_FORMAT if manifest.encrypted else _PLAIN_FORMAT
    return digest.sealed(_document(manifest, number, LATER | SIGNED))


def to_signed(manifest: Manifest, signer: Signer) -> bytes:
    """The bytes of a manifest file, signed; `manifest` has the signer's public key and a number."""
    return seal.signed(_document(manifest, FORMAT, LATER), signer)


def _document(manifest: Manifest, number: int, left_out: set[str]) -> str:
    arguments = manifest.restore_arguments
    if manifest.encrypted:
        arguments = {name: said for name, said in arguments.items() if name not in NAMING}
    prefixes = manifest.prefixes if manifest.prefixes and manifest.prefixes.hashed == manifest.encrypted else None
    changes = {"format": number, "restore_arguments": arguments, "prefixes": prefixes}
    written = manifest.model_copy(update=changes)
    return written.model_dump_json(indent=2, exclude=left_out)


def from_json(name: str, text: bytes, vouched: Container[str] = ()) -> Manifest:
    """Read a manifest file of the artifact `name`: what is refused here is refused by everybody, the list and a restore alike.

    DamagedError where it is not what was written; ForgedError where its signature is not of it; ArtifactError where a later
    version wrote it, or no backup of ours is meant. What has one of the sha256 `vouched` is as this machine has signed it.
    """
    if not NAME.fullmatch(name):
        raise ArtifactError(f"The file {name}{MANIFEST_SUFFIX} is of no backup: none can have that name.")
    document = digest.opened(text)
    signed = None if document is None else seal.apart(document)
    manifest = _parsed(name, text if document is None else signed.document if signed else document, document)
    if manifest.name != name:
        kind = DamagedError if document is None else ArtifactError
        raise kind(f"The manifest of {name} describes another backup: it was renamed or swapped.")
    if manifest.format != _format_of(manifest, document) or manifest.encrypted != name.endswith(AGE_SUFFIX):
        raise _damaged(name)
    _check_signature(manifest, signed, text, vouched)
    if not _is_begun_as_named(manifest):
        raise _damaged(name)
    if manifest.format == 1 and not _agrees_with_itself(manifest):
        raise _damaged(name)
    return manifest


def _parsed(name: str, content: bytes, document: bytes | None) -> Manifest:
    try:
        return Manifest.model_validate_json(content)
    except ValidationError:
        if document is not None and _is_later(document):
            raise ArtifactError(
                f"The manifest of {name} is of a later version of this program: read it with that one."
            ) from None
        raise _damaged(name) from None


def _format_of(manifest: Manifest, document: bytes | None) -> int:
    """The format that it must be of."""
    if document is None:
        return 1
    if manifest.signer is not None:
        return FORMAT
    return _ENCRYPTED_FORMAT if manifest.encrypted else _PLAIN_FORMAT


def _check_signature(manifest: Manifest, signed: seal.Signed | None, text: bytes, vouched: Container[str]) -> None:
    """ForgedError where there is no good one, and there should be."""
    if manifest.signer is None and signed is None:
        return
    if (
        manifest.signer is not None
        and signed is not None
        and (sha256_of(text) in vouched or keys.is_signed(signed.content, signed.signature, manifest.signer))
    ):
        return
    raise ForgedError(
        f"The manifest of {manifest.name} is forged: its signature is not of what it says. Somebody who can write into the "
        "storage has made or changed it. Use another backup."
    )


def sha256_of(text: bytes) -> str:
    """Of a manifest file, in hexadecimal, as `sha256sum` prints it."""
    return hashlib.sha256(text).hexdigest()


def _is_later(document: bytes) -> bool:
    try:
        return _Format.model_validate_json(document).format > FORMAT
    except ValidationError:
        return False


def _damaged(name: str) -> DamagedError:
    return DamagedError(
        f"The manifest of {name} is damaged: `python -m worker list --repair` makes it anew from what the artifact tells."
    )


def _is_begun_as_named(manifest: Manifest) -> bool:
    """Whether the name is of that second, or as much later as a name may be when others were taken."""
    later = (named_moment(manifest.name) - manifest.created_at.replace(microsecond=0)).total_seconds()
    return 0 <= later < NAMES_TRIED


def _agrees_with_itself(manifest: Manifest) -> bool:
    """The only checks that a manifest of format 1 allows, which has no digest."""
    said = NAME.fullmatch(manifest.name)
    kinds = [kind for counts in manifest.keys_by_db.values() for kind in counts]
    counted = sum(sum(counts.values()) for counts in manifest.keys_by_db.values())
    return (
        said is not None
        and (said[2], said[3]) == (manifest.data_format, _SUFFIXES[manifest.compression])
        and set(kinds) <= {*NAMES, UNKNOWN}
        and manifest.keys in (None, counted)
        and (manifest.keys is None or manifest.expiring <= counted)
        and (manifest.rdb_version is None) == (manifest.data_format == "json")
        and (manifest.restored is not None) == (manifest.kind == "undo")
    )
