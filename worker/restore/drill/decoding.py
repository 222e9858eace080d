"""A backup that no server is given: read to its end, with every value decoded."""

from typing import NamedTuple

from worker.formats.allowance import Allowance
from worker.progress import Progress, reported
from worker.repository import artifact
from worker.repository.sound import survey
from worker.restore.selection.plan import Plan


class Decoded(NamedTuple):
    """What could be."""

    keys: int
    differs: list[str]


def decode(plan: Plan, progress: Progress) -> Decoded:
    """FormatError where its structure is broken."""
    manifest = plan.manifest
    chunks = reported(plan.chunks(), progress, "decoding", manifest.bytes.raw)
    seen = survey(
        artifact.examiner(chunks, manifest.data_format), Allowance.adopted(manifest.bytes.raw, manifest.max_size)
    )
    differs = []
    if seen.damage.number > manifest.damaged:
        differs.append(f"It can be read, but {seen.damage.words_without_keys}.")
    if manifest.kind != "adopted" and seen.tally.by_db != manifest.keys_by_db:
        differs.append("The keys by database and type are not those of the manifest.")
    return Decoded(seen.tally.keys - seen.damage.number, differs)
