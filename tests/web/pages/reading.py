"""Pages as a person reads them, and what a browser would forbid on them."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

from werkzeug.test import TestResponse

from tests.support.dashboard import Browser, Web
from tests.support.processes import CANARY
from tests.web.pages.given import ended

PAGES = ("/", "/backups", "/search", "/restores", "/tasks", "/schedule", "/alerts", "/system")


def words(answer: TestResponse) -> str:
    """What a person reads, with one blank between words."""
    whole = re.sub(r'<span class="file">(.*?)</span>', r"\1", answer.text)
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", whole, flags=re.DOTALL)
    return " ".join(unescape(text).split())


def read(browser: Browser, path: str, status: int = 200) -> str:
    answer = browser.get(path)
    assert answer.status_code == status, answer.text
    return words(answer)


class Policy(HTMLParser):
    """What the Content-Security-Policy would forbid, and what leads to other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {name}" for name, _ in attrs if name == "style" or name.startswith("on")]
        self.found += [
            f"{tag} {name}={value}"
            for name, value in attrs
            if name in ("src", "href", "action") and re.match(r"(?i)[a-z]+:|//", value or "")
        ]
        self.scripts += tag == "script"
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.found.append(f"inline {tag}")


def look_at(web: Web, admin: Browser, operation: str, value: dict[str, Any], **arguments: Any) -> TestResponse:
    """The page of a run that came to this."""
    ended(web, "SUCCESS", operation=operation, arguments=arguments, value=value)
    answer = admin.get("/tasks/one")
    assert answer.status_code == 200
    policy = Policy()
    policy.feed(answer.text)
    assert policy.found == []
    assert answer.text.count("<h1") == 1
    assert "<img src=x" not in answer.text
    assert CANARY not in answer.text
    return answer
