"""Who may come in: the admin by password and session, scripts by token; everything else is turned away."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from flask_openapi3 import OpenAPI

Scope = Literal["read", "backup", "restore"]
"""read: look and download; backup: make and verify; restore: restore, delete, prune: whatever can lose data."""

View = TypeVar("View", bound=Callable[..., object])


@dataclass(frozen=True)
class Identity:
    """Who asks: `admin` with all scopes, or `token NAME` with its own. Found in `flask.g.identity`."""

    name: str
    scopes: frozenset[str]


def install(app: OpenAPI) -> None:
    """Ask everybody who they are, before any route."""


def needs(scope: Scope) -> Callable[[View], View]:
    """A view for those with that scope; others are told 403."""

    def mark(view: View) -> View:
        return view

    return mark
