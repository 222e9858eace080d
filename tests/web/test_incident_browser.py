"""An incident from the Summary to its undo, as somebody has it who is in a hurry: clicks and keystrokes are counted."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.support.browser import DESK, PHONE, WAIT_MILLISECONDS, Visitor, axe
from tests.web.house import PASSWORD, House, damage, house

__all__ = ["house"]

MOST_CLICKS, MOST_KEYSTROKES = 5, 30


@dataclass
class Hand:
    """What a visitor's hand does, counted."""

    visitor: Visitor
    clicks: int = 0
    keystrokes: int = 0

    def clicks_on(self, role: Any, name: str) -> None:
        self.visitor.page.get_by_role(role, name=name).click()
        self.clicks += 1

    def types(self, into: str, text: str) -> None:
        """Into what has the focus already."""
        expect(self.visitor.page.get_by_label(into)).to_be_focused(timeout=WAIT_MILLISECONDS)
        self.visitor.page.keyboard.type(text)
        self.keystrokes += len(text)


def done(step: Locator) -> None:
    expect(step.locator(".state.done")).to_be_visible(timeout=WAIT_MILLISECONDS)


@pytest.mark.parametrize(
    "window",
    [
        pytest.param({}, id="at a desk"),
        pytest.param(
            {"viewport": PHONE, "java_script_enabled": False},
            id="on a phone without JavaScript",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_damaged_keys_are_back_after_five_clicks_and_thirty_keystrokes(house: House, window: dict[str, Any]) -> None:
    before = house.users
    damage(house.source)
    damaged = house.users
    visitor = house.visit(**window)
    visitor.logs_in(PASSWORD)
    page, hand = visitor.page, Hand(visitor)
    hand.clicks_on("link", "Something is wrong with my data")
    hand.types("Names or patterns", "user:*")
    hand.clicks_on("button", "Look")
    since = page.get_by_role("region", name="2. Since when")
    expect(since).to_contain_text("10 keys went and 60 changed between it and now", timeout=WAIT_MILLISECONDS)
    assert visitor.overflow() == []
    hand.clicks_on("button", "Compare it with now")
    difference = page.get_by_role("region", name="3. What differs")
    expect(difference).to_contain_text("overwritten by a script", timeout=WAIT_MILLISECONDS)
    expect(difference).to_contain_text(re.compile("10 not there any more.* 60 of another value"))
    assert visitor.overflow() == []
    hand.types("Type 60", "60")
    hand.clicks_on("button", "Restore 70 keys")
    done(page.get_by_role("region", name="4. Back"))
    assert house.users == before
    assert (hand.clicks, hand.keystrokes) == (4, 8)
    assert hand.clicks <= MOST_CLICKS
    assert hand.keystrokes <= MOST_KEYSTROKES
    page.get_by_role("button", name="Undo this restore").click()
    done(page.get_by_role("region", name="5. Undone"))
    assert house.users == damaged
    page.go_back()
    expect(page.get_by_role("button", name="Undo this restore")).to_be_visible()
    expect(page.get_by_role("region", name="5. Undone")).to_have_count(0)
    house.shell("restore", "latest", "--mode", "overwrite", "--yes")
    visitor.leaves()


@pytest.mark.parametrize(
    ("window", "theme"),
    [pytest.param(PHONE, "dark", id="phone"), pytest.param(DESK, "light", id="desk", marks=pytest.mark.slow)],
)
def test_who_does_not_know_which_keys_is_led_to_them_and_needs_no_mouse_and_no_eyes(
    house: House, window: dict[str, int], theme: str
) -> None:
    damage(house.source)
    visitor, rules = house.visit(viewport=window, color_scheme=theme, reduced_motion="reduce"), axe()
    visitor.logs_in(PASSWORD)

    def looked_at(region: str) -> None:
        expect(page.get_by_role("region", name=region, exact=True)).to_be_visible(timeout=WAIT_MILLISECONDS)
        assert visitor.overflow() == []
        assert visitor.accuses(rules) == []
        stops = visitor.stops()
        assert [one for one in stops if one["width"] < 2 or one["contrast"] < 3 or one["cut"] or one["covered"]] == []

    page = visitor.opens("/incident")
    looked_at("1. Which keys")
    page.get_by_role("button", name="I do not know").click()
    page.get_by_role("button", name="Look at user: only").click()
    expect(page.get_by_label("Names or patterns")).to_have_value("user:*")
    expect(page.get_by_role("button", name="Compare it with now")).to_be_visible(timeout=WAIT_MILLISECONDS)
    looked_at("2. Since when")
    page.get_by_role("button", name="Compare it with now").click()
    looked_at("4. Back")
    page.get_by_role("link", name="All of the preview").click()
    looked_at("What differs, and where")
    page.get_by_role("row", name="All keys").get_by_role("button", name="60").click()
    looked_at("Keys")
    page.get_by_role("button", name="Next keys").click()
    expect(page.get_by_role("article")).to_have_count(20, timeout=WAIT_MILLISECONDS)
    house.shell("restore", "latest", "--mode", "overwrite", "--yes")
    visitor.leaves()
