"""Where each backup lies, on the list and on its page: what was seen there, noted at home, and has run since."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.copies.given import CONTENT, copied, folder, take, take_ago
from tests.support.dashboard import Browser, Web
from tests.support.processes import eventually
from tests.web.pages.given import ended, given_to, queued
from tests.web.pages.reading import Policy, read
from worker.config.settings import load, load_web
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.copies import holdings
from worker.repository.drills.rehearsal import Rehearsal
from worker.repository.manifest import AGE_SUFFIX, MANIFEST_SUFFIX, Copied, Encrypted, artifact_name
from worker.storage import trial
from worker.storage.local import Folder


@pytest.fixture
def there(web_app: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """The other storage of the dashboard, a folder."""
    other = folder(tmp_path / "nas")
    web_app.storage.mkdir()
    monkeypatch.setenv("BACKUP_COPIES", str(other))
    monkeypatch.setattr(holdings, "EVERY_SECONDS", 0)
    for cached in (load, load_web):
        cached.cache_clear()
    yield other
    for cached in (load, load_web):
        cached.cache_clear()


@pytest.fixture
def home(web_app: Web) -> Folder:
    return Folder(web_app.storage)


def seen(since: datetime | None = None) -> None:
    """Wait until the dashboard has looked into the other storage since that moment."""
    moment = since or datetime.now(UTC)

    def looked() -> bool:
        (reading,) = holdings.remembered(load())
        return reading.read_at is not None and reading.read_at > moment

    eventually(looked, "a look into the other storage")


def on_the_list(admin: Browser, name: str) -> str:
    """What the list of all backups says of it, and of older ones."""
    return read(admin, "/backups").rpartition(name)[2]


def test_what_a_drill_of_a_copy_found_is_on_the_page(admin: Browser, home: Folder, there: Folder) -> None:
    name, now = take(home), datetime.now(UTC)
    drill = Rehearsal(
        at=now,
        way="keys",
        server="redis 8.2.3",
        storage=there.place,
        seconds=1,
        keys=1,
        bytes=1,
        compared="all",
        differs=["2 keys are missing."],
    )
    catalogue.note(home, name, copies={there.place: Copied(copied_at=now, rehearsed=drill)})
    said = read(admin, f"/backups/{name}")
    assert f"its copy in {there.place}: just now" in said
    assert "it did not come back as it should: 2 keys are missing." in said


def test_without_other_storages_nothing_is_said_of_them(web_app: Web, admin: Browser) -> None:
    name = take_ago(Folder(web_app.storage), 1)
    for path in ("/backups", f"/backups/{name}"):
        text = admin.get(path).text
        assert "Where it lies" not in text
        assert 'class="places"' not in text
        assert "/copy" not in text


def test_each_backup_is_shown_with_how_it_stands_in_each_storage(
    web_app: Web, admin: Browser, home: Folder, there: Folder
) -> None:
    late, whole, young, gone = (take_ago(home, hours) for hours in (30, 20, 1, 10))
    for name in (whole, gone):
        copied(load(), name)
    hours_ago = Copied(copied_at=datetime.now(UTC) - timedelta(hours=9))
    catalogue.note(home, gone, copies={there.place: hours_ago})
    catalogue.remove(there, gone)
    seen()
    for name, words in (
        (late, "home there nas: late"),
        (whole, "home there nas there"),
        (young, "home there nas: not there yet"),
        (gone, "home there nas: missing"),
    ):
        assert words in on_the_list(admin, name).partition(" redis_backup")[0]
    assert f"{home.path} home: here backups are written There \u2013 now {there.path} There just now" in read(
        admin, f"/backups/{whole}"
    )
    assert "Copy again" not in read(admin, f"/backups/{whole}")
    said = read(admin, f"/backups/{gone}")
    assert "Missing It was copied there, and is not there any more." in said
    assert f'aria-label="Copy again: {gone} to {there}"' in admin.get(f"/backups/{gone}").text
    assert f'aria-label="Copy now: {young} to {there}"' in admin.get(f"/backups/{young}").text
    assert "It was made more than 6 hours ago and should be there by now." in read(admin, f"/backups/{late}")


def test_the_button_asks_for_a_copy_to_that_storage_and_its_run_is_followed_on_the_page(
    web_app: Web, admin: Browser, home: Folder, there: Folder
) -> None:
    name = take_ago(home, 1)
    seen()
    answer = admin.post(f"/backups/{name}/copy", data={"to": str(there)})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/backups/{name}#where")
    (run,) = queued(web_app)
    assert (run.operation, given_to(run)) == ("copy", {"name": name, "to": str(there)})
    page = admin.get(f"/backups/{name}")
    assert "On its way" in page.text
    assert f'data-run="{run.id}"' in page.text
    assert f'href="/tasks/{run.id}"' in page.text
    assert '<noscript><meta http-equiv="refresh"' in page.text
    assert "Copy now" not in page.text
    assert "nas: on its way" in read(admin, "/backups")
    policy = Policy()
    policy.feed(page.text)
    assert policy.found == []


def test_a_storage_that_is_not_ours_is_refused_with_the_form(
    web_app: Web, admin: Browser, home: Folder, there: Folder
) -> None:
    name = take_ago(home, 1)
    answer = admin.post(f"/backups/{name}/copy", data={"to": "s3://of-somebody/else"})
    assert answer.status_code == 404
    assert "No such storage is set" in answer.text
    assert queued(web_app) == []
    assert admin.get(f"/backups/{name}/copy").headers["Location"] == f"/backups/{name}"


def test_a_copy_that_failed_says_why_until_it_is_there(
    web_app: Web, admin: Browser, home: Folder, there: Folder
) -> None:
    name = take_ago(home, 1)
    said = {"operation": "copy", "arguments": {"name": name, "to": str(there)}}
    ended(web_app, "FAILURE", id="failed", error="The disk is full.", **said)
    seen()
    page = read(admin, f"/backups/{name}")
    assert "Copying failed The disk is full. Its task ended just now ." in page
    assert "nas: copying failed" in read(admin, "/backups")
    assert "Copy again" in page
    copied(load(), name)
    seen()
    assert "Copying failed" not in read(admin, f"/backups/{name}")


def test_what_was_copied_since_the_last_look_is_there(
    web_app: Web, admin: Browser, home: Folder, there: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = take_ago(home, 1)
    seen()
    monkeypatch.setattr(holdings, "EVERY_SECONDS", 3600)
    copied(load(), name)
    assert "nas there" in read(admin, "/backups")


def test_what_lies_in_a_copy_alone_is_listed_and_has_its_page(
    web_app: Web, admin: Browser, home: Folder, there: Folder
) -> None:
    old, young = take_ago(home, 20), take_ago(home, 1)
    copied(load(), old)
    catalogue.remove(home, old)
    seen()
    listed = read(admin, "/backups")
    assert "and 1 more in other storages only" in listed
    assert listed.rindex(young) < listed.rindex(old)
    assert "home: not there nas there" in on_the_list(admin, old)
    page = admin.get(f"/backups/{old}")
    assert page.status_code == 200
    assert f"It is not in {home.path} any more." in page.text
    assert 'id="delete"' not in page.text
    assert 'id="pin"' not in page.text
    assert "/copy" not in page.text
    assert 'id="delete"' in admin.get(f"/backups/{young}").text


def test_what_is_damaged_at_home_and_whole_elsewhere_says_both(
    web_app: Web, admin: Browser, home: Folder, there: Folder
) -> None:
    name = take_ago(home, 20)
    copied(load(), name)
    (home.path / name).unlink()
    seen()
    assert "home: not whole nas there" in on_the_list(admin, name)
    (link,) = re.findall(r'href="(/api/backup/download/[^"]*)"', admin.get("/backups").text)
    answer = admin.get(link)
    assert (answer.status_code, answer.data) == (200, CONTENT)
    assert f'name="storage" value="{there}"' in admin.get("/backups").text
    assert f"Not whole The artifact {name} is missing" in read(admin, f"/backups/{name}")


def test_a_storage_that_is_away_is_told_by_what_is_noted(
    web_app: Web, admin: Browser, home: Folder, there: Folder
) -> None:
    name, other = take_ago(home, 20), take_ago(home, 1)
    copied(load(), name)
    shutil.rmtree(there.path)
    eventually(lambda: holdings.remembered(load())[0].error, "a look that fails")
    said = read(admin, "/backups")
    assert f"The copies in {there} cannot be looked at: The folder {there} is not there" in said
    assert "nas there" in on_the_list(admin, name)
    assert "nas: not known" in on_the_list(admin, other).partition(name)[0]


def test_it_can_be_chosen_where_a_restore_reads_a_backup(
    web_app: Web, admin: Browser, home: Folder, there: Folder
) -> None:
    both, alone, damaged, only = (take_ago(home, hours) for hours in (4, 3, 2, 1))
    for name in (both, alone, damaged):
        copied(load(), name)
    catalogue.remove(home, alone)
    (home.path / damaged).unlink()
    seen()
    offered = {
        name: re.findall(r'<option value="([^"]*/[^"]*)"', admin.get(f"/backups/{name}").text)
        for name in (both, alone, damaged, only)
    }
    assert offered == {both: [str(home), str(there)], alone: [str(there)], damaged: [str(there)], only: []}
    assert f"/api/backup/download/{damaged}?storage=" in admin.get(f"/backups/{damaged}").text
    for path, operation in (("preview", "preview"), ("restore", "restore"), ("verify", "verify")):
        assert admin.post(f"/backups/{damaged}/{path}", data={"storage": str(there)}).status_code == 303
        assert (queued(web_app)[-1].operation, given_to(queued(web_app)[-1])["storage"]) == (operation, str(there))
    assert f"{damaged}, from {there}" in read(admin, f"/tasks/{queued(web_app)[-1].id}")
    review = read(admin, f"/backups/{damaged}/restore?storage={there}")
    assert f"It reads the whole file in {there} first" in review
    assert f"Read from {there}" in review
    assert "is missing" not in review
    assert "is missing" in read(admin, f"/backups/{damaged}/restore")


def test_another_storage_than_ours_is_never_opened_by_a_form(
    web_app: Web, admin: Browser, home: Folder, there: Folder, tmp_path: Path
) -> None:
    name = take_ago(home, 1)
    for path in ("preview", "restore", "verify", "review"):
        answer = admin.post(f"/backups/{name}/{path}", data={"storage": str(tmp_path / "secret")})
        assert (path, answer.status_code) == (path, 404)
        assert "No such storage is set" in answer.text
    assert queued(web_app) == []


def test_what_cannot_be_read_at_home_is_restored_from_elsewhere(
    web_app: Web, admin: Browser, home: Folder, there: Folder
) -> None:
    name = take_ago(home, 20)
    copied(load(), name)
    (home.path / (name + MANIFEST_SUFFIX)).write_text("damaged")
    seen()
    page = admin.get(f"/backups/{name}")
    assert "It cannot be read, so nothing is known of it" in page.text
    assert f"Restore from {there}" in page.text
    assert "Not whole" in page.text
    review = read(admin, f"/backups/{name}/restore?storage={there}")
    assert f"Read from {there}" in review
    assert "Restore now" in review


def test_the_system_page_shows_each_storage_with_its_state_and_what_its_trial_found(
    web_app: Web, admin: Browser, home: Folder, there: Folder
) -> None:
    begun = datetime.now(UTC) - timedelta(minutes=5)
    sealed = artifact_name(begun, "rdb", AGE_SUFFIX)
    take_ago(home, 30)
    whole = take(home, sealed, created_at=begun, encryption=Encrypted(recipients=[]))
    copied(load(), whole)
    seen()
    said = read(admin, "/system").partition(f"Copies {there}")[2]
    assert "reachable Seen just now Holds 1 backup, 19 B Encrypted all" in said
    assert f"Newest {whole} 5 minutes ago Missing 1 backup, 1 of them late" in said
    assert "“Try all” finds it out" in said
    found = trial.storage(load(), silent)
    ended(web_app, "SUCCESS", operation="storage", value=found)
    own, _, other = read(admin, "/system").partition(f"Copies {there}")
    for said in (own, other):
        assert said.count(" read back ") == 1
    shutil.rmtree(there.path)
    eventually(lambda: holdings.remembered(load())[0].error, "a look that fails")
    ended(web_app, "FAILURE", operation="storage", value=trial.storage(load(), silent), error="No.")
    said = read(admin, "/system").partition(f"Copies {there}")[2]
    assert f"cannot be looked into The folder {there} is not there" in said
    assert "not open" in said
    assert not there.path.exists()
    assert "Encrypted 1 of 2" in own
