"""What somebody names, at hand: a backup, wherever it lies, or a moment of the source, which is made one for as long."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from worker.arguments import moments as naming
from worker.arguments.moments import Meant, is_moment, meant
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError, NotFoundError, UsageError
from worker.progress import Progress
from worker.repository.catalogue import ANY
from worker.repository.copies.found import Found, find
from worker.repository.manifest import Manifest, Scope
from worker.runs.store import open_runs
from worker.segments import moments
from worker.segments.chain import stretches
from worker.segments.moments import Wanted
from worker.segments.playing.made import kept, key_of, made, shelf_of
from worker.segments.recording import Recording

_DAY = 24 * 3600
"""In seconds."""
_UNSEEN = timedelta(minutes=1)
"""For how long nobody may have seen the stream before a run that ended it."""


@contextmanager
def held(settings: Settings, name: str, scope: Scope, address: str | None, progress: Progress) -> Iterator[Found]:
    """The backup of that name, as `find` has it; or a moment, as a backup that is there until the end of the block.

    Raises what `find` raises, and for a moment what `made` does; NotFoundError names the nearest ones where there is none such.
    """
    if not is_moment(name):
        yield find(settings, name, scope, address)
        return
    if address is not None:
        raise UsageError("A moment is made here, of the backups and the stream at home: leave out where to read it.")
    with ExitStack() as block:
        try:
            recorded = recording(settings, name)
        except NotFoundError:
            # What was restored is kept for longer than its chain: without it nobody could undo that.
            said = meant(name)
            moment = block.enter_context(kept(settings, said.offset or -1, said.history))
            if moment is None:
                raise
        else:
            moment = block.enter_context(made(settings, recorded, progress))
        yield moment


def keep(settings: Settings, name: str, address: str | None, days: int) -> None:
    """See to it that what was restored is there for as long as it may be undone. NotFoundError where it has just gone."""
    if is_moment(name):
        shelf_of(settings).keep(key_of(recording(settings, name)), days * _DAY)
    else:
        # A prune that began before there was an undo did not know that the undo needs the backup.
        find(settings, name, ANY, address)


def recording(settings: Settings, name: str | None) -> Recording:
    """What that moment is made of, or the last one that there is. Raises NotFoundError, UsageError and StorageError."""
    said = Meant() if name is None else meant(name)
    if said.before is not None and (began := _began(settings, said.before)) is not None:
        return _before_it_began(settings, began)
    return moments.find(settings, Wanted(said.at, said.offset, said.before, said.history))


def known_as(name: str, manifest: Manifest) -> str:
    """What leads to the same again: the name of the backup, or the exact place of the moment in the stream."""
    source = manifest.source
    return naming.at_offset(source.replication_offset, source.replication_id) if is_moment(name) else manifest.name


def _before_it_began(settings: Settings, began: datetime) -> Recording:
    """The last moment by then. What a run does to the source may end its stream, as a mirror that is loaded as one file does:
    then the last visit before counts, and the moment is less exact by the time in between.
    """
    try:
        return moments.find(settings, Wanted(at=began))
    except NotFoundError:
        ends = [datetime.fromtimestamp(chain.until / 1000, UTC) for chain in stretches(settings)[0] if chain.bases]
        end = max((end for end in ends if timedelta() <= began - end <= _UNSEEN), default=None)
        if end is None:
            raise
    recorded, unseen = moments.find(settings, Wanted(at=end)), (began - end).total_seconds()
    return replace(recorded, accuracy_seconds=round(recorded.accuracy_seconds + unseen, 3))


def _began(settings: Settings, run: str) -> datetime | None:
    """When the run of that id began; None where there is none."""
    with suppress(BrokerUnavailableError), open_runs(settings) as runs:
        known = runs.get(run)
        return known.started_at if known else None
    return None
