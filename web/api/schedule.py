"""The schedule for scripts: read by all who may look, changed with a scope of its own."""

from typing import Any

from flask import g

from web import planned
from web.api.blueprint import api, faults
from web.api.schemas import Schedule, ScheduleBody
from web.auth import needs
from worker.backups.choosing import change
from worker.config.settings import load_web


@api.get("/schedule", responses={200: Schedule})
@needs("read")
def schedule() -> dict[str, Any]:
    """When backups are made and how many are kept: each setting of the schedule, as it counts, and who says so."""
    return _schedule()


@api.put("/schedule", responses={200: Schedule, **faults(409, 413, 415)})
@needs("schedule")
def change_schedule(body: ScheduleBody) -> dict[str, Any]:
    """Choose settings of the schedule, where the environment says nothing; what is left out goes back to its default.

    `revision` is the one that was seen: 409 where somebody else has changed it since. Where the next prune would delete by it
    what is kept now, that is 409 as well, and says what: `gives_up` agrees to so many. A token may not have less kept.
    """
    changed = change(load_web.said, body, g.identity.name)
    return _schedule() | {"changes": changed.changes, "gives_up": changed.gives_up}


def _schedule() -> dict[str, Any]:
    known = planned.planned()
    return Schedule(
        revision=known.standing.chosen.revision,
        problem=known.standing.problem,
        settings=known.rows,
        next_daily=planned.next_daily(),
    ).model_dump(mode="json")
