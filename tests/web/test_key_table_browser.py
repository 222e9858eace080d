"""The versions of one key in a real browser: the table fits into a window of any width."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import WAIT_MILLISECONDS
from tests.web.house import PASSWORD, House, house

__all__ = ["house"]

WIDTHS = (375, 801, 900, 1060, 1280)


@pytest.mark.slow
def test_the_versions_of_a_key_fit_into_every_width(house: House) -> None:
    house.source.client().set("settings:bot", "changed", ex=3000)
    visitor = house.visit()
    visitor.logs_in(PASSWORD)
    page = visitor.opens("/search")
    page.get_by_label("Key").first.fill("settings:bot")
    page.get_by_role("main").get_by_role("button", name="Search").click()
    expect(page.get_by_role("row", name="Live")).to_be_visible(timeout=WAIT_MILLISECONDS)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert visitor.overflow() == [], width
    visitor.leaves()
