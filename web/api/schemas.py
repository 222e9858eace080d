"""What the calls of the API take and answer, as its document describes them; a task's arguments are the task's own."""

from datetime import datetime
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator

from worker.alerts.memory import Alert, Silence
from worker.arguments.backups import BackupArguments, Keeping, PruneArguments, Reason
from worker.arguments.places import Address as StorageAddress
from worker.arguments.questions import TimelineArguments
from worker.arguments.schedule import ScheduleArguments
from worker.arguments.stream import HappenedArguments
from worker.broker.choices.origins import Row
from worker.config.address import Address
from worker.config.schedule.plan import Value
from worker.errors import Risk
from worker.repository.catalogue import Damaged
from worker.repository.copies.standing import Standing
from worker.repository.manifest import Manifest
from worker.repository.trash import Trashed
from worker.runs.operations import Name
from worker.runs.run import Run, State

PER_PAGE, MOST_PER_PAGE = 50, 200
WHY_NO_VALUES = "Why `rows` are null in its value; null where they are not."
# A key of flask-openapi3's own, that pydantic hands through: the body may be left out.
_OPTIONAL = cast(ConfigDict, {"openapi_extra": {"required": False}})


def _header(kind: str, description: str) -> dict[str, Any]:
    return {"description": description, "required": True, "schema": {"type": kind}}


