"""On whose behalf something is done: told once by whoever begins a run, asked by what is made in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Trigger = Literal["schedule", "manual"]

SCHEDULED = ", scheduled"
"""At the end of whoever asked from a shell: somebody's own schedule."""
_asker: ContextVar[str | None] = ContextVar("asker", default=None)


@contextmanager
def acting_for(asked_by: str) -> Iterator[None]:
    """Whatever is made within is made for them."""
    token = _asker.set(asked_by)
    try:
        yield
    finally:
        _asker.reset(token)


def asker() -> str | None:
    """Such as `admin`, `token ci`, `beat daily`; None where no run was begun."""
    return _asker.get()


def trigger_of(asked_by: str | None) -> Trigger:
    """Whether a schedule asked: beat's, or somebody's own that calls the shell; anybody else asks by hand."""
    if asked_by is None or asked_by.startswith("beat"):
        return "schedule"
    return "schedule" if asked_by.startswith("shell ") and asked_by.endswith(SCHEDULED) else "manual"
