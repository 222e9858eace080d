"""A program can check who has sent it a message, by the lines of the guide."""

import json
import re
from typing import Any

import pytest

from tests.notify.conftest import Configure
from tests.notify.receiver import SECRET, Receiver, told
from tests.support.processes import ROOT
from worker.notify import signature
from worker.notify.deliver import deliver


def check(*arguments: Any) -> str:
    """What stands in docs/guide.md."""
    (lines,) = re.findall(r"```python\n(import base64.*?)```", (ROOT / "docs/guide.md").read_text(), re.DOTALL)
    room: dict[str, Any] = {}
    exec(lines, room)  # noqa: S102 - our own
    answer: str = room["check"](*arguments)
    return answer


def test_what_was_sent_is_signed_as_the_guide_says(configured: Configure, receiver: Receiver) -> None:
    settings = configured()
    told(settings, "The backup failed.")
    deliver(settings)
    (request,) = receiver.requests
    assert check(SECRET, request.headers, request.body) == json.loads(request.body)["id"]
    with pytest.raises(ValueError, match="by somebody else"):
        check(SECRET, request.headers, request.body + b" ")
    with pytest.raises(ValueError, match="by somebody else"):
        check("another secret", request.headers, request.body)
    with pytest.raises(ValueError, match="by somebody else"):
        check(SECRET, request.headers | {"webhook-timestamp": "1"}, request.body)


def test_what_is_old_is_somebody_who_plays_it_again() -> None:
    headers = signature.headers(SECRET, "of-long-ago", 1_700_000_000, b"{}")
    with pytest.raises(ValueError, match="plays it again"):
        check(SECRET, headers, b"{}")
