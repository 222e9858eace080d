"""Whoever is given data leaves a trace in the audit log: downloads, previews, and versions of a key that are shown."""

from typing import Any

from flask import g, request, session

from worker.broker import audit
from worker.config.settings import load_web
from worker.runs.run import Run

LONGEST = 200
"""Characters of a key that is named."""


def downloaded(name: str, many: int) -> None:
    """A backup, or so many bytes of it, is on its way to whoever asked."""
    _record("download", name=name, bytes=many)


def shown(*runs: Run) -> None:
    """What these runs have found goes to whoever asked; of those without values in it nobody need know."""
    for run in (read := [run for run in runs if run.quotes_values])[:1]:
        about = {name: str(run.arguments[name])[:LONGEST] for name in ("name", "key", "show") if name in run.arguments}
        others = {"others": len(read) - 1} if len(read) > 1 else {}
        many = sum(len(one.model_dump_json(include={"value"})) for one in read)
        _record(f"{run.operation} shown", id=run.id, **about, **others, bytes=many)


def _record(what: str, **told: Any) -> None:
    whence = {"address": request.remote_addr} | ({"session": session["name"]} if "name" in session else {})
    audit.read(load_web(), g.identity.name, what, **whence, **told)
