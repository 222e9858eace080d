"""Which runs there are, by their operation and by whose they are: lists in the broker that are bounded each.

One list for each owner, and of questions for each who asks: however much somebody else does beside us, our last run of a
kind stays in sight, and a preview that somebody looks at is not pushed out by others'.
"""

from collections.abc import Callable, Iterator
from heapq import merge
from typing import Any

from pydantic import ValidationError

from worker.broker import bounded, connection
from worker.runs import operations
from worker.runs.ownership import UNKNOWN, Whose, dump, load, whose
from worker.runs.run import Run

OWNERS = 50
"""The most owners of one operation that are remembered, and as many again that only shells have."""
FIRST_PAGE, PAGE = 10, 200
"""Most callers want only the newest."""

MOST_UNFINISHED = 1000
"""The most unfinished runs that are read; of more, a random choice."""
UNFINISHED = connection.PREFIX + "runs:unfinished"
_RUNS = connection.PREFIX + "runs"
_PLANNED = "planned:"

# The lists of a version without owners become those of the unknown owner, before anything else is listed.
_TAKE_OVER = """
if redis.call('EXISTS', KEYS[1]) == 0 and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('ZUNIONSTORE', KEYS[3], 1, KEYS[2])
  redis.call('ZADD', KEYS[1], 0, ARGV[1])
end
"""


def run_key(identity: str) -> str:
    """Where a run is remembered."""
    return f"{connection.PREFIX}run:{identity}"


def loaded(text: bytes | None) -> Run | None:
    """The run as it is remembered; None where nothing is, or nothing that can be read."""
    try:
        return None if text is None else Run.model_validate_json(text)
    except ValidationError:
        return None


def add(pipe: Any, run: Run) -> None:
    """List it, with commands of that pipeline, whose last answers are for `forget_beyond`."""
    mine, at = whose(run), run.queued_at.timestamp()
    pipe.zadd(_RUNS, {run.id: at})
    for family in _families(run):
        pipe.eval(_TAKE_OVER, 3, _owners(family), _all(family), _of(family, UNKNOWN), dump(UNKNOWN))
        # While it waited its owner was unknown.
        pipe.zrem(_waiting(family, run), run.id)
        for index, member in ((_of(family, mine), run.id), (_all(family), run.id), (_owners(family), dump(mine))):
            pipe.zadd(index, {member: at})
    for family in _families(run):
        pipe.zrange(_of(family, mine), 0, -1 - operations.of(run.operation).kept)
        pipe.zrange(_owners(family), 0, -1)


def forget_beyond(client: Any, run: Run, answers: list[Any]) -> None:
    """Forget what is too much now that this run is listed: its owner's oldest runs, and owners that were not heard of
    for longest.
    """
    families = _families(run)
    counts = answers[-2 * len(families) :]
    for family, over, known in zip(families, counts[::2], counts[1::2], strict=True):
        owners = [owner for text in known if (owner := load(text))]
        # Owners of shells are counted apart, so that they push out none of ours.
        alike = [owner for owner in owners if (owner.host is None) == (whose(run).host is None)]
        _forget(client, family, whose(run), over)
        for owner in alike[:-OWNERS]:
            _forget(client, family, owner, client.zrange(_of(family, owner), 0, -1))
            client.zrem(_owners(family), dump(owner))


def _forget(client: Any, family: str, owner: Whose, ids: list[bytes]) -> None:
    if ids and operations.of(family).asks:
        needed = _needed(client)
        ids = [identity for identity in ids if identity.decode(errors="replace") not in needed]
    if not ids:
        return
    texts = bounded.records(client, [run_key(identity.decode(errors="replace")) for identity in ids])
    with client.pipeline(transaction=True) as pipe:
        pipe.zrem(_of(family, owner), *ids)
        for text in texts:
            run = loaded(text)
            # A run that was tried again elsewhere has another owner by now.
            if run is not None and family == run.operation and whose(run) == owner:
                remove(pipe, run)
                pipe.delete(run_key(run.id))
        pipe.execute()


def _needed(client: Any) -> set[str]:
    """The previews that restores name which wait or run."""
    unfinished = client.srandmember(UNFINISHED, MOST_UNFINISHED)
    texts = bounded.records(client, [run_key(identity.decode(errors="replace")) for identity in unfinished])
    return {str(run.arguments.get("preview")) for text in texts if (run := loaded(text)) is not None}


def remove(pipe: Any, run: Run) -> None:
    """Take it off every list."""
    pipe.zrem(_RUNS, run.id)
    for family in _families(run):
        for index in (_all(family), _of(family, whose(run)), _waiting(family, run)):
            pipe.zrem(index, run.id)
    pipe.srem(UNFINISHED, run.id)


def each(client: Any, operation: str | None = None) -> Iterator[Run]:
    """All runs, of one operation if that is said, newest first; read from the broker as they are taken."""
    return _listed(client, _all(operation) if operation else _RUNS)


def of(client: Any, operation: str, ours: Callable[[Whose], bool]) -> Iterator[Run]:
    """The runs of one operation whose owners are `ours`, newest first."""
    with connection.translated():
        owners = [owner for name in bounded.names(client, _owners(operation), 0, 2 * OWNERS) if (owner := load(name))]
    if not owners:
        return (run for run in each(client, operation) if ours(whose(run)))
    lists = [_listed(client, _of(operation, owner), owner) for owner in owners if ours(owner)]
    return merge(*lists, key=lambda run: run.queued_at, reverse=True)


def planned(client: Any, entry: str, ours: Callable[[Whose], bool]) -> Iterator[Run]:
    """The runs that this entry of the schedule asked for, of `ours`, newest first."""
    return of(client, _PLANNED + entry, ours)


def _listed(client: Any, index: str, owner: Whose | None = None) -> Iterator[Run]:
    """The runs of an index, without those that have another owner by now."""
    start, size = 0, FIRST_PAGE
    while True:
        with connection.translated():
            ids = bounded.names(client, index, start, start + size - 1)
            texts = bounded.records(client, [run_key(identity.decode(errors="replace")) for identity in ids])
        runs = (run for text in texts if (run := loaded(text)) is not None)
        yield from (run for run in runs if owner in (None, whose(run)))
        if len(ids) < size:
            return
        start, size = start + size, PAGE


def _families(run: Run) -> list[str]:
    entry = run.asker.entry
    return [run.operation, _PLANNED + entry] if entry else [run.operation]


def _all(family: str) -> str:
    return f"{_RUNS}:{family}"


def _owners(family: str) -> str:
    return f"{_RUNS}:{family}:owners"


def _waiting(family: str, run: Run) -> str:
    return _of(family, UNKNOWN._replace(asker=whose(run).asker))


def _of(family: str, owner: Whose) -> str:
    return f"{_RUNS}:{family}:of:{dump(owner)}"
