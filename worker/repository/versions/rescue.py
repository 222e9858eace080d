"""The version of a backup that was written, put back in the place of what somebody else has left there."""

from collections.abc import Iterator
from contextlib import nullcontext

from worker.errors import ArtifactError
from worker.progress import Progress, Proof, reported
from worker.repository.checksum import Meter
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.repository.versions.lost import Lost
from worker.repository.versions.records import Record, remember
from worker.storage import Storage, chunks_of
from worker.storage.versions.kept import Versions, versions_of


def rescue(storage: Storage, missed: Lost, progress: Progress, prove: Proof) -> None:
    """Write it there anew, the manifest last. What was left in its place is deleted once the version is known to be whole.

    ArtifactError where it is not, NotFoundError where the bucket has destroyed it: then nothing is done. Whoever is stopped
    in between puts it back again.
    """
    versions, record = versions_of(storage), missed.record
    if versions is None:
        raise ArtifactError(f"{storage} does not keep versions of its files.")
    there = {file: versions.of(file) for file in record.files}
    wrong = [file for file, kept in record.files.items() if (now := there[file]) and now.tag != kept.tag]
    if record.name in wrong:
        for _ in _written(versions, record, progress, "checking"):
            pass
    for file in reversed(wrong):
        prove()
        storage.delete(file, [])
    absent = {file for file, now in there.items() if now is None or file in wrong}
    with storage.draft([record.name]) if record.name in absent else nullcontext() as draft:
        if draft is not None:
            for chunk in _written(versions, record, progress, "writing"):
                draft.write(chunk)
            draft.publish(prove)
        if record.name + MANIFEST_SUFFIX in absent:
            storage.put(record.name + MANIFEST_SUFFIX, record.text.encode(), prove=prove)
    remember(storage, record.name, record.text.encode(), pinned=record.pinned)


def _written(versions: Versions, record: Record, progress: Progress, phase: str) -> Iterator[bytes]:
    """The bytes of the artifact's version. ArtifactError at their end where they are not what was written."""
    manifest, meter = record.described, Meter()
    with versions.open(record.name, record.artifact) as stream:
        yield from reported(meter.watch(chunks_of(stream)), progress, phase, manifest.bytes.stored)
    if meter.sha256 != manifest.sha256:
        raise ArtifactError(
            f"The version of {record.name} that the bucket keeps is not what was written: its sha256 differs. Nothing was put "
            "back."
        )
