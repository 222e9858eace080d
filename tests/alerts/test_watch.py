"""One look after the other with a real broker: what is remembered, what goes out, and who of several tells it."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.alerts.conftest import Given
from tests.alerts.given import NOW
from tests.support.backups import dated
from worker.alerts import memory, telling
from worker.alerts.memory import Alert, Change, Memory
from worker.alerts.silence import silence
from worker.alerts.watch import watch
from worker.arguments.alerts import SilenceArguments
from worker.broker import connection
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError, NotFoundError
from worker.notify.message import Message
from worker.runs.run import Run
from worker.runs.store import open_runs

HEARD = {"notify_webhook_url": "https://hooks.example.com/redis", "notify_webhook_secret": "0123456789abcdef" * 2}
"""Somebody hears of everything."""


@pytest.fixture
def settings(ours: Given) -> Settings:
    """A backup of an hour ago, and a worker."""
    given = ours(notify_summary="off", **HEARD)
    dated(given, 1)
    with connection.client(given) as client:
        client.set(f"{connection.PREFIX}alive:jobs:here", 1)
    return given


def ended(settings: Settings, state: str, **fields: Any) -> Run:
    """A backup of this moment that ended so."""
    now = datetime.now(UTC)
    usual: dict[str, Any] = {"id": str(uuid.uuid4()), "operation": "backup", "queued_at": now, "due_at": now}
    run = Run.model_validate(usual | {"state": state, "started_at": now, "ended_at": now} | fields)
    with open_runs(settings) as runs:
        runs.put(run)
    return run


def out(settings: Settings) -> list[Message]:
    """What has been put on its way, oldest first."""
    with connection.client(settings) as client:
        texts = [text for key in client.scan_iter("*outbox:*") for text in client.hvals(key)]
    return sorted(
        (Message.model_validate(json.loads(text)["message"]) for text in texts), key=lambda message: message.at
    )


def amend(settings: Settings, **changes: Any) -> None:
    """Have something else remembered."""
    known = memory.read(settings)
    assert known is not None
    memory.change(settings, lambda _: Change(known.model_copy(update=changes)))


def known(settings: Settings) -> Memory:
    """What is remembered."""
    remembered = memory.read(settings)
    assert remembered is not None
    return remembered


def told(settings: Settings) -> list[str]:
    return [message.event for message in out(settings)]


def test_a_failure_is_told_once_and_that_backups_work_again_once(settings: Settings) -> None:
    watch(settings)
    assert told(settings) == []
    run = ended(settings, "FAILURE", error="The source does not answer.")
    for _ in range(3):
        watch(settings)
    [message] = out(settings)
    assert (message.event, message.level, message.path) == ("backup.failed", "bad", f"/tasks/{run.id}")
    dated(settings, -0.01)
    ended(settings, "SUCCESS", value={"name": "one"})
    for _ in range(3):
        watch(settings)
    assert told(settings) == ["backup.failed", "backup.failed.over"]
    assert out(settings)[1].level == "good"
    assert [alert.key for alert in memory.history(settings)] == ["backup.failed"]


def test_a_second_failure_while_it_is_open_is_no_news(settings: Settings) -> None:
    ended(settings, "FAILURE", error="The first.")
    watch(settings)
    ended(settings, "FAILURE", outside="The second.")
    watch(settings)
    assert told(settings) == ["backup.failed"]
    known = memory.read(settings)
    assert known is not None
    assert "The second." in known.open[0].sentence


def test_of_many_who_look_at_once_one_tells_it(settings: Settings) -> None:
    ended(settings, "FAILURE", error="Why.")
    with ThreadPoolExecutor(8) as threads:
        results = [*threads.map(lambda _: watch(settings), range(8))]
    assert told(settings) == ["backup.failed"]
    assert sum(result["told"] for result in results) == 1


def test_who_began_to_look_earlier_changes_nothing_that_a_later_one_saw(settings: Settings) -> None:
    watch(settings)
    later = memory.next_look(settings) + 5
    amend(settings, look=later)
    ended(settings, "FAILURE", error="Why.")
    watch(settings)
    assert told(settings) == []
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    amend(settings, seen_at=long_ago)
    watch(settings)
    assert told(settings) == ["backup.failed"]


def test_a_broker_that_was_emptied_has_what_is_open_told_once_more_and_no_more(settings: Settings) -> None:
    settings = settings.model_copy(update={"backup_every_hours": 0.1})
    watch(settings)
    watch(settings)
    assert told(settings) == ["backup.overdue"]
    with connection.client(settings) as client:
        client.flushall()
        client.set(f"{connection.PREFIX}alive:jobs:here", 1)
    for _ in range(3):
        watch(settings)
    assert told(settings) == ["backup.overdue"]


def test_what_the_broker_does_not_take_stays_until_it_does(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "CLAIM_SECONDS", 0.001)
    watch(settings)
    ended(settings, "FAILURE")
    with connection.client(settings) as client:
        client.execute_command("ACL SETUSER default -hsetnx")
        for _ in range(2):
            assert watch(settings)["told"] == 0
        telling.tell(settings, Message(event="token.made", level="bad", sentence="Made.", path="/", at=NOW, key="a"))
        waits = [message.event for message in known(settings).waiting]
        assert (told(settings), waits) == ([], ["backup.failed", "token.made"])
        client.execute_command("ACL SETUSER default +hsetnx")
    watch(settings)
    watch(settings)
    assert sorted(told(settings)) == ["backup.failed", "token.made"]
    assert known(settings).waiting == []


def test_what_nobody_hears_does_not_stay(settings: Settings) -> None:
    deaf = settings.model_copy(update={"notify_webhook_url": None})
    watch(deaf)
    ended(deaf, "FAILURE")
    watch(deaf)
    assert (told(deaf), known(deaf).waiting) == ([], [])


def test_without_a_broker_nobody_can_look(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"celery_broker_url": "redis://127.0.0.1:1/0"})
    with pytest.raises(BrokerUnavailableError):
        watch(nowhere)


def test_what_cannot_be_read_in_the_broker_is_as_nothing(settings: Settings) -> None:
    for rubbish in (b"{", b'{"since": "once"}', b"x" * (9 << 20)):
        with connection.client(settings) as client:
            client.set(f"{connection.PREFIX}alerts", rubbish)
        assert memory.read(settings) is None
        watch(settings)
        assert memory.read(settings) is not None


def test_no_alert_leads_to_another_host(settings: Settings) -> None:
    watch(settings)
    ended(settings, "FAILURE", error="Why.")
    watch(settings)
    known = memory.read(settings)
    assert known is not None
    for path in ("javascript:alert(1)", "//evil.example.com", "/\\evil.example.com", "https://evil.example.com"):
        text = known.model_dump_json().replace(known.open[0].path, path.replace("\\", "\\\\"))
        with connection.client(settings) as client:
            client.set(f"{connection.PREFIX}alerts", text)
        assert memory.read(settings) is None, path


def test_the_history_has_an_end(settings: Settings) -> None:
    watch(settings)
    known = memory.read(settings)
    assert known is not None
    now = datetime.now(UTC)
    words: dict[str, Any] = dict.fromkeys(("event", "headline", "sentence", "advice", "over"), "it")
    many = [
        Alert(key=str(number), level="bad", path="/", since=now, ended_at=now, **words)
        for number in range(memory.HISTORY + 300)
    ]
    memory.change(settings, lambda before: Change(before or Memory(since=now), many))
    with connection.client(settings) as client:
        assert client.xlen(f"{connection.PREFIX}alerts:history") < len(many)
    assert memory.history(settings, 2)[0].key == many[-1].key


# Silences.


def test_a_silence_ends_and_what_is_still_so_is_told_then(settings: Settings) -> None:
    ended(settings, "FAILURE", error="Why.")
    watch(settings)
    silence(settings, SilenceArguments(key="backup.failed", hours=1))
    known = memory.read(settings)
    assert known is not None
    assert (len(known.open), known.loud) == (1, [])
    silence(settings, SilenceArguments(key="backup.failed", hours=0))
    watch(settings)
    known = memory.read(settings)
    assert known is not None
    assert len(known.loud) == 1
    assert told(settings) == ["backup.failed"]


def test_what_is_not_open_is_not_silenced(settings: Settings) -> None:
    for _ in range(2):
        with pytest.raises(NotFoundError):
            silence(settings, SilenceArguments(key="backup.failed", hours=1))
        watch(settings)


# The quiet time, and the summary.


def around(now: datetime, minutes: int) -> str:
    """A quiet time that began so many minutes ago, or begins then, and lasts for a while."""
    begins, ends = now - timedelta(minutes=minutes), now + timedelta(minutes=120)
    return f"{begins:%H:%M}-{ends:%H:%M}"


def test_what_is_not_bad_waits_until_the_quiet_time_is_over(settings: Settings) -> None:
    now = datetime.now(UTC)
    night = settings.model_copy(
        update={"notify_quiet": Settings.model_validate({"notify_quiet": around(now, 60)}).notify_quiet}
    )
    good = Message(event="restore.done", level="info", sentence="Done.", path="/", at=now, key="run:1")
    telling.tell(night, good)
    telling.tell(night, good.model_copy(update={"event": "restore.failure", "level": "bad"}))
    watch(night)
    assert told(settings) == ["restore.failure"]
    known = memory.read(settings)
    assert known is not None
    assert known.waiting == [good]
    watch(settings)
    watch(settings)
    assert sorted(told(settings)) == ["restore.done", "restore.failure"]


def test_a_message_that_somebody_has_in_hand_waits_for_them(settings: Settings) -> None:
    now = datetime.now(UTC)
    message = Message(event="restore.done", level="info", sentence="Done.", path="/", at=now, key="run:1")
    memory.change(settings, lambda _: Change(Memory(since=now, waiting=[message])))
    assert memory.claim(settings, message, 600)
    watch(settings)
    assert told(settings) == []
    with connection.client(settings) as client:
        for key in client.scan_iter(f"{connection.PREFIX}alerts:claim:*"):
            client.delete(key)
    watch(settings)
    assert told(settings) == ["restore.done"]


def test_the_week_is_summed_up_once_from_the_next_time_on(ours: Given) -> None:
    settings = ours(notify_summary="monday 09:00", **HEARD)
    dated(settings, 1)
    with connection.client(settings) as client:
        client.set(f"{connection.PREFIX}alive:jobs:here", 1)
    watch(settings)
    assert told(settings) == []
    known = memory.read(settings)
    assert known is not None
    assert known.summed_up_at is not None
    before = known.summed_up_at - timedelta(days=7)
    amend(settings, summed_up_at=before)
    ended(settings, "SUCCESS", value={"name": "one"})
    for _ in range(2):
        watch(settings)
    [message] = out(settings)
    assert (message.event, message.level) == ("summary", "info")
    for words in ("1 backup made, none failed", "the newest is 1 hour old, with 1 key", "nothing is wrong"):
        assert words in message.sentence
