"""What is to be said waits in the broker, for each channel by itself."""

from datetime import UTC, datetime

import pytest

from tests.conftest import StartServer
from tests.support.servers import binaries, free_port
from worker.config.settings import Settings
from worker.notify import outbox
from worker.notify.channels import channels
from worker.notify.message import Level, Message


def message(number: int = 0, level: Level = "bad") -> Message:
    return Message(
        event="backup.failed",
        level=level,
        sentence=f"The backup failed for the {number}th time.",
        path="/backups",
        at=datetime.now(UTC),
        key="a source",
    )


@pytest.fixture
def told(start_server: StartServer) -> Settings:
    """Two people, the second of whom wants to hear of bad things only, and a program."""
    return Settings(
        celery_broker_url=start_server(binaries()[-1]).url,
        notify_urls="json://first xml://second",  # type: ignore[arg-type]
        notify_level="info, bad",  # type: ignore[arg-type]
        notify_webhook_url="http://third",
        notify_webhook_secret="0123456789abcdef" * 2,
    )


def test_each_channel_is_told_of_what_it_is_to_hear(told: Settings) -> None:
    for number, level in enumerate(("info", "warning", "bad", "good")):
        assert outbox.put(told, message(number, level))  # type: ignore[arg-type]
    heard = {channel.name: [one.message.level for one in outbox.waiting(told, channel)] for channel in channels(told)}
    everything = ["info", "warning", "bad", "good"]
    assert heard == {"1-json": everything, "2-xml": ["bad", "good"], "webhook": everything}


def test_of_too_many_the_oldest_go(told: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_WAITING", 3)
    for number in range(5):
        outbox.put(told, message(number))
    for channel in channels(told):
        waiting = outbox.waiting(told, channel)
        assert [one.message.sentence for one in waiting] == [message(number).sentence for number in (2, 3, 4)]


def test_where_nobody_is_to_hear_of_it_nothing_is_kept() -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    assert outbox.put(Settings(celery_broker_url=nowhere), message())


def test_a_broker_that_is_away_fails_nobody() -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    assert not outbox.put(Settings(celery_broker_url=nowhere, notify_urls="json://host"), message())  # type: ignore[arg-type]
