"""One run as it goes: begun, alive, told of, ended; the same for a task and for a verb of the shell.

What is remembered must never fail or slow the work: for its end only, a broker that is away is waited for.
"""

import gc
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from worker import logs
from worker.broker import audit
from worker.broker.lease import LEASE_SECONDS, PATIENCE_SECONDS, RENEWALS, renewed
from worker.broker.process import this_process
from worker.config.settings import Settings
from worker.errors import (
    BackupSystemError,
    BrokerUnavailableError,
    BusyError,
    CancelledError,
    LostError,
    StoppedError,
)
from worker.progress import Progress
from worker.repository.behalf import acting_for
from worker.runs import operations, ownership, values
from worker.runs.cancelling import Cancelling
from worker.runs.reporter import Meta, Reporter
from worker.runs.run import Run, State, brief
from worker.runs.store import open_runs

AUDITED = 1000
"""Characters of a list of keys in the audit log: thousands of its lines are kept."""

Verb = Callable[[Progress], dict[str, Any]]
Check = Callable[[dict[str, Any]], None]

GC_THRESHOLD = 50_000
"""New objects before Python looks for cycles among them; its default is 700."""
SESSION_NICE = "10"
"""The weight of a run's own session: a tenth of the processor time of another one."""


def accepted(_: dict[str, Any]) -> None:
    """Any result is a success."""


class Recording:
    """What the broker is told of one run.

    `tried_again` says of an error whether the run is to begin once more; `also` hears of the progress, once a second. A
    broker that is away at the end is waited for, `patience` seconds.
    """

    def __init__(
        self,
        settings: Settings,
        run: Run,
        *,
        patience: float = PATIENCE_SECONDS,
        tried_again: Callable[[BackupSystemError], bool] = lambda _: False,
        also: Callable[[Meta], None] = lambda _: None,
    ) -> None:
        self.run, self.tried_again, self._also = run, tried_again, also
        self._settings, self._patience = settings, patience
        self._lines = logs.Lines()
        self._sealed: bytes | None = None
        self.cancelling = Cancelling(settings, run.id)
        self.given_up = False
        """Whether somebody else has ended this run, or begun it anew, so that nothing counts that it does here."""

    @contextmanager
    def alive(self, lines: logs.Lines) -> Iterator[None]:
        """Within the block it runs here; `lines` are its log events."""
        self._lines = lines
        where = f"{socket.gethostname()}:{os.getpid()}"
        unknown = dict.fromkeys(("progress", "value", "values", "ended_at", "risk"))
        subject = ownership.subject(self._settings, self.run.operation, self.run.arguments)
        begun = {"state": "STARTED", "started_at": datetime.now(UTC), "worker": where, "process": this_process()}
        self._change(**begun, **unknown, **subject)
        with suppress(BrokerUnavailableError):
            self._store()  # and the lease with it
        if self.given_up:
            raise LostError("This run was ended before it began here, so nothing was done.")
        with renewed(self._stay_alive, LEASE_SECONDS / RENEWALS), self.cancelling.looked_for():
            yield

    def understood(self, arguments: dict[str, Any]) -> None:
        """Remember the checked arguments in place of those that were sent."""
        self._change(arguments=brief(arguments))

    def tell(self, meta: Meta) -> None:
        """Remember how far it has come."""
        self._change(progress=meta)
        with suppress(BrokerUnavailableError):
            self._store()
        if not self.given_up:
            self._also(meta)

    def reached(self, meta: Meta) -> None:
        """Note how far it came; `end` stores it."""
        self._change(progress=meta)

    def end(self, state: State, *, value: Any = None, error: str | None = None, outside: str | None = None) -> None:
        """Remember how it ended, and wait for the broker. An end that somebody else has noted stays."""
        ended_at = None if state == "RETRY" else datetime.now(UTC)
        self._change(state=state, error=error, outside=outside, ended_at=ended_at, **self._result(value))
        self._store_patiently()
        run = self.run
        if operations.of(run.operation).writes and not run.skipped:
            outcome = "INTERRUPTED" if self.given_up else state
            whose = run.model_dump(mode="json", include=ownership.FIELDS, exclude_none=True)
            record = {"run": run.id, "arguments": brief(run.arguments, AUDITED), **whose}
            audit.record(self._settings, run.asked_by, run.operation, outcome, **record)

    def fail(self, error: BackupSystemError, value: Any) -> None:
        """Remember that it failed, and whether it is tried again: where that can help and nobody has cancelled it."""
        self.cancelling.look()
        again = not self.given_up and self.cancelling.by is None and self.tried_again(error)
        if again and isinstance(error, BusyError):
            self._change(waited=self.run.waited + 1, attempts=self.run.attempts + 1)
        self._change(risk=error.risk)
        self.end("RETRY" if again else "FAILURE", value=value, error=str(error), outside=error.outside)

    def _result(self, value: Any) -> dict[str, Any]:
        """What is remembered of what it found: values of keys apart, and sealed."""
        rest, quoted = values.parted(value)
        fate: values.Fate | None = None
        if quoted:
            # Who asked at a shell is shown them there, and nobody else.
            self._sealed = None if self.run.of_shell else values.sealed(self._settings, self.run.id, quoted)
            fate = "shown" if self.run.of_shell else "keyless" if self._sealed is None else "sealed"
        return {"value": rest, "values": fate}

    def _stay_alive(self) -> bool:
        with open_runs(self._settings) as runs:
            self.given_up = self.given_up or not runs.liveness.stay_alive(self.run.id)
        return not self.given_up

    def _store_patiently(self) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._store()
            except BrokerUnavailableError:
                if time.monotonic() > deadline:
                    return None
                time.sleep(1)

    def _change(self, **changes: Any) -> None:
        self.run = self.run.model_copy(update={**changes, "log": list(self._lines)})

    def _store(self) -> None:
        if self._sealed is not None:
            # Before its end, so that nobody who is told of that looks for them in vain.
            values.keep(self._settings, self.run.id, self._sealed)
            self._sealed = None
        with open_runs(self._settings, seconds=1) as runs:
            # The schedule asks every hour whether there is anything to do; a no is not worth a line.
            if self.run.skipped and self.run.asker.kind == "beat":
                runs.forget(self.run.id)
            elif not runs.put(self.run):
                self.given_up = True


