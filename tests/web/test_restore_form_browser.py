"""The form of a restore in a real browser: it says how many keys fit, and who comes to change something lands on it."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import WAIT_MILLISECONDS
from tests.web.house import PASSWORD, House, house

__all__ = ["house"]


def test_it_says_how_many_keys_fit_and_change_lands_on_it(house: House) -> None:
    visitor = house.visit()
    visitor.logs_in(PASSWORD)
    page = visitor.opens("/backups/latest")
    page.get_by_text("Only a part of it").click()
    fit = page.locator("[data-fit-words]")
    page.get_by_label("Keys like").fill("user:1?")
    expect(fit).to_have_text("10 of 3,437 keys fit.", timeout=WAIT_MILLISECONDS)
    page.get_by_label("And these keys").fill("settings:bot\nnothing")
    expect(fit).to_have_text("11 of 3,437 keys fit.", timeout=WAIT_MILLISECONDS)
    page.locator("input[value=overwrite]").check()
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Change").click()
    expect(page.locator("input[value=overwrite]")).to_be_focused(timeout=WAIT_MILLISECONDS)
    expect(page.locator("input[value=overwrite]")).to_be_in_viewport()
    expect(page.get_by_label("Keys like")).to_have_value("user:1?")
    expect(fit).to_have_text("11 of 3,437 keys fit.", timeout=WAIT_MILLISECONDS)
    assert visitor.overflow() == []
    visitor.leaves()


@pytest.mark.slow
def test_without_javascript_a_button_counts(house: House) -> None:
    visitor = house.visit(java_script_enabled=False)
    visitor.logs_in(PASSWORD)
    page = visitor.opens("/backups/latest")
    page.get_by_text("Only a part of it").click()
    page.get_by_label("Keys like").fill("user:1?")
    page.get_by_role("button", name="Count the keys that fit").click()
    expect(page.get_by_text("10 of its 3,437 keys fit.")).to_be_visible(timeout=WAIT_MILLISECONDS)
    visitor.leaves()
