"""How what was asked for stands: results, and the runs that are remembered."""

from itertools import islice
from typing import Any

from web import activity, jobs, readings
from web.api.blueprint import api, faults
from web.api.schemas import Issued, Outcome, RunList, RunsPage, ShownRun, told
from web.auth import needs
from worker.config.address import spelt
from worker.config.settings import load_web
from worker.runs.run import Run
from worker.runs.store import Ours, open_runs


@api.get("/result/<result_id>", responses={200: Outcome, **faults(404)})
@needs("read")
def result(path: Issued) -> dict[str, Any]:
    """What became of a task."""
    found = jobs.outcome(path.result_id)
    readings.shown(found)
    return told(found)


@api.get("/runs", responses={200: RunList})
@needs("read")
def runs(query: RunsPage) -> dict[str, Any]:
    """What was done, is being done and waits, newest first; of everybody whom the broker serves, unless `ours` says."""
    start, end = query.bounds
    with open_runs(load_web(), jobs.BROKER_SECONDS) as remembered:
        operation, ours = query.operation, remembered.ours
        listed = ours.each(operation) if query.ours and operation else remembered.each(operation)
        fitting = (one for one in listed if _fits(one, query, ours))
        found = [_shown(one, ours) for one in islice(fitting, start, end + 1)]
    shown = [one.model_copy(update={"log": []}) for one in found[: query.per_page]]
    readings.shown(*shown)
    more = len(found) > query.per_page
    return RunList(runs=shown, page=query.page, per_page=query.per_page, more=more).model_dump(mode="json")


def _fits(run: Run, query: RunsPage, ours: Ours) -> bool:
    source = spelt(run.source or "")
    return query.state in (None, run.state) and query.source in (None, source) and query.ours in (None, ours.has(run))


def _shown(run: Run, ours: Ours) -> ShownRun:
    return ShownRun(**activity.as_seen(run, ours).model_dump(), ours=ours.has(run))


@api.get("/runs/<result_id>", responses={200: ShownRun, **faults(404)})
@needs("read")
def run(path: Issued) -> dict[str, Any]:
    """All that is known of one run, with its log."""
    found = jobs.outcome(path.result_id)
    with open_runs(load_web(), jobs.BROKER_SECONDS) as remembered:
        one = _shown(found, remembered.ours)
    readings.shown(one)
    return one.model_dump(mode="json")
