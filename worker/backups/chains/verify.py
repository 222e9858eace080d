"""Is a chain whole: does a server that loads it hold what the source was seen to hold."""

import time
from typing import Any

import structlog

from worker.arguments.backups import VerifyArguments
from worker.arguments.moments import at_offset
from worker.config.settings import Settings
from worker.errors import ArtifactError, UsageError
from worker.progress import Progress
from worker.repository.signing.trust import trust_of
from worker.restore.selection.held import recording
from worker.segments.playing.made import played, shelf_of, words
from worker.segments.playing.noted import last_noted
from worker.server.info import info, keyspace
from worker.server.wire import Wire

log = structlog.get_logger()


def verify_chain(settings: Settings, arguments: VerifyArguments, progress: Progress) -> dict[str, Any]:
    """Play the chain up to that moment, or rather to the last place before it where a visit noted the number of keys, and count.

    ArtifactError where the numbers differ, or the base or a segment is not what was written; else as for any moment.
    """
    clock = time.monotonic()
    if arguments.storage is not None:
        raise UsageError("A chain is verified as it lies at home: leave out where to read it.")
    recorded, expected = last_noted(settings, recording(settings, arguments.name))
    base, name = recorded.base, at_offset(recorded.offset, recorded.history)
    with (
        shelf_of(settings).workspace() as place,
        played(settings, recorded, place / "chain", progress) as scratch,
        scratch.endpoint.translated("counting its keys"),
        Wire(scratch.endpoint) as wire,
    ):
        there = {db: numbers["keys"] for db, numbers in keyspace(info(wire, b"keyspace")).items()}
    if there != {db: number for db, number in expected.items() if number}:
        raise ArtifactError(
            f"The chain from {base.name} is not what the source sent: played to offset {recorded.offset} it gives "
            f"{_said(there)}, and the source had {_said(expected)}. Make a new backup, so that a new chain begins.",
            of=base.name,
        ).plain()
    seconds, keys = round(time.monotonic() - clock, 3), sum(there.values())
    log.info("chain_verified", name=name, base=base.name, keys=keys, seconds=seconds)
    trust = trust_of(settings, recorded.storage)
    return {
        "name": name,
        "where": str(recorded.storage),
        "keys": keys,
        "bytes": base.bytes.stored,
        "sha256": base.sha256,
        "signer": base.signer,
        "signature": trust.word(base),
        "contents": True,
        "warnings": [words(recorded), *trust.strangers([base])],
        "seconds": seconds,
    }


def _said(keys: dict[int, int]) -> str:
    numbers = [f"{number:,} keys in database {db}" for db, number in sorted(keys.items()) if number]
    return " and ".join(numbers) or "no key"
