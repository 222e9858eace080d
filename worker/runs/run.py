"""One run, from queued to its end: who asked for what, how far it is, and what became of it."""

import getpass
import hashlib
import json
import socket
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, field_validator

from worker.broker.process import Process
from worker.errors import Risk
from worker.repository.behalf import Asker
from worker.runs.values import Fate

State = Literal["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "INTERRUPTED", "CANCELLED"]
"""Celery's words, and two of ours. INTERRUPTED: it was killed, and nobody knows how it ended. CANCELLED: somebody ended it."""
FINAL = frozenset({"SUCCESS", "FAILURE", "INTERRUPTED", "CANCELLED"})

KEPT_CHARACTERS = 50_000
"""Keys in a list: a longer list is remembered in brief."""
KEYS_NAMED, KEY_CHARACTERS = 3, 80


class Run(BaseModel):
    """One run of one operation; its times are in UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    operation: str
    """One of `operations`, or of those of another version."""
    arguments: dict[str, Any] = {}
    asked_by: str = "unknown"
    """Such as `admin`, `token ci`, `beat daily`, `shell root@host`."""
    state: State = "PENDING"
    attempt: int = 0
    """How many times it was tried again."""
    attempts: int = 1
    """How often it is tried at the most."""
    waited: int = 0
    """How many of those times it only waited for somebody else."""
    repeats: str | None = None
    """The run that was killed, and in whose place this one is."""
    worker: str | None = None
    process: Process | None = None
    """The process that runs it, where that is known."""
    source: str | None = None
    """The address of its source; None until it begins, and of runs that an older version remembered."""
    databases: tuple[int, ...] | None = None
    """Of a backup: of which databases; None for all."""
    target: str | None = None
    """Where a restore, a preview or an undo goes: the address of that server."""
    storage: str | None = None
    """Where the backups lie that it is about, as `host:/folder`."""
    queued_at: AwareDatetime
    due_at: AwareDatetime
    """When it is to begin: at once, or later when it is tried again."""
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    progress: dict[str, Any] | None = None
    """`{phase, current, total, unit, rate}`; `total` and `rate` may be None."""
    value: Any = None
    """What the operation returned, but for values of keys, in whose place there is null."""
    values: Fate | None = None
    """What became of those; None where there were none."""
    error: str | None = None
    """One sentence, without secrets; while it is tried again, that of the attempt before."""
    outside: str | None = None
    """The same as somebody may hear who is not to know what lies in the source; None where nobody has said it so."""
    risk: Risk | None = None
    """Of a restore that was refused, or stopped: what it would risk with `force`, which would go on."""
    log: list[dict[str, Any]] = []
    """Its structured log lines, the last ones."""

    @field_validator("progress")
    @classmethod
    def _if_known(cls, progress: dict[str, Any] | None) -> dict[str, Any] | None:
        """None for a progress of another shape than operations report."""
        counts = [(progress or {}).get(name) for name in ("current", "total", "rate")]
        texts = [(progress or {}).get(name) for name in ("phase", "unit")]
        fit = all(isinstance(value, float | int | None) for value in counts) and all(
            isinstance(value, str | None) for value in texts
        )
        return progress if fit else None

    @field_validator("log")
    @classmethod
    def _as_logged(cls, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The lines of a log, without anything else."""
        return [line for line in lines if isinstance(line.get("timestamp"), str) and isinstance(line.get("event"), str)]

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in FINAL

    @property
    def number(self) -> int:
        """Which attempt it is, or in RETRY the next one will be; the first is 1."""
        # For a moment the next attempt is decided and not queued yet.
        ahead = self.state == "RETRY" and self.started_at is not None and self.due_at <= self.started_at
        return self.attempt + 1 + ahead

    @property
    def troubled(self) -> bool:
        """Whether an attempt has failed, and the next has not got anywhere so far."""
        return self.error is not None and (self.state == "RETRY" or (self.state == "STARTED" and not self.progress))

    @property
    def of_shell(self) -> bool:
        """Whether somebody waits for it at a shell, with settings of their own."""
        return self.asker.kind == "shell"

    @property
    def asker(self) -> Asker:
        """Who asked for it, as data."""
        return Asker.parse(self.asked_by)

    @property
    def skipped(self) -> bool:
        """Whether it found that there was nothing to do, and says why; a restore counts what it skipped."""
        why = self.value.get("skipped") if isinstance(self.value, dict) else None
        return self.state == "SUCCESS" and isinstance(why, str)

    @property
    def tells(self) -> bool:
        """Whether its end is news about its subject: it had something to do, and was not cancelled."""
        return self.ended and not self.skipped and self.state != "CANCELLED"

    @property
    def seconds(self) -> float | None:
        """From its start to its end; None before that."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


def here() -> str:
    """Who runs this process, as `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"  # a container may run under a number without a name
    return f"{user}@{socket.gethostname()}"


def new(identity: str, operation: str, arguments: dict[str, Any], asked_by: str) -> Run:
    """A run that is about to be queued. What its arguments hold that is no JSON or no text is replaced."""
    now, plain = datetime.now(UTC), json.dumps(arguments, default=str, ensure_ascii=False).encode(errors="replace")
    remembered = brief(json.loads(plain))
    return Run(id=identity, operation=operation, arguments=remembered, asked_by=asked_by, queued_at=now, due_at=now)


def brief(arguments: dict[str, Any], characters: int = KEPT_CHARACTERS) -> dict[str, Any]:
    """The same arguments; a list of `keys` that is longer than that as a sentence, the same for the same keys.

    A run is written anew with every word of its progress, so it must not carry megabytes.
    """
    keys = arguments.get("keys")
    if not isinstance(keys, list) or sum(len(str(key)) for key in keys) <= characters:
        return arguments
    named = sorted({str(key) for key in keys})
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    some = ", ".join(key[:KEY_CHARACTERS] for key in named[:KEYS_NAMED])
    return {**arguments, "keys": f"{len(named):,} keys, such as {some} (sha256 of their list: {digest[:16]})"}