# Of HTTP's own: how long somebody who tried too often has to wait.
TOO_MANY: dict[str, Any] = {
    "description": "Too many tries",
    "headers": {"Retry-After": _header("integer", "After how many seconds it can be tried again.")},
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class Queued(BaseModel):
    """A task was asked for; the header Location says where its outcome will be."""

    model_config = cast(
        ConfigDict, {"openapi_extra": {"headers": {"Location": _header("string", "Where its outcome will be.")}}}
    )

    result_id: str


class BackupBody(BackupArguments):
    """What a backup may be told; what is left out comes from the settings."""

    model_config = _OPTIONAL


class TimelineBody(TimelineArguments):
    """Which keys are followed, or all; through how many backups."""

    model_config = _OPTIONAL


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class HappenedBody(HappenedArguments):
    """Of which span, and whether by prefix as well."""

    model_config = _OPTIONAL


class PruneBody(PruneArguments):
    """How many backups to keep (default: as the settings say), and whether only to say what would go."""

    # So that `"dry_run": 0` is an error and not a real run; but JSON has one kind of numbers.
    model_config = ConfigDict(**_OPTIONAL, strict=True)

    _numbers = field_validator(*Keeping.model_fields, mode="before")(_whole)


class ScheduleBody(ScheduleArguments):
    """All that is to be chosen; what is left out goes back to its default."""

    # As above: `"revision": false` is no number.
    model_config = ConfigDict(strict=True)

    _numbers = field_validator(*Keeping.model_fields, "revision", "gives_up", mode="before")(_whole)


class PinBody(BaseModel):
    """Why it is kept."""

    model_config = ConfigDict(extra="forbid")

    why: Reason = Field(description="One line, shown wherever the backup is.")


class Named(BaseModel):
    """Of a backup."""

    name: str = Field(max_length=200, description="In full, such as `redis_backup_20231205_143022.rdb.zst`.")


class Whence(BaseModel):
    """Where to read a backup."""

    model_config = ConfigDict(extra="forbid")

    storage: StorageAddress | None = Field(
        default=None,
        description="BACKUP_STORAGE or one of BACKUP_COPIES; wherever it lies, at home first, where none is said.",
    )


class Issued(BaseModel):
    """Of a run."""

    result_id: str = Field(max_length=200, description="As it was told when the task was asked for.")


class Page(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(default=1, ge=1, le=1_000_000)
    per_page: int = Field(default=PER_PAGE, ge=1, le=MOST_PER_PAGE)

    @property
    def bounds(self) -> tuple[int, int]:
        """The first one, and the first of the next page."""
        return (self.page - 1) * self.per_page, self.page * self.per_page


class RunsPage(Page):
    """Which runs."""

    operation: Name | None = None
    state: State | None = None
    source: Address | None = Field(default=None, max_length=300, description="Its address, such as `127.0.0.1:6379`.")
    ours: bool | None = Field(default=None, description="Only those that are ours, or only those of others.")


class BackupList(BaseModel):
    """Backups, newest first, and what is wrong in storage, in sentences."""

    backups: list[Manifest]
    page: int
    per_page: int
    total: int
    seen_at: datetime | None = Field(
        default=None,
        description="When the storage was looked into, where that was not right now: up to 30 seconds ago.",
    )
    alarms: list[str] = Field(
        description="What somebody else has done who can write there: forged, put there, removed."
    )
    problems: list[str]
    damaged: list[Damaged] = Field(
        description="Backups whose manifest is not what was written: neither read nor pruned."
    )
    warnings: list[str] = Field(description="What is to be known of backups that are good.")
    trash: list[Trashed] = Field(
        description="This page of what was deleted and can be put back; without a manifest where that is damaged."
    )
    trash_total: int
    where: dict[str, list[str]] = Field(
        description="By name the storages in which a backup lies, of this page and of `elsewhere`; of others than "
        "BACKUP_STORAGE as they were seen last."
    )
    elsewhere: list[Manifest] = Field(description="Backups that lie in other storages only, the newest 200.")
    copies: list[Standing] = Field(description="How it stands in each of the other storages (BACKUP_COPIES).")


class AlertList(BaseModel):
    """What is wrong, the worst first, and what was, the last first."""

    alerts: list[Alert] = Field(description="What is open; what is silenced is among it.")
    silences: dict[str, Silence] = Field(description="By the key of an alert: until when nobody is told of it.")
    history: list[Alert]
    seen_at: datetime | None = Field(description="When a worker last looked; null where none has.")
    page: int
    per_page: int


class Schedule(BaseModel):
    """When backups are made, and how many are kept."""

    revision: int = Field(description="How often it was changed; whoever changes it says which one they have seen.")
    problem: str | None = Field(description="Why these may not be what was chosen last; null where they are.")
    settings: list[Row]
    next_daily: datetime
    changes: dict[str, tuple[Value, Value]] = Field(default={}, description="What was changed, from and to.")
    gives_up: list[str] = Field(default=[], description="The backups that the next prune deletes by it.")


class ShownRun(Run):
    """A run; of one that is not ours without its log, and without what it read from data."""

    ours: bool = Field(description="Whether it is about our source, one of its targets, or our storage.")
    why_no_values: str | None = Field(description=WHY_NO_VALUES)


class RunList(BaseModel):
    """Runs, newest first, without their logs."""

    runs: list[ShownRun]
    page: int
    per_page: int
    more: bool = Field(description="Whether there is a next page.")


class Numbers(BaseModel):
    """The numbers on the dashboard: of this source the newest, the oldest and the ages, of all in storage the rest."""

    count: int
    bytes: int
    ahead: list[str] = Field(description="Backups that are dated in the future: they count for nothing.")
    newest: str | None
    oldest: str | None
    last_good_at: str | None
    last_good_age_seconds: float | None
    compression_ratio: float | None
    history: list[dict[str, Any]] = Field(description="Each of the last 1,000 backups, oldest first.")
    next_runs: dict[str, str]
    storage: dict[str, Any]
    alarms: list[str] = Field(description="What somebody else has done who can write into the storage.")
    signing: dict[str, Any] = Field(
        description="The public `key` that is signed with here, and those that are `trusted`."
    )
    problems: list[str]
    warnings: list[str]
    copies: list[dict[str, Any]] = Field(description="How it stands in each of the other storages (BACKUP_COPIES).")
    source: dict[str, Any]
    broker: dict[str, Any]


class Outcome(BaseModel):
    """How far a run has come. A failed one is told with its error, and is no error of the call."""

    state: Literal["PENDING", "STARTED", "PROGRESS", "RETRY", "SUCCESS", "FAILURE", "INTERRUPTED", "CANCELLED"]
    ready: bool = Field(description="Whether it has ended.")
    successful: bool
    progress: dict[str, Any] | None = Field(description="`{phase, current, total, unit, rate}` of a run under way.")
    value: Any = Field(description="What the task returned; of a preview and a version of a key `rows` are the values.")
    why_no_values: str | None = Field(description=WHY_NO_VALUES)
    error: str | None = Field(description="Why it failed; while it is tried again, why the attempt before did.")
    risk: Risk | None = Field(description="Of a restore that was refused: what it would risk with `force`.")
    attempt: int = Field(description="Which attempt this is, or in RETRY the next one will be; the first is 1.")
    attempts: int = Field(description="How often it is tried at the most.")
    due_at: datetime | None = Field(description="In RETRY: when the next attempt is due.")


def as_json(run: Run, why_no_values: str | None) -> dict[str, Any]:
    """A run as an Outcome."""
    under_way = run.state == "STARTED" and run.progress is not None
    outcome = Outcome(
        state="PROGRESS" if under_way else run.state,
        ready=run.ended,
        successful=run.state == "SUCCESS",
        progress=run.progress if under_way else None,
        value=run.value,
        why_no_values=why_no_values,
        error=run.error,
        risk=run.risk,
        attempt=run.number,
        attempts=run.attempts,
        due_at=run.due_at if run.state == "RETRY" else None,
    )
    return outcome.model_dump(mode="json")
