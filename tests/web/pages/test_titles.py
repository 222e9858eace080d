"""What a backup is called: by its day and time, its keys, and what changed since the one before."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.backups import manifest_of
from tests.support.dashboard import Browser, Web
from tests.web.pages.given import make_backup
from tests.web.pages.reading import read
from web.wording import titles
from worker.formats.prefixes import Prefixes
from worker.repository.manifest import Manifest
from worker.runs.run import new
from worker.runs.store import open_runs

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


def made(hours: float, keys: int = 100, counts: dict[str, int] | None = None, **more: Any) -> Manifest:
    """One that was made so many hours ago."""
    at = NOW - timedelta(hours=hours)
    prefixes = None if counts is None else Prefixes(counts=counts, **more)
    bare = manifest_of(f"redis_backup_{at:%Y%m%d_%H%M%S}.rdb.zst", b"")
    return bare.model_copy(update={"created_at": at, "keys": keys, "prefixes": prefixes})


@pytest.mark.parametrize(
    ("hours", "zone", "said"),
    [
        (2, "UTC", "Today 10:00"),
        (2, "Asia/Tokyo", "Today 19:00"),
        (13, "UTC", "Yesterday 23:00"),
        (13, "Asia/Tokyo", "Today 08:00"),
        (60, "UTC", "Tue 3 Mar 00:00"),
        (2000, "UTC", "12 Dec 2025 04:00"),
    ],
)
def test_it_is_called_by_its_day_and_time_where_the_reader_is(hours: float, zone: str, said: str) -> None:
    backup = made(hours)
    assert titles.titled(backup, zone, NOW) == said
    assert titles.called(backup.name, zone, NOW) == said


@pytest.mark.parametrize("name", ["dump.rdb", "redis_backup_20269999_999999.rdb", ""])
def test_a_name_that_tells_no_time_is_said_as_it_is(name: str) -> None:
    assert titles.called(name, "UTC", NOW) == name


def test_the_one_before_is_the_last_good_one_of_the_same_data() -> None:
    newest, partial, other, older = made(1, 12), made(2, 99), made(3, 99), made(4, 10)
    partial = partial.model_copy(update={"kind": "partial"})
    other = other.model_copy(update={"source": other.source.model_copy(update={"address": "elsewhere:1"})})
    listed = [newest, partial, other, older]
    assert titles.before(newest, listed) == older
    assert titles.keys(newest, older) == "12 keys, 2 more than before"
    assert titles.keys(older, newest) == "10 keys, 2 fewer than before"
    assert titles.keys(older, older) == "10 keys, as many as before"
    assert titles.keys(older, titles.before(older, listed)) == "10 keys"
    assert titles.before(partial, listed) is None


def test_changes_are_told_by_prefix_the_largest_first() -> None:
    then, now = {"a:": 50, "b:": 30, "gone:": 5, "same:": 9}, {"a:": 49, "b:": 60, "new:": 7, "same:": 9}
    assert titles.changes(made(1, counts=now), made(2, counts=then)) == [
        ("b:", 30, 60),
        ("new:", 0, 7),
        ("gone:", 5, 0),
        ("a:", 50, 49),
    ]
    # What is not listed may be there all the same; by a sample small changes are none.
    assert titles.changes(made(1, counts=now, others=3), made(2, counts=then)) == [
        ("b:", 30, 60),
        ("new:", 0, 7),
        ("a:", 50, 49),
    ]
    assert titles.changes(made(1, counts=now, exact=False), made(2, counts=then)) == [("b:", 30, 60)]
    assert titles.changes(made(1, counts=now, hashed=True), made(2, counts=then)) == []
    assert titles.changes(made(1, counts=now), None) == []


def test_the_name_of_a_file_stays_in_one_line_and_what_is_around_it_is_text() -> None:
    said = titles.unbroken("<b> redis_backup_20260305_100000.rdb.zst, and redis_backup_20260305_100001_2.json.")
    assert said == (
        '&lt;b&gt; <span class="file">redis_backup_20260305_100000.rdb.zst</span>, and '
        '<span class="file">redis_backup_20260305_100001_2.json</span>.'
    )
    assert titles.unbroken("none") == "none"


def test_the_pages_call_it_so_and_say_what_changed(web_app: Web, admin: Browser) -> None:
    make_backup(web_app)
    web_app.source.client().mset({f"order:{number}": "x" for number in range(12)})
    name = make_backup(web_app)
    page = read(admin, f"/backups/{name}")
    assert "34 keys, 12 more than before" in page
    assert "order: 0 12 +12" in page
    assert page.index("34 keys, 12 more") < page.index(name)
    assert "34 keys, 12 more than before" in read(admin, "/backups")


def test_in_a_text_the_name_of_a_file_becomes_what_the_backup_is_called_and_nothing_else_is_markup() -> None:
    shown = titles.retitled(f"<b> {made(2).name}, and dump.rdb", "UTC", NOW)
    assert shown == (
        '&lt;b&gt; <span class="file" title="redis_backup_20260305_100000.rdb.zst">Today 10:00</span>, and dump.rdb'
    )


def test_lists_of_runs_call_backups_by_their_titles(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    run = new("one", "verify", {"name": name}, "admin").model_copy(
        update={
            "state": "FAILURE",
            "error": f"{name} is cut short: `python -m worker list` says more, and `verify {name}`.",
        }
    )
    with open_runs(web_app.settings) as runs:
        runs.put(run)
    page = admin.get("/tasks").text
    assert f'<span class="file" title="{name}">Today' in page
    assert f'<code>verify <span class="file">{name}</span></code>' in page
