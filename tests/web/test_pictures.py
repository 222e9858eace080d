"""The pictures that README shows, as the pages are: with PICTURES=docs/pictures they are put there, else they are only made."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.backups import aged
from tests.support.browser import WAIT_MILLISECONDS
from tests.support.processes import CELERY, Background
from tests.web.house import PASSWORD, House, damage, house
from worker.repository import catalogue
from worker.storage import open_storage

__all__ = ["house"]

pytestmark = pytest.mark.slow
WINDOW = {"width": 1140, "height": 690}
MOST_BYTES = 120_000
HOURS = (30, 18, 6, 1)


@pytest.fixture(scope="module")
def past(house: House) -> Iterator[House]:
    """Backups of the last two days; between the last two of them some keys were damaged."""
    client: Any = house.source.client()
    for days, backup in zip((3, 2), catalogue.read(open_storage(str(house.storage))).backups, strict=True):
        aged(house.storage, backup, days=days)
    for number, hours in enumerate(HOURS):
        client.hset("user:7", mapping={"points": 100 * number})
        client.set(f"note:{number}", "x")
        if hours == HOURS[-1]:
            damage(house.source)
        assert house.shell("backup").code == 0
        newest = catalogue.read(open_storage(str(house.storage))).backups[0]
        aged(house.storage, newest, days=hours / 24)
    assert house.shell("drill", "latest").code == house.shell("verify", "latest").code == 0
    beat = Background(*CELERY, "beat", env=house.env, cwd=house.storage.parent, name="beat")
    try:
        beat.wait_until_it_says("beat: Starting")
        yield house
    finally:
        beat.stop()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_of_an_incident_fit_into_small_pictures(past: House, theme: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    visitor = past.visit(viewport=WINDOW, color_scheme=theme)
    visitor.logs_in(PASSWORD)
    page = visitor.page

    def taken(name: str) -> None:
        assert visitor.overflow() == []
        page.mouse.move(0, 0)
        page.screenshot(path=folder / f"{name}-{theme}.png", animations="disabled", caret="hide")
        assert (folder / f"{name}-{theme}.png").stat().st_size < MOST_BYTES

    def scrolled_to(region: str) -> None:
        section = page.get_by_role("region", name=region, exact=True)
        expect(section).to_be_visible(timeout=WAIT_MILLISECONDS)
        section.evaluate("one => scrollTo({top: one.getBoundingClientRect().top + scrollY - 20, behavior: 'instant'})")

    taken("summary")
    page.get_by_role("link", name="Something is wrong with my data").click()
    page.get_by_label("Names or patterns").fill("user:*")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("button", name="Compare it with now")).to_be_visible(timeout=WAIT_MILLISECONDS)
    scrolled_to("2. Since when")
    taken("incident")
    page.get_by_role("button", name="Compare it with now").click()
    expect(page.get_by_role("region", name="4. Back")).to_be_visible(timeout=WAIT_MILLISECONDS)
    page.get_by_role("region", name="3. What differs").scroll_into_view_if_needed()
    page.get_by_role("link", name="All of the preview").click()
    expect(page.get_by_role("region", name="What differs, and where")).to_be_visible()
    scrolled_to("What differs, and where")
    taken("preview")
    visitor.opens("/search").get_by_label("Key or pattern").fill("user:42")
    page.get_by_role("button", name="Search").click()
    scrolled_to("Database 0")
    taken("search")
    visitor.leaves()
