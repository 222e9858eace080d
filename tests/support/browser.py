"""A real browser that remembers whatever it found wrong: complaints, failed requests, strangers' addresses."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
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
PHONE, DESK = {"width": 375, "height": 812}, {"width": 1280, "height": 900}
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


def axe() -> str:
    """The script that knows the rules for those who cannot see, or have no mouse: of a wheel, of which nothing else is used."""
    found = find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("There is no axe here: make install.")
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


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

    def accuses(self, rules: str, only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> list[str]:
        """What axe finds on the page by its `rules`, or by some of them `only`; elements that are left out, by their selectors."""
        self.page.evaluate(rules)
        options = {"resultTypes": ["violations"], **({"runOnly": list(only)} if only else {})}
        context = {"include": ["html"], "exclude": list(without)}
        found: list[str] = self.page.evaluate(_ACCUSED, [context, options])
        return found

    def stops(self, most: int = 80) -> list[dict[str, Any]]:
        """Where the focus goes by the Tab key from the top of the page, and how it is seen there."""
        found = list[dict[str, Any]]()
        while len(found) < most:
            self.page.keyboard.press("Tab")
            stop = self.page.evaluate(_STOP)
            if stop is None:
                break
            found.append(stop)
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

_ACCUSED = """async ([context, options]) => (await axe.run(context, options)).violations.flatMap(
    (one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 200)}: ${node.failureSummary.slice(0, 300)}`))"""

# A ring around it, three times as light or dark as what is behind it, that nothing cuts off or lies over.
_STOP = """() => {
    const one = document.activeElement, root = document.documentElement;
    if (!one || one === document.body) return null;
    const parts = (colour) => {
        const paper = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
        paper.fillStyle = colour;
        paper.fillRect(0, 0, 1, 1);
        return [...paper.getImageData(0, 0, 1, 1).data];
    };
    const light = (colour) => {
        const [red, green, blue] = parts(colour).map((part) => (
            part <= 10 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
    };
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    const width = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
    let behind = one.parentElement;
    while (behind !== root && parts(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
    const [ring, ground] = [light(style.outlineColor), light(getComputedStyle(behind).backgroundColor)];
    const reach = width + parseFloat(style.outlineOffset);
    let cut = false;
    for (let each = one.parentElement; each && each !== root; each = each.parentElement) {
        if (getComputedStyle(each).overflowX === "visible") continue;
        const edge = each.getBoundingClientRect();
        cut ||= box.left - reach < edge.left - 1 || box.right + reach > edge.right + 1;
    }
    const within = (value, most) => Math.min(Math.max(value, 0), most - 1);
    const top = document.elementFromPoint(
        within(box.left + box.width / 2, innerWidth), within(box.top + Math.min(box.height, innerHeight) / 2, innerHeight));
    return {
        is: one.outerHTML.slice(0, 150), width, contrast: Math.max(ring, ground) / Math.min(ring, ground), cut,
        covered: !(top && (one.contains(top) || top.contains(one))),
    };
}"""
