"""Pages about what the broker remembers, which may have a shape that no version of ours has written."""

from typing import Any

import structlog
from flask import render_template
from jinja2 import UndefinedError
from werkzeug.routing import BuildError

log = structlog.get_logger()

NOT_SHOWN = "What the broker remembers of this is nothing that such a task tells, so it is not shown."
_MISFITS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, UndefinedError, BuildError)


def rendered(template: str, without: dict[str, Any], **values: Any) -> str:
    """The page; where the values do not fit into its template, the page with `without` in their place."""
    try:
        return render_template(template, **values)
    except _MISFITS:
        log.warning("page_does_not_fit", template=template, exc_info=True)
        return render_template(template, **{**values, **without})
