"""The Schedule page: what becomes of each backup, by other numbers too, and the calendar of it."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.backups import dated, manifest_of
from tests.support.dashboard import Browser, Web
from tests.web.pages.reading import read
from web.wording.pictures.calendar import months
from worker.backups.retention.decide import decide
from worker.backups.retention.policy import Policy
from worker.repository import catalogue
from worker.repository.manifest import artifact_name
from worker.storage import open_storage

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def test_what_if_shows_of_each_backup_whether_it_is_kept_and_why_and_changes_nothing(
    web_app: Web, admin: Browser
) -> None:
    names = [dated(web_app.settings, hours) for hours in (1, 2, *range(26, 26 + 24 * 10, 24))]
    assert "The next prune would delete 5 backups" in read(admin, "/schedule")
    said = read(admin, "/schedule?keep=1&keep_daily=3&keep_hours=&keep_bytes=0")
    assert "Such a prune would delete 9 backups" in said
    assert "older than the 1 newest of the schedule, not the newest of one of the last 3 days" in said
    assert "python -m worker prune --dry-run --keep 1 --keep-daily 3" in said
    assert "BACKUP_KEEP=1 BACKUP_KEEP_DAILY=3" in said
    page = admin.get("/schedule?keep=1&keep_daily=3").text
    assert re.search(r'id="keep_daily" name="keep_daily" value="3"', page)
    assert "Prune now" not in page
    assert len(catalogue.read(open_storage(str(web_app.storage))).listed) == len(names)


@pytest.mark.parametrize(
    ("asked", "why"),
    [("keep=0", "keep: must be at least 1"), ("keep_daily=many", "keep_daily: must be a whole number")],
)
def test_numbers_that_cannot_be_are_told_and_the_page_is_as_it_is_set(
    asked: str, why: str, web_app: Web, admin: Browser
) -> None:
    dated(web_app.settings, 1)
    said = read(admin, f"/schedule?{asked}")
    assert f"Please correct this: {why}" in said
    assert "The next prune would delete nothing" in said


def test_a_suspicious_backup_is_marked_wherever_it_is_shown_and_accepted_by_a_button(
    web_app: Web, admin: Browser
) -> None:
    name = dated(web_app.settings, 1)
    catalogue.note(open_storage(str(web_app.storage)), name, suspicious=["It is empty, as a test says."])
    for path in ("/backups", f"/backups/{name}"):
        assert "suspicious" in read(admin, path)
    page = read(admin, f"/backups/{name}")
    assert "It is empty, as a test says." in page
    assert "Accept it as it is" in page
    asked = admin.post(f"/backups/{name}/accept")
    assert (asked.status_code, asked.location[:7]) == (303, "/tasks/")
    catalogue.note(open_storage(str(web_app.storage)), name, accepted_at=NOW, accepted_by="admin")
    page = read(admin, f"/backups/{name}")
    assert "Accept it as it is" not in page
    assert "by admin" in page


def test_the_calendar_counts_days_of_the_time_zone_in_weeks_from_monday() -> None:
    moments = [NOW - timedelta(hours=hours) for hours in (0, 1, 13, 24 * 30)]
    backups = [manifest_of(artifact_name(at, "rdb", ""), created_at=at) for at in moments]
    november, october = months(decide(backups, [], Policy(2, 7, 7), NOW), "Europe/Berlin")
    assert (november.title, november.words) == ("November 2026", "2 backups kept, 1 deleted")
    assert (october.title, october.words) == ("October 2026", "0 backups kept, 1 deleted")
    assert november.weeks[0][:6] == [None] * 6
    days = {day.name: day.words for week in november.weeks for day in week if day and day.words}
    assert days == {"Monday, 30 November": "2 kept, 1 deleted"}
    assert all(len(week) == 7 for week in november.weeks)