def perform(recording: Recording, verb: Verb, check: Check = accepted) -> dict[str, Any]:
    """Do the work of one run: what `verb` returned, and `check` let pass. A failure is remembered, and goes on up.

    `check` raises where a run that came to its end is no success all the same; its value is remembered then too.
    """
    value: dict[str, Any] | None = None
    run = recording.run
    _spare_the_collector()
    _push_nobody_aside()
    try:
        with (
            acting_for(run.asked_by),
            logs.run(run.id, run.operation, run.arguments.get("name")) as lines,
            recording.alive(lines),
            Reporter(recording.tell, recording.reached) as progress,
        ):
            value = verb(recording.cancelling.heeding(progress))
            check(value)
    except StoppedError as error:
        state: State = "CANCELLED" if isinstance(error, CancelledError) else "INTERRUPTED"
        recording.end(state, value=error.report, error=str(error), outside=error.outside)
        raise
    except BackupSystemError as error:
        recording.fail(error, value or error.report)
        raise
    except BaseException as error:
        words = " ".join(["It was stopped before its end.", *getattr(error, "__notes__", [])])
        recording.end("INTERRUPTED", error=words)
        raise
    recording.end("SUCCESS", value=value)
    if recording.given_up:
        raise LostError(
            "It came to its end, but was taken for dead before that, so its run stays INTERRUPTED: see what it did, and what "
            "was done since."
        )
    return value


def _spare_the_collector() -> None:
    """Entries come and go by millions and are never part of a cycle: to look for those less often saves a tenth.

    What was imported is there for good: not to look through it once more at the exit saves a tenth of a second.
    """
    gc.set_threshold(GC_THRESHOLD)
    if not gc.get_freeze_count():
        gc.freeze()


def _push_nobody_aside() -> None:
    """A run is work by the batch: where Linux has no processor free when it wakes up, it waits until one is.

    Beside a Redis on the same machine that is felt by Redis' other clients; on a processor of its own nothing changes. A
    session that is the run's own, such as that of a cron job, steps back as a whole: the kernel lets sessions take turns,
    and priorities count only within one (sched(7), autogroups).
    """
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if os.name == "posix" and os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(SESSION_NICE)
