"""The keys behind the numbers of a preview: each number is a button, and what it leads to goes on page by page."""

from typing import Any
from urllib.parse import parse_qsl

from flask import g, redirect, request, url_for
from werkzeug.wrappers import Response

from web import jobs
from web.activity import recall
from web.auth import needs, needs_scope_of
from web.pages.dashboard import pages
from worker.arguments.restore import DifferencesArguments
from worker.config.settings import load_web
from worker.config.validation import checked
from worker.errors import BrokerUnavailableError, NotFoundError, UsageError
from worker.runs.run import Run

NUMBERS = frozenset({"kind", "of_type", "of_database", "under"})
"""What a button says of its number; `others` besides: of the prefixes that are not named."""
NO_PREFIX = '""'


@pages.post("/tasks/<identity>/differences")
@needs_scope_of("differences")
def differences(identity: str) -> Response:
    """Show the keys of one number of that preview, or the next page of those that are shown."""
    arguments = checked(DifferencesArguments, asked(_seen(identity), request.form.to_dict()))
    return redirect(url_for("pages.run", identity=jobs.ask("differences", arguments, g.identity.name)), 303)


def _seen(identity: str) -> Run:
    run, away = recall(load_web(), lambda runs: runs.get(identity[:100]))
    if away:
        raise BrokerUnavailableError(away)
    if run is None or not {"name", "mode"} & run.arguments.keys():
        raise NotFoundError("There is no preview of that id: preview it again.")
    return run


def asked(run: Run, form: dict[str, str]) -> dict[str, Any]:
    """The arguments for that number of a preview, or for what follows a page of keys. UsageError for a list kept in brief."""
    said = {name: value for name, value in run.arguments.items() if name in DifferencesArguments.model_fields}
    if isinstance(said.get("keys"), str):
        raise UsageError("A list of that many keys is not kept here: look at it from the shell, with --keys-from.")
    if "after" in form:
        return said | {"after": form["after"]}
    number = dict(parse_qsl(form.get("only", ""), keep_blank_values=True))
    value = run.value if isinstance(run.value, dict) else {}
    said.pop("kinds", None)
    said |= {"name": value.get("name") or said.get("name"), "preview": run.id}
    said |= {name: text for name, text in number.items() if name in NUMBERS and name != "under"}
    if number.get("under"):
        said["under"] = NO_PREFIX if number["under"] == "(no prefix)" else number["under"]
    if "others" in number:
        named = [prefix for prefix in value.get("by_prefix", {}) if prefix != "(others)"]
        said["not_under"] = [NO_PREFIX if prefix == "(no prefix)" else prefix for prefix in named]
    return said


@pages.get("/tasks/<identity>/differences")
@needs("read")
def differences_again(identity: str) -> Response:
    """The button, reloaded by its address: the page that it is on."""
    return redirect(url_for("pages.run", identity=identity), 303)
