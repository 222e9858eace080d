"""A real browser that remembers whatever it found wrong: complaints, failed requests, strangers' addresses."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    Response,
    sync_playwright,
)

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
WAIT_MILLISECONDS = 20_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser. Without it a test is skipped at home, and fails in CI."""
    path = shutil.which("chromium")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("There is no chromium here: apt install chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """Somebody with a browser window of their own, and cookies."""

    def __init__(self, browser: Browser, url: str, **window: Any) -> None:
        self.url, self.wrong = url, list[str]()
        options: dict[str, Any] = {"viewport": DESK} | window
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(WAIT_MILLISECONDS)
        self.context.on("console", self._heard)
        self.context.on("weberror", lambda error: self.wrong.append(f"a script failed: {error.error}"))
        self.context.on("dialog", self._interrupted)
        self.context.on("request", self._asked)
        self.context.on("requestfailed", self._failed)
        self.context.on("response", self._answered)
        self.page: Page = self.context.new_page()

    def _heard(self, message: ConsoleMessage) -> None:
        # A violation of the content security policy is told there too.
        if message.type in ("error", "warning"):
            self.wrong.append(f"the console says: {message.text}")

    def _interrupted(self, dialog: Dialog) -> None:
        self.wrong.append(f"a window opened: {dialog.message}")
        dialog.dismiss()

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.wrong.append(f"somebody else was asked: {request.url[:200]}")

    def _failed(self, request: Request) -> None:
        # A download, or a question that was still open when the page was left.
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"{request.url} failed: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.wrong.append(f"{response.url} was answered with {response.status}")

    def opens(self, path: str) -> Page:
        """Go to a page, and wait until it is there with all that it loads."""
        self.page.goto(self.url + path, wait_until="load")
        return self.page

    def logs_in(self, password: str) -> None:
        page = self.opens("/login")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(self.url + "/")

    @property
    def path(self) -> str:
        """Where the visitor is."""
        return str(urlsplit(self.page.url).path)

    def overflow(self) -> list[str]:
        """What reaches over the right edge."""
        found: list[str] = self.page.evaluate(_OVERFLOW)
        return found

    def leaves(self) -> None:
        """Close the window; whatever was wrong is told now."""
        self.context.close()
        assert not self.wrong, "\n".join(self.wrong)


# Also what is cut off there, but for what scrolls within itself and what only a screen reader sees.
_OVERFLOW = """() => {
    const root = document.documentElement;
    const excused = (one) => one && one !== root && (
        ["auto", "scroll"].includes(getComputedStyle(one).overflowX) || getComputedStyle(one).clipPath !== "none"
        || excused(one.parentElement));
    const wide = [...document.body.querySelectorAll("*")].filter(
        (one) => one.getBoundingClientRect().right > root.clientWidth + 1 && !excused(one));
    const scrolls = root.scrollWidth > root.clientWidth ? [`${root.scrollWidth} > ${root.clientWidth}`] : [];
    return scrolls.concat(wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 120)));
}"""
