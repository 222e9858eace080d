"""To people, by apprise: mail, Slack, Telegram, Discord, ntfy and a hundred more. Of why one fails a word is told, and no text."""

import logging
import re
from collections.abc import Callable
from typing import Any

from worker.notify import text
from worker.notify.post import AWAY, SLOW

_KINDS = {"good": "success", "info": "info", "warning": "warning", "bad": "failure"}
_STATUS = re.compile(r"\berror=(\d{3})\b|\((\d{3}), b['\"]")
"""As it logs the status of an answer over HTTP, and the one of a mail server."""


def wrong(addresses: list[str]) -> list[int]:
    """The places, from 1 on, of those that it cannot read."""
    return [place for place, address in enumerate(addresses, 1) if not _opened(address, None)]


def channel(address: str, public_url: str | None) -> Callable[[dict[str, Any]], str | None] | None:
    """What sends a message there, and then says why it was not taken: a status, AWAY, SLOW, nothing; None where it was.

    None in its place where the address cannot be read.
    """
    opened, scheme = _opened(address, public_url), address.partition("://")[0].lower()

    def send(message: dict[str, Any]) -> str | None:
        said = _Said()
        with said:
            taken = opened.notify(
                title=text.title(message["sentence"], scheme),
                body=text.body(message["sentence"], message["path"], public_url, scheme),
                notify_type=_KINDS[message["level"]],
                body_format="text",
            )
        return None if taken else said.why

    return send if opened else None


def _opened(address: str, public_url: str | None) -> Any:
    # It takes 60 MB, and longer than everything else here together.
    import apprise  # noqa: PLC0415

    # Without pictures, which would be fetched from elsewhere by whoever reads it.
    asset = apprise.AppriseAsset(
        app_id=text.NAME, app_desc=text.NAME, app_url=public_url or "", image_url_mask="", image_url_logo=""
    )
    opened = apprise.Apprise(asset=asset)
    return opened if opened.add(address) else None


class _Said(logging.Handler):
    """What it logs meanwhile: it tells its reasons nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._lines: list[str] = []

    def __enter__(self) -> None:
        logger = logging.getLogger("apprise")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())

    @property
    def why(self) -> str:
        said = "\n".join(self._lines)
        if status := _STATUS.search(said):
            return status[1] or status[2]
        if re.search(r"timed? ?out", said, re.IGNORECASE):
            return SLOW
        return AWAY if re.search(r"onnection|Errno|resol", said) else ""
