"""What is chosen of the schedule, in the broker: read whole or not at all, and what counts while it cannot be read."""

from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.servers import Binary, Server
from worker.broker.choices import following, origins, store
from worker.config.schedule import in_force
from worker.config.schedule.chosen import NOTHING, Choice, Chosen
from worker.config.schedule.plan import Value
from worker.config.settings import Settings, laid_over, load
from worker.errors import RefusedError

AWAY = "redis://127.0.0.1:1/7"


def chosen(revision: int = 1, **values: Value) -> Chosen:
    now = datetime.now(UTC)
    return Chosen(
        revision=revision, choices={name: Choice(value=value, by="admin", at=now) for name, value in values.items()}
    )


@pytest.fixture
def broker(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest)


@pytest.fixture
def house(broker: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of this process, with a broker and a memory of their own."""
    for name in ("BACKUP_KEEP", "BACKUP_DAILY_AT", "TZ"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CELERY_BROKER_URL", broker.url)
    monkeypatch.setenv("BACKUP_STATE", str(tmp_path / "state"))
    load.cache_clear()
    yield load.said
    load.cache_clear()


def begin_anew() -> None:
    """As another process of this machine."""
    following.forget()
    in_force.forget()


def test_nobody_has_chosen_anything_and_the_defaults_count(house: Settings) -> None:
    assert following.refresh(house) == following.standing(house)
    assert following.standing(house).chosen == NOTHING
    assert (load().backup_keep, following.standing(house).problem) == (7, None)


def test_what_is_chosen_counts_from_the_next_look_on_and_in_each_process(house: Settings) -> None:
    store.write(house, NOTHING, chosen(backup_keep=14, backup_daily_at="04:30", tz="Europe/Berlin"))
    assert load().backup_keep == 7
    following.refresh(house)
    assert (load().backup_keep, load().backup_daily_at, load().tz) == (14, time(4, 30), "Europe/Berlin")
    assert load() is load()
    begin_anew()
    assert load().backup_keep == 14


def test_the_environment_wins(house: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(house, NOTHING, chosen(backup_keep=14, backup_keep_daily=3))
    monkeypatch.setenv("BACKUP_KEEP", "5")
    load.cache_clear()
    following.refresh(load.said)
    assert (load().backup_keep, load().backup_keep_daily) == (5, 3)
    rows = {row.name: row for row in origins.rows(load.said, following.standing(load.said).chosen)}
    assert (rows["keep"].origin, rows["keep"].value, rows["keep"].variable) == ("environment", 5, "BACKUP_KEEP")
    assert (rows["keep_daily"].origin, rows["keep_daily"].by) == ("chosen", "admin")
    assert (rows["tz"].origin, rows["tz"].value) == ("default", "UTC")


def test_a_secret_file_is_the_environment_too(house: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keep").write_text("9\n")
    monkeypatch.setenv("BACKUP_KEEP_FILE", str(tmp_path / "keep"))
    load.cache_clear()
    assert laid_over(load.said, chosen(backup_keep=14)).backup_keep == 9


GARBAGE = {
    "no JSON": b"\xff{",
    "another shape": b'["keep"]',
    "a wrong value": chosen(backup_keep=14).model_dump_json().replace("14", "0").encode(),
    "no setting of the schedule": chosen(backup_keep=14).model_dump_json().replace("backup_keep", "redis_url").encode(),
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE)
def test_garbage_counts_for_nothing_and_the_last_good_choices_do(text: bytes, house: Settings, broker: Server) -> None:
    store.write(house, NOTHING, chosen(backup_keep=14))
    following.refresh(house)
    broker.client().set(store.KEY, text)
    for _ in range(2):
        assert following.refresh(house).problem is not None
        assert following.standing(house).warning == following.standing(house).problem
        assert load().backup_keep == 14
        following.require(house)
        begin_anew()


def test_garbage_of_another_type_is_put_right_by_the_next_change(house: Settings, broker: Server) -> None:
    broker.client().lpush(store.KEY, "x")
    assert "cannot be read" in str(following.refresh(house).problem)
    with pytest.raises(RefusedError, match="nothing was deleted"):
        following.require(house)
    store.write(house, NOTHING, chosen(backup_keep=9))
    assert following.refresh(house).problem is None
    assert load().backup_keep == 9
    following.require(house)


def test_a_broker_that_has_lost_its_data_has_nobody_keep_less(house: Settings, broker: Server) -> None:
    store.write(house, NOTHING, chosen(3, backup_keep=100))
    following.refresh(house)
    broker.client().flushall()
    begin_anew()
    assert "has lost what was chosen" in str(following.refresh(house).problem)
    assert load().backup_keep == 100


def test_a_broker_that_is_away_is_no_error_and_whoever_has_never_heard_of_it_deletes_nothing(tmp_path: Path) -> None:
    settings = Settings(celery_broker_url=AWAY, backup_state=str(tmp_path))
    assert following.refresh(settings).problem is not None
    with pytest.raises(RefusedError, match="Try again when it answers"):
        following.require(settings)
    in_force.remember(AWAY, str(tmp_path), chosen(backup_keep=30))
    following.refresh(settings)
    following.require(settings)
    assert following.standing(settings).warning is None
    assert laid_over(settings, following.standing(settings).chosen).backup_keep == 30


def test_whoever_has_no_broker_set_goes_by_the_environment(tmp_path: Path) -> None:
    settings = Settings(backup_state=str(tmp_path))
    following.refresh(settings.model_copy(update={"celery_broker_url": AWAY}))
    following.require(settings)


def test_of_two_who_change_it_at_once_the_second_is_told(house: Settings) -> None:
    store.write(house, NOTHING, chosen(1, backup_keep=14))
    with pytest.raises(RefusedError, match="Somebody else has changed the schedule"):
        store.write(house, NOTHING, chosen(1, backup_keep=2))
    assert store.read(house) == following.refresh(house).chosen
    assert load().backup_keep == 14
