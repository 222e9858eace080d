"""Whoever is given data leaves a trace in the audit log: downloads, previews, and versions of a key that are shown."""

from typing import Any

from flask import g, request, session

from web.quoted import has_values
from worker.broker import audit
from worker.config.settings import load_web
from worker.runs.run import Run

LONGEST = 200
"""Characters of a key that the log keeps."""


def downloaded(name: str, many: int) -> None:
    """A backup, or so many bytes of it, is on its way to whoever asked."""
    _record("download", name=name, bytes=many)


def shown(run: Run) -> None:
    """Note that somebody is shown this result; one without values of keys leaves no trace."""
    if has_values(run.value):
        arguments = {
            name: str(run.arguments[name])[:LONGEST] for name in ("name", "key", "show") if name in run.arguments
        }
        _record(f"{run.operation} shown", id=run.id, **arguments, bytes=len(run.model_dump_json(include={"value"})))


def _record(what: str, **facts: Any) -> None:
    whence = {"address": request.remote_addr} | ({"session": session["name"]} if "name" in session else {})
    audit.read(load_web(), g.identity.name, what, **whence, **facts)
