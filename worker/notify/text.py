"""How a message reads on a channel: what would be markup there is none, and what steers a terminal or a line is gone. Pure."""

import re
from urllib.parse import quote

TITLE = 78
"""Characters of a subject, as mail has it (RFC 5322)."""
NAME = "Redis Backup"
_MARKDOWN = frozenset(
    (
        "discord",
        "gchat",
        "guilded",
        "mmost",
        "mmosts",
        "msteams",
        "revolt",
        "rocket",
        "rockets",
        "workflows",
        "wxteams",
        "zulip",
    )
)
"""Channels that read Markdown in what is sent to them as plain text. What reads HTML, apprise itself takes care of."""
_MARKS = re.compile(r"([\\`*_~|<>#\[\]()])")


def title(sentence: str, scheme: str) -> str:
    """A subject of one line, with as many words as have room."""
    words = _plain(f"{NAME}: {sentence}")
    if len(words) > TITLE:
        words = f"{words[: TITLE - 3].rsplit(' ', 1)[0]}..."
    return escaped(words, scheme)


def body(sentence: str, path: str, public_url: str | None, scheme: str) -> str:
    """The sentence, and where there is more: a link where it is known how people reach the dashboard."""
    where = link(path, public_url) or f"More on the page {escaped(path, scheme)} of the dashboard."
    return f"{escaped(_plain(sentence), scheme)}\n\n{where}"


def link(path: str, public_url: str | None) -> str | None:
    """The address of a page; None where PUBLIC_URL is not set."""
    return None if public_url is None else f"{public_url}{quote(path, safe='/?=&')}"


def escaped(text: str, scheme: str) -> str:
    """The same, which that channel shows as it is, and which calls nobody by an @."""
    if scheme in _MARKDOWN:
        text = _MARKS.sub(r"\\\1", text)
    return text if scheme.startswith(("mailto", "json", "xml", "form")) else text.replace("@", "@\u200b")


def _plain(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
