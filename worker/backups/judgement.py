"""What a backup is worth, judged when its source was read to the end: are keys missing, is it a part, was it stale."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from worker.backups.plan import Plan
from worker.errors import BackupSystemError
from worker.formats.entries import EntryStream
from worker.formats.tally import Tally
from worker.repository.writer import contents
from worker.server import slots
from worker.server.endpoint import BROKER, Endpoint
from worker.server.info import read_facts

_SLOTS_SHOWN = 100


def judged(plan: Plan, stream: EntryStream, tally: Tally, broker_url: str) -> dict[str, Any]:
    """The fields of its manifest. SourceUnavailableError where it is not worth keeping, or of another server."""
    source = plan.source
    source.check_sender(plan.facts)
    missing = source.missing({db: sum(kinds.values()) for db, kinds in tally.by_db.items()})
    part, stale, uncounted = _part(plan), source.stale(plan.facts), _uncounted(stream, tally)
    sentences = [f"It is partial: {missing}." if missing else None, part, stale]
    sentences.append(f"Its keys could not be counted: {uncounted}." if uncounted else None)
    counted = contents(stream, tally, plan.format)
    return counted | {
        "kind": "partial" if missing else "part" if part else "backup",
        "keys": None if uncounted else tally.keys,
        "prefixes": None if uncounted else tally.prefixes.largest(),
        "consistency": source.consistency,
        "engine": source.engine,
        "engine_reason": plan.choice.reason,
        "source": plan.origin,
        "memory": plan.facts.used_memory or None,
        "warnings": [
            *filter(None, sentences),
            *plan.choice.warnings,
            *source.warnings,
            *_circumstances(plan, broker_url),
        ],
    }


def _part(plan: Plan) -> str | None:
    """Why a backup is only one of several that make a whole, as sentences; None where the source has all the keys."""
    if not plan.facts.cluster:
        return None
    had, has = plan.slots, slots.of_node(plan.endpoint)
    if had is None or has is None:
        clause = "does not tell which slots it has, for which this user needs +cluster|nodes"
    elif had != has:
        clause = f"had other slots when this began ({had[:_SLOTS_SHOWN]}) than when it ended ({has[:_SLOTS_SHOWN]})"
    elif (number := slots.count(had)) == slots.ALL:
        return None
    else:
        clause = f"has {number:,} of the {slots.ALL:,} slots ({had[:_SLOTS_SHOWN]})"
    return (
        f"It is a part: the source at {plan.endpoint.address} is one node of a cluster and {clause}. Back up each of the other "
        "nodes by its own address."
    )


def _uncounted(stream: EntryStream, tally: Tally) -> str | None:
    """Why its keys could not all be counted. Keys of unknown types are kept, but we cannot restore them."""
    if stream.unreadable:
        return stream.unreadable
    # Where entries carry values, each unknown one is a whole payload, which a target takes.
    number = 0 if stream.rdb_version is None else tally.unknown
    return f"{number:,} of them are of a type that this program does not know" if number else None


def _circumstances(plan: Plan, broker_url: str) -> Iterator[str]:
    """Warnings about the server, in sentences."""
    if plan.endpoint.wants_replica and plan.facts.role == "master":
        yield "No healthy replica was there, which REDIS_URL asks for (role=replica), so the primary was read."
    if not sum(plan.facts.keys.values()):
        yield "The source held no key at all."
    # A broker that is away is no reason to fail: the shell works without one.
    with suppress(BackupSystemError):
        if read_facts(Endpoint(broker_url, BROKER)).run_id == plan.facts.run_id:
            yield "The broker runs on the source: when that Redis is lost, so is the queue that should restore it."
