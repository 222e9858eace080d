"""One key through time: what to look for, asked by a form; what was found is on the page of the run."""

from itertools import islice

from flask import render_template, request

from web.activity import recall
from web.auth import needs
from web.pages import forms
from web.pages.dashboard import Answer, pages
from web.wording.keys.befallen import is_pattern
from worker.arguments.questions import SearchArguments
from worker.config.settings import load_web
from worker.errors import UsageError

RECENT = 10


@pages.get("/search")
@needs("read")
def search() -> str:
    """What to look for."""
    return show_search()[0]


def show_search(error: str | None = None, status: int = 200) -> Answer:
    """The form, and what was looked for lately."""
    recent, away = recall(load_web(), lambda runs: list(islice(runs.ours.each("search"), RECENT)))
    form = request.form or request.args
    return render_template("search.html", recent=recent or [], away=away, error=error, form=form), status


def asked_for(form: forms.Form) -> SearchArguments:
    """What the form looks for. UsageError where that is nothing."""
    text = form.get("text", "").strip()
    if not text:
        raise UsageError("Please say what to look for: a key, or a pattern such as user:*.")
    how = form.get("how") or ("match" if is_pattern(text) else "key")
    if how not in ("key", "match"):
        raise UsageError("Please say whether it is one key or a pattern: `how` is key or match.")
    return forms.arguments(SearchArguments, form, **{how: text})
