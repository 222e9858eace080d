"""How it stands with copies: what is missing, what is late, what nobody can see; in the lists, numbers and verdict."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from tests.copies.given import NO_BROKER, copied, settings_of, take_ago
from tests.support.backups import eventually
from tests.support.processes import Shell
from web.activity import Memory
from web.api.metrics import exposition
from web.wording.verdict import Situation, verdict
from worker.backups.stats import stats
from worker.config.settings import Settings
from worker.repository import catalogue
from worker.repository.copies import holdings
from worker.repository.copies.standing import Reading, everywhere, standing, standings
from worker.storage import Storage
from worker.storage.local import Folder


@pytest.fixture
def settings(home: Folder, there: Folder) -> Settings:
    return settings_of(home, there, redis_url=NO_BROKER)


def test_what_is_missing_is_late_after_its_hours(settings: Settings, home: Folder, there: Folder) -> None:
    old, young, whole = take_ago(home, 6.1), take_ago(home, 5.9), take_ago(home, 8)
    copied(settings, whole)
    (seen,) = standings(settings, catalogue.read(home), holdings.look(settings))
    assert (seen.where, seen.reachable, seen.count, seen.newest) == (str(there), True, 1, whole)
    assert (seen.missing, seen.late, seen.names) == (2, 1, [old])
    assert seen.warnings == [
        f"1 backup is not in {there}, 6 hours after it was made and more: `python -m worker copy {old} --to {there}` copies it."
    ]
    later = settings.model_copy(update={"backup_copies_late_hours": 5})
    (seen,) = standings(later, catalogue.read(home), holdings.look(later))
    assert (seen.late, seen.names) == (2, [young, old])
    assert f"2 backups are not in {there}" in seen.warnings[0]


def test_where_nobody_can_look_the_notes_at_home_say_what_was_copied(
    settings: Settings, home: Folder, there: Folder
) -> None:
    whole, missing = take_ago(home, 9), take_ago(home, 8)
    copied(settings, whole)
    there.path.rename(there.path.with_name("unmounted"))
    (reading,) = holdings.look(settings)
    assert (reading.contents, reading.read_at) == (None, None)
    (seen,) = standings(settings, catalogue.read(home), [reading])
    assert (seen.reachable, seen.count, seen.bytes, seen.missing, seen.names) == (False, None, None, 1, [missing])
    assert seen.warnings[0].startswith(f"The copies in {there} cannot be looked at: The folder {there} is not there")


def test_what_was_seen_before_counts_while_nobody_can_look(home: Folder, there: Folder) -> None:
    name, now = take_ago(home, 9), datetime.now(UTC)
    seen_then = Reading(str(there), there.place, catalogue.read(home), now - timedelta(hours=1), "It is away.")
    seen = standing(catalogue.read(home), seen_then, 6, now)
    assert (seen.reachable, seen.missing, seen.newest, seen.read_at) == (False, 0, name, now - timedelta(hours=1))


def test_a_backup_that_home_gave_up_is_listed_with_where_it_lies(
    settings: Settings, home: Folder, there: Folder
) -> None:
    old, young = take_ago(home, 2), take_ago(home, 1)
    copied(settings, old)
    catalogue.remove(home, old)
    lying = everywhere(catalogue.read(home), "home", holdings.look(settings))
    assert [(each.manifest.name, each.where) for each in lying] == [(young, ("home",)), (old, (str(there),))]


def test_pages_get_what_was_seen_and_wait_for_nothing(
    settings: Settings, home: Folder, there: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = take_ago(home, 1)
    copied(settings, name)
    answers = Event()

    def read_ahead(storage: Storage) -> catalogue.Catalogue:
        assert answers.wait(60)
        return catalogue.read(storage)

    monkeypatch.setattr(catalogue, "read_ahead", read_ahead)
    (first,) = holdings.remembered(settings)
    assert (first.contents, first.error) == (None, None)
    answers.set()

    def seen() -> bool:
        (reading,) = holdings.remembered(settings)
        return reading.contents is not None and [one.name for one in reading.contents.backups] == [name]

    assert eventually(seen)
    text = exposition(settings)[0].decode()
    for line in (
        f'redis_backup_copies_up{{storage="{there}"}} 1.0',
        f'redis_backup_copies{{storage="{there}"}} 1.0',
        f'redis_backup_copies_missing{{storage="{there}"}} 0.0',
        f'redis_backup_copies_late{{storage="{there}"}} 0.0',
        f'redis_backup_copies_newest_timestamp_seconds{{storage="{there}"}}',
    ):
        assert line in text


def test_a_page_is_given_another_look_when_the_last_one_is_old(
    settings: Settings, home: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def holds(*names: str) -> bool:
        (reading,) = holdings.remembered(settings)
        return reading.contents is not None and [one.name for one in reading.contents.backups] == [*names]

    first = take_ago(home, 2)
    copied(settings, first)
    assert eventually(lambda: holds(first))
    second = take_ago(home, 1)
    copied(settings, second)
    assert holds(first), "what was seen a moment ago is not looked up again"
    monkeypatch.setattr(holdings, "EVERY_SECONDS", 0)
    assert eventually(lambda: holds(second, first))


def test_the_numbers_and_the_lists_of_a_shell_say_it(
    settings: Settings, home: Folder, there: Folder, tmp_path: Path
) -> None:
    late, whole = take_ago(home, 7), take_ago(home, 1)
    copied(settings, whole)
    numbers = stats(settings)
    (copies,) = numbers["copies"]
    assert (copies["where"], copies["count"], copies["missing"], copies["late"]) == (str(there), 1, 1, 1)
    assert datetime.fromisoformat(copies["read_at"]) <= datetime.now(UTC)
    assert any(late in warning for warning in numbers["warnings"])
    shell = Shell(NO_BROKER, home.path, tmp_path)
    listed = shell("list", "--json", preexec=None, BACKUP_COPIES=str(there))
    assert listed.data["where"] == {late: [str(home)], whole: [str(home), str(there)]}
    assert (listed.data["elsewhere"], listed.data["copies"][0]["names"]) == ([], [late])
    catalogue.remove(home, whole)
    shown = shell("list", preexec=None, BACKUP_COPIES=str(there))
    assert [line.split()[-1] for line in shown.out.splitlines()] == ["IN", str(there), "home"]
    assert f"Note: 1 backup is not in {there}" in shown.err
    assert "LIES IN" not in shell("list", preexec=None).out
    told = shell("stats", preexec=None, BACKUP_COPIES=str(there))
    assert f"Copies in     {there}: 1 (19 B), 1 missing (1 of them late)" in told.out


def test_late_copies_are_a_warning_of_the_verdict(settings: Settings, home: Folder) -> None:
    now = datetime.now(UTC)
    late = take_ago(home, 7)
    contents = catalogue.read(home)
    memory = Memory(alive={"jobs": ["here"], "quick": ["here"], "questions": ["here"], "beat": ["here"]})
    calm = Situation(now, timedelta(days=1), contents.backups[0], now, memory, [], frozenset())
    assert verdict(calm).headline == "All is well"
    said = verdict(replace(calm, copies=standings(settings, contents, holdings.look(settings))))
    assert (said.level, said.headline) == ("warning", "Copies are late")
    assert late in said.findings[0].text
