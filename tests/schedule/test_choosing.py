"""A change of the schedule: what it may not be, what it would delete, and who is told of it."""

from typing import Any

import pytest

from tests.support.backups import dated
from tests.support.dashboard import Web
from worker.arguments.schedule import ScheduleArguments
from worker.backups.choosing import Changed, GivesUpError, change
from worker.broker import audit
from worker.broker.choices import following, store
from worker.config.settings import load_web
from worker.errors import RefusedError, UsageError


def choose(who: str = "admin", revision: int | None = None, **values: Any) -> Changed:
    seen = following.standing(load_web.said).chosen.revision if revision is None else revision
    return change(load_web.said, ScheduleArguments(revision=seen, **values), who)


def scheduled(web: Web, *hours: float) -> list[str]:
    return [dated(web.settings, each, asked_by="beat daily") for each in hours]


def test_a_change_counts_at_once_is_in_the_audit_log_and_says_who_and_when(web_app: Web) -> None:
    done = choose(keep=14, daily_at="4:30")
    assert done == Changed(1, {"daily_at": ("03:00", "04:30"), "keep": (7, 14)}, [])
    assert load_web().backup_keep == 14
    stored = store.read(web_app.settings)
    assert stored is not None
    assert {field: choice.by for field, choice in stored.choices.items()} == dict.fromkeys(
        ("backup_daily_at", "backup_keep"), "admin"
    )
    [deed] = [deed for deed in audit.recent(web_app.settings) if deed.what == "schedule changed"]
    assert (deed.who, deed.details) == ("admin", {"daily_at": "03:00 to 04:30", "keep": "7 to 14"})


def test_what_is_left_out_goes_back_to_its_default_and_what_stays_keeps_its_author(web_app: Web) -> None:
    choose(keep=14, keep_daily=3)
    assert choose("shell me@here", keep=14).changes == {"keep_daily": (3, 0)}
    stored = store.read(web_app.settings)
    assert stored is not None
    assert {field: choice.by for field, choice in stored.choices.items()} == {"backup_keep": "admin"}


def test_who_changes_nothing_leaves_the_revision(web_app: Web) -> None:
    assert choose().revision == 0
    assert store.read(web_app.settings) is None


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"daily_at": "25:00"}, "daily_at: must be a time of day such as 03:00"),
        ({"tz": "Mars/North"}, "tz: must be a time zone"),
        ({"keep": 1_000_000}, "keep: must be at most 100,000"),
    ],
)
@pytest.mark.usefixtures("web_app")
def test_a_value_that_cannot_be_is_told_by_its_name(values: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        choose(**values)


def test_the_environment_is_changed_there(web_app: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKUP_KEEP", "5")
    monkeypatch.setenv("BACKUP_COPIES_KEEP", "9")
    load_web.cache_clear()
    with pytest.raises(UsageError, match="BACKUP_KEEP is set in the environment"):
        choose(keep=14)
    assert choose(keep=5, keep_daily=2).changes == {"keep_daily": (0, 2)}
    monkeypatch.delenv("BACKUP_KEEP")
    load_web.cache_clear()
    with pytest.raises(UsageError, match="at most BACKUP_COPIES_KEEP, 9"):
        choose(keep=14)
    assert web_app.settings.backup_keep == 7


def test_lower_numbers_say_first_what_the_next_prune_would_delete(web_app: Web) -> None:
    names = scheduled(web_app, *range(1, 25, 4))
    with pytest.raises(GivesUpError, match="would delete 4 backups") as refused:
        choose(keep=2)
    assert sorted(refused.value.names) == sorted(names[2:])
    assert load_web().backup_keep == 7
    assert choose(keep=2, dry_run=True).gives_up == refused.value.names
    assert load_web().backup_keep == 7
    with pytest.raises(GivesUpError):
        choose(keep=2, gives_up=3)
    assert choose(keep=2, gives_up=4).gives_up == refused.value.names
    assert load_web().backup_keep == 2


def test_a_token_may_have_more_kept_and_never_less(web_app: Web) -> None:
    assert choose("token ci", keep=30, every_hours=6).revision == 1
    for less in ({"keep": 29}, {"keep": 30, "keep_bytes": 10**12}, {}):
        with pytest.raises(RefusedError, match="A token may not have less kept"):
            choose("token ci", **less)
    assert load_web().backup_keep == 30
    assert web_app.settings.backup_keep == 7


def test_the_second_of_two_editors_is_told(web_app: Web) -> None:
    choose(keep=14)
    with pytest.raises(RefusedError, match="Somebody else has changed the schedule meanwhile"):
        choose(revision=0, keep=20)
    assert load_web().backup_keep == 14
    assert web_app.settings.backup_keep == 7
