"""The recovery sheet as a page to print: where the backups lie and how they come back, without a secret."""

from datetime import UTC, datetime

from flask import render_template

from web.activity import remember
from web.auth import needs
from web.pages.dashboard import pages
from worker.config import recovery_sheet
from worker.config.settings import load_web
from worker.repository.scope import scope_of
from worker.repository.signing import keys


@pages.get("/recovery-sheet")
@needs("read")
def sheet() -> str:
    """The sheet."""
    settings = load_web()
    memory = remember(settings)
    # A dashboard in a container of its own is not shown the key: it knows what a worker has told of it.
    signer = keys.own_public(settings) or memory.facts.get("signing", {}).get("key")
    lines = recovery_sheet.lines(settings, scope_of(settings).address, datetime.now(UTC), signer)
    return render_template("recovery.html", lines=lines, memory=memory)
