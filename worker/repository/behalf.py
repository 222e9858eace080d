"""On whose behalf something is done: set once by whoever begins a run, and read by what is made in it.

Runs, manifests, messages and the audit log carry it as words, `token ci`; what those mean is known here alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

Trigger = Literal["schedule", "manual"]

_SCHEDULED = "scheduled"
_asker: ContextVar[str | None] = ContextVar("asker", default=None)


@dataclass(frozen=True)
class Asker:
    """Who asked for something; `str()` of it is what is shown, stored and sent."""

    kind: str
    """`admin`, `token`, `beat`, `shell`, `celery`, `unknown`, or whatever somebody else's message says."""
    name: str | None = None
    """The name of the token or of the schedule's entry, or `user@host`; None where the kind says all."""
    notes: tuple[str, ...] = ()
    """The occasion: `after the backup`, `at its start`."""

    @classmethod
    def parse(cls, words: str) -> Self:
        """Read what `str()` wrote; any words are taken."""
        who, *notes = words.split(", ")
        kind, named, name = who.partition(" ")
        return cls(kind, name if named else None, tuple(notes))

    def __str__(self) -> str:
        who = self.kind if self.name is None else f"{self.kind} {self.name}"
        return ", ".join([who, *self.notes])

    def on(self, note: str) -> Self:
        """The same, on that occasion."""
        return replace(self, notes=(*self.notes, note))

    @property
    def entry(self) -> str | None:
        """The entry of the schedule that is due; None where none is."""
        return self.name if self.kind == "beat" and not self.notes else None

    @property
    def trigger(self) -> Trigger:
        """Whether a schedule asked, beat's or one that calls the shell; anything else is by hand."""
        scheduled = self.kind == "shell" and self.notes[-1:] == (_SCHEDULED,)
        return "schedule" if scheduled or self.kind == "beat" else "manual"


def at_shell(who: str, *, scheduled: bool = False) -> Asker:
    """Somebody at a shell, `user@host`; or a schedule of theirs."""
    asker = Asker("shell", who)
    return asker.on(_SCHEDULED) if scheduled else asker


@contextmanager
def acting_for(asked_by: str) -> Iterator[None]:
    """What is made within the block is made for this asker."""
    token = _asker.set(asked_by)
    try:
        yield
    finally:
        _asker.reset(token)


def asker() -> str | None:
    """Such as `admin`, `token ci`, `beat daily`; None where no run was begun."""
    return _asker.get()


def manifest_fields() -> dict[str, Any]:
    """The fields of a manifest that say who asked."""
    return {"trigger": trigger_of(asker()), "asked_by": asker()}


def trigger_of(asked_by: str | None) -> Trigger:
    """Whether a schedule asked; so it counts where nobody said who."""
    return "schedule" if asked_by is None else Asker.parse(asked_by).trigger
