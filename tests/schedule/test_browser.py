"""The settings of the schedule in a real browser: changed, and what would go by it agreed to before."""

from playwright.sync_api import expect

from tests.support.browser import WAIT_MILLISECONDS
from tests.web.house import PASSWORD, House, house

__all__ = ["house"]


def test_an_admin_changes_the_schedule_and_agrees_to_what_goes(house: House) -> None:
    visitor = house.visit()
    visitor.logs_in(PASSWORD)
    page = visitor.opens("/schedule")
    settings = page.get_by_role("region", name="Settings")
    settings.get_by_label("Time of the daily backup").fill("04:30")
    settings.get_by_label("Newest made by hand, and of each token").fill("1")
    settings.get_by_role("button", name="Save").click()
    notice = page.get_by_role("alert")
    expect(notice).to_contain_text(
        "1 backup would go that is kept now. Nothing is saved yet.", timeout=WAIT_MILLISECONDS
    )
    assert "409" in visitor.wrong.pop(0)
    visitor.wrong.clear()
    assert visitor.overflow() == []
    notice.get_by_role("button", name="Save, and let it go").click()
    row = settings.get_by_role("row", name="BACKUP_KEEP_MANUAL")
    expect(row).to_contain_text("chosen by admin", timeout=WAIT_MILLISECONDS)
    expect(page.get_by_text("every day at 04:30")).to_be_visible()
    assert house.shell("schedule", CELERY_BROKER_URL=house.env["CELERY_BROKER_URL"]).out.count("chosen by admin") == 2
    visitor.leaves()
