"""Who is told, as people write it: addresses as apprise takes them, each a secret; a wrong one is told by its place."""

import re
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

Level = Literal["info", "warning", "bad"]
"""From which on somebody is told: of everything, of what may become bad, of what is bad."""
MOST = 20
_BETWEEN = re.compile(r"\s+|,\s*(?=[A-Za-z][A-Za-z0-9+-]*://)")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+-]{1,30})://\S+")


def _addresses(value: object) -> object:
    """Blanks or line ends between, or commas before an address: a comma may also stand within one."""
    if not isinstance(value, str):
        return value
    words = [word.rstrip(",") for word in _BETWEEN.split(value.strip()) if word]
    wrong = next((place for place, word in enumerate(words, 1) if not _ADDRESS.fullmatch(word)), None)
    if wrong is not None:
        raise ValueError(
            f"must be addresses such as mailtos://... or slack://..., with blanks or line ends between, and number {wrong} is "
            "none"
        )
    if len(words) > MOST:
        raise ValueError(f"must be {MOST} addresses at most")
    if len(set(words)) < len(words):
        raise ValueError("must name each address once")
    return tuple(words)


def scheme_of(address: str) -> str:
    """What may be shown of an address: `slack` of slack://..."""
    return address.partition("://")[0].lower()


def _levels(value: object) -> object:
    if not isinstance(value, str):
        return value
    levels = tuple(word.strip().lower() for word in value.split(","))
    if not set(levels) <= set(get_args(Level)):
        raise ValueError("must be info, warning or bad, or one of these for each address, with commas between")
    return levels


def _page(value: str) -> str:
    try:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        whole = False
    if not whole or re.search(r"[\s\x00-\x1f\x7f]", value) or not value.isascii():
        raise ValueError("must begin with https:// or http://, and go on with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user and no password")
    return value


def _public(value: str) -> str:
    parts = urlsplit(_page(value))
    if parts.query or parts.fragment:
        raise ValueError("must be the beginning of the dashboard's addresses, such as https://backups.example.org")
    return value.rstrip("/")


NotifyURLs = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
"""Read from text such as `mailtos://... slack://...`."""
Levels = Annotated[tuple[Level, ...], BeforeValidator(_levels)]
"""Read from text such as `info` or `info, bad`."""
PageURL = Annotated[str, AfterValidator(_page)]
"""http:// or https://, with what is secret in its path or behind its `?`."""
PublicURL = Annotated[str, AfterValidator(_public)]
"""The same, for people; without a / at its end."""
