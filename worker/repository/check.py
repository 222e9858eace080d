"""Whether an artifact is the one that its manifest describes; everybody who reads a backup asks here."""

from collections.abc import Iterator
from typing import BinaryIO

from worker.errors import ArtifactError
from worker.formats.allowance import Allowance
from worker.formats.encryption import NONE, Keys
from worker.formats.tally import Tally
from worker.progress import Progress, reported
from worker.repository import artifact
from worker.repository.checksum import Meter
from worker.repository.manifest import Manifest
from worker.repository.sound import survey


def check(  # noqa: PLR0913 - how far it goes is said in words
    file: BinaryIO, manifest: Manifest, keys: Keys, progress: Progress, *, walked: bool = False, passed: bool = False
) -> None:
    """Whether the bytes are those that were written; with `walked` also structure, checksum and keys; less the structure
    where that has `passed`: this process has walked the dump while it was written, so its checksum tells all.

    A manifest of format 1 has no digest, so what it says is counted after in any case. Leaves `file` at its start.
    ArtifactError names what is wrong: short, changed, extra or foreign. SealedError where it is encrypted and no key here
    opens it: at once, but where it is to be walked after its bytes were checked.
    """
    if manifest.encrypted and not walked:
        keys.require(manifest.name)
    artifact.check_bytes(file, manifest, progress)
    artifact.check_opens(file, manifest, keys)
    if passed and artifact.has_checksum(manifest.data_format, manifest.rdb_version):
        artifact.check_end(file, manifest, keys)
        file.seek(0)
    elif walked or manifest.format == 1:
        _walk(file, manifest, keys, progress, judged=walked)


def check_stored(file: BinaryIO, manifest: Manifest, progress: Progress) -> None:
    """The same for who only wants to know that it lies there as it was written, and needs no key."""
    artifact.check_bytes(file, manifest, progress)
    if manifest.format == 1:
        _walk(file, manifest, NONE, progress, judged=False)


def _walk(file: BinaryIO, manifest: Manifest, keys: Keys, progress: Progress, *, judged: bool) -> None:
    raw = Meter(hashed=False)
    dump = raw.watch(artifact.raw_chunks(file, manifest, keys))
    tally = _check_content(manifest, reported(dump, progress, "walking", manifest.bytes.raw), judged=judged)
    if manifest.format == 1 and (raw.bytes, tally.expiring) != (manifest.bytes.raw, manifest.expiring):
        raise ArtifactError(
            f"{manifest.name} holds something else than its manifest says: the manifest is not its own."
        )
    file.seek(0)


def _check_content(manifest: Manifest, raw: Iterator[bytes], *, judged: bool) -> Tally:
    """Its keys are counted; of a file that was adopted every value is decoded, for nobody vouches for it.

    Where its values are not `judged`, whoever restores it leaves the damaged ones out.
    """
    if manifest.kind != "adopted":
        tally = artifact.count(raw, manifest.data_format)
        _check_keys(manifest, tally)
        return tally
    surveyed = survey(
        artifact.examiner(raw, manifest.data_format), Allowance.adopted(manifest.bytes.raw, manifest.max_size)
    )
    if judged and surveyed.damage.number != manifest.damaged:
        raise ArtifactError(
            f"{manifest.name} was adopted, and {surveyed.damage.words}. Such a value can end the server that is given it: a "
            "restore leaves it out. Adopt the file anew with --damaged to have that on record."
        )
    # Older versions counted empty collections as keys.
    if manifest.keys != surveyed.tally.keys + surveyed.empty:
        _check_keys(manifest, surveyed.tally)
    return surveyed.tally


def _check_keys(manifest: Manifest, tally: Tally) -> None:
    if manifest.keys is not None and (tally.keys, tally.by_db) != (manifest.keys, manifest.keys_by_db):
        raise ArtifactError(
            f"{manifest.name} holds {tally.keys:,} keys where its manifest says {manifest.keys:,}: the manifest is not its own."
        )
