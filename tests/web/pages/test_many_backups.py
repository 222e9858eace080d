"""Many backups: a page shows a part of them, tells how many there are, and says so while they are still being read."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.backups import manifest_of
from tests.support.dashboard import Browser, Web
from tests.web.api.alive import numbers
from tests.web.pages.reading import read
from web.pages import backups
from web.wording.pictures import charts
from worker.arguments.backups import PruneArguments
from worker.backups import prune, stats
from worker.backups.pruning import account
from worker.progress import silent
from worker.repository import catalogue, contents, remembered
from worker.repository.manifest import MANIFEST_SUFFIX, Origin, artifact_name, to_json
from worker.repository.scope import scope_of
from worker.storage import open_storage

MANY = 260


@pytest.fixture(autouse=True)
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written now was written long ago."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)


@pytest.fixture
def many(web_app: Web) -> list[str]:
    """The names of the source's own backups, newest first; of each the number of keys is another one, and none lost any."""
    source, newest = Origin(address=scope_of(web_app.settings).address), datetime.now(UTC) - timedelta(hours=1)
    web_app.storage.mkdir(exist_ok=True)
    names = []
    for number in range(MANY):
        name = artifact_name(at := newest - timedelta(hours=number), "rdb", ".zst")
        made = manifest_of(name, b"content").model_copy(
            update={
                "source": source,
                "created_at": at,
                "keys": MANY - number,
                "keys_by_db": {0: {"string": MANY - number}},
            }
        )
        (web_app.storage / name).write_bytes(b"content")
        (web_app.storage / (name + MANIFEST_SUFFIX)).write_bytes(to_json(made))
        names.append(name)
    return names


def shown(said: str) -> list[str]:
    """The backups that a page names, each once."""
    return list(dict.fromkeys(re.findall(r"redis_backup_\d{8}_\d{6}\.rdb\.zst", said)))


def test_the_backups_come_by_the_page_and_their_number_is_that_of_all(many: list[str], admin: Browser) -> None:
    first, last = read(admin, "/backups"), read(admin, "/backups?page=11")
    assert (shown(first), shown(last)) == (many[:25], many[250:])
    for said in (first, last, read(admin, "/system")):
        assert f"{MANY} backups, {MANY * 7 / 1000:.1f} KB" in said


def test_the_schedule_says_by_the_page_what_becomes_of_each_and_how_many_go(
    many: list[str], web_app: Web, admin: Browser
) -> None:
    first, last = read(admin, "/schedule"), read(admin, "/schedule?page=3")
    assert (shown(first), shown(last)) == (many[:100], many[200:])
    doomed = MANY - web_app.settings.backup_keep
    for said in (first, last):
        assert f"The next prune would delete {doomed} backups" in said
        assert f"{doomed * 7 / 1000:.1f} KB" in said
    assert "There are no more backups" in read(admin, "/schedule?page=4")


def test_the_chart_draws_some_of_them_the_most_keys_among_them(many: list[str], admin: Browser) -> None:
    page = admin.get("/").text
    assert f"Keys: {len(many)} backups, {charts.DOTS} of them drawn" in page
    assert page.count('class="dot"') == 2 * charts.DOTS
    assert f"most: {MANY}" in read(admin, "/")


def test_what_is_wrong_or_was_deleted_is_named_as_far_as_a_page_goes(
    many: list[str], web_app: Web, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "PER_PAGE", 3)
    monkeypatch.setattr(contents, "MOST_SENTENCES", 3)
    for name in many[:5]:
        (web_app.storage / name).write_bytes(b"cut")
    for name in many[5:10]:
        catalogue.note(open_storage(str(web_app.storage)), name, deleted_at=datetime.now(UTC))
    said = read(admin, "/backups")
    assert said.count("it is not whole") == 3
    assert said.count("Put back") == 3
    assert said.count("and 2 more: python -m worker list") == 2
    told = web_app.with_token("read").get("/api/backup/list?per_page=2").get_json()
    assert (told["total"], len(told["backups"]), told["trash_total"], len(told["trash"])) == (MANY - 10, 2, 5, 2)
    assert told["problems"][3:] == ["2 more: `python -m worker list` names them."]


def test_a_number_of_series_does_not_grow_with_the_backups(many: list[str], web_app: Web) -> None:
    script = web_app.with_token("read")
    found = numbers(script)
    assert (found["redis_backup_backups"], found["redis_backup_unread_backups"]) == (MANY, 0)
    for name in many[10:]:
        (web_app.storage / (name + MANIFEST_SUFFIX)).unlink()
        (web_app.storage / name).unlink()
    assert numbers(script).keys() == found.keys()


def test_the_numbers_that_are_kept_with_a_run_have_an_end(
    many: list[str], web_app: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats, "MOST_POINTS", 3)
    monkeypatch.setattr(account, "MOST_KEPT", 2)
    found = stats.stats(web_app.settings)
    assert (found["count"], [one["name"] for one in found["history"]]) == (MANY, many[2::-1])
    told = prune.prune(web_app.settings, PruneArguments(keep=100, dry_run=True), silent)
    assert ([one["name"] for one in told["kept"]], told["kept_total"], told["undos_kept_total"]) == (many[:2], 100, 0)


def test_while_they_are_being_read_every_page_says_so_and_comes_again_by_itself(
    many: list[str], web_app: Web, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "AT_LEAST", 30)
    monkeypatch.setattr(remembered.Memory, "seconds", 0)
    script = web_app.with_token("read")
    for path in ("/", "/backups", "/schedule"):
        answer = admin.get(path)
        assert answer.status_code == 200
        assert "is being read" in answer.text
        assert '<noscript><meta http-equiv="refresh"' not in answer.text
        assert '<meta http-equiv="refresh" content="3">' in answer.text
    assert "is being read, 120 of 260 manifests by now" in read(admin, "/")
    ready = script.get("/readyz")
    assert (ready.status_code, "is being read" in ready.get_json()["storage"]) == (503, True)
    found = numbers(script)
    assert (found["redis_backup_storage_up"], "redis_backup_backups" in found) == (1, False)
    assert 0 < found["redis_backup_unread_backups"] < MANY
    assert script.get("/api/backup/list").status_code == 503
    assert script.get("/api/backup/manifest/latest").get_json()["name"] == many[0]
    monkeypatch.setattr(remembered, "AT_LEAST", MANY)
    assert script.get("/api/backup/list").get_json()["total"] == MANY
