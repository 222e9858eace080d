"""How what was asked for stands: results, and the runs that are remembered."""

from itertools import islice
from typing import Any

from web import activity, jobs, quoted, readings
from web.api.blueprint import api, faults
from web.api.schemas import Issued, Outcome, RunList, RunsPage, ShownRun, as_json
from web.auth import needs
from worker.config.address import spelt
from worker.config.settings import load_web
from worker.runs.run import Run
from worker.runs.store import Ours, open_runs
from worker.runs.values import parted


@api.get("/result/<result_id>", responses={200: Outcome, **faults(404)})
@needs("read")
def result(path: Issued) -> dict[str, Any]:
    """What became of a task."""
    run, why_no_values = quoted.opened(jobs.outcome(path.result_id))
    readings.shown(run)
    return as_json(run, why_no_values)


@api.get("/runs", responses={200: RunList})
@needs("read")
def runs(query: RunsPage) -> dict[str, Any]:
    """What was done, is being done and waits, newest first; of everybody whom the broker serves, unless `ours` says."""
    start, end = query.bounds
    with open_runs(load_web(), jobs.BROKER_SECONDS) as remembered:
        operation, ours = query.operation, remembered.ours
        listed = ours.each(operation) if query.ours and operation else remembered.each(operation)
        fitting = (run for run in listed if _fits(run, query, ours))
        page = [_shown(run, ours, quoted.LISTED if run.values else None) for run in islice(fitting, start, end + 1)]
    shown = [run.model_copy(update={"log": [], "value": parted(run.value)[0]}) for run in page[: query.per_page]]
    more = len(page) > query.per_page
    return RunList(runs=shown, page=query.page, per_page=query.per_page, more=more).model_dump(mode="json")


def _fits(run: Run, query: RunsPage, ours: Ours) -> bool:
    source = spelt(run.source or "")
    return query.state in (None, run.state) and query.source in (None, source) and query.ours in (None, ours.has(run))


def _shown(run: Run, ours: Ours, why_no_values: str | None = None) -> ShownRun:
    seen = activity.as_seen(run, ours)
    return ShownRun(**seen.model_dump(), ours=ours.has(run), why_no_values=why_no_values)


@api.get("/runs/<result_id>", responses={200: ShownRun, **faults(404)})
@needs("read")
def run(path: Issued) -> dict[str, Any]:
    """All that is known of one run, with its log."""
    outcome, why_no_values = quoted.opened(jobs.outcome(path.result_id))
    with open_runs(load_web(), jobs.BROKER_SECONDS) as remembered:
        shown = _shown(outcome, remembered.ours, why_no_values)
    readings.shown(shown)
    return shown.model_dump(mode="json")
