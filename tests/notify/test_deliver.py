"""What waits is brought to each channel by itself, whatever the others do."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests.notify.conftest import Configure
from tests.notify.receiver import SECRET, Receiver, again_now, receiving, told
from tests.support.processes import environment, eventually
from tests.support.servers import Server
from worker.broker.lease import Lease
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError
from worker.notify import outbox, sending
from worker.notify.channels import WEBHOOK, channels
from worker.notify.deliver import deliver
from worker.notify.overview import overview
from worker.notify.standing import Standing

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DELIVER = "from worker.config.settings import load; from worker.notify.deliver import deliver; deliver(load())"


def waiting(settings: Settings) -> dict[str, int]:
    """How many messages each channel lacks."""
    return {channel.name: len(outbox.waiting(settings, channel)) for channel in channels(settings)}


def test_what_waits_comes_in_its_order_once_and_with_a_link(configured: Configure, receiver: Receiver) -> None:
    settings = configured(public_url="https://host/of")
    for number in range(3):
        told(settings, f"Number {number}.")
    assert deliver(settings) == 3
    assert deliver(settings) == 0
    documents = [json.loads(request.body) for request in receiver.requests]
    assert [document["sentence"] for document in documents] == ["Number 0.", "Number 1.", "Number 2."]
    assert {document["url"] for document in documents} == {"https://host/of/backups"}
    assert len({document["id"] for document in documents}) == 3
    (row,) = overview(settings)["channels"]
    assert row["state"].startswith("works: the last message was taken at ")


@pytest.mark.slow
def test_a_channel_that_is_away_keeps_no_other_from_hearing(configured: Configure, receiver: Receiver) -> None:
    with receiving() as person:
        settings = configured(notify_urls=f"json://127.0.0.1:{person.port}/chat")
        receiver.status = 500
        told(settings, "The backup failed.")
        assert deliver(settings) == 1
        assert waiting(settings) == {"1-json": 0, WEBHOOK: 1}
        assert json.loads(person.requests[0].body)["title"] == "Redis Backup: The backup failed."


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("500", "It refused the message with 500."),
        ("401", "It refused the message with 401: is its address right, with all that is secret in it?"),
        ("302", "It refused the message with 302."),
        ("reset", "It cannot be reached."),
        ("hang", "It did not answer within 0.5 seconds."),
    ],
)
def test_what_was_not_taken_waits_and_comes_later(
    fault: str, why: str, configured: Configure, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = configured()
    if fault == "hang":
        monkeypatch.setattr(sending, "SEND_SECONDS", 0.5)
        receiver.may_answer.clear()
    else:
        receiver.status = int(fault) if fault.isdigit() else 0
    told(settings, "The backup failed.")
    told(settings, "The backup works again.", "good")
    assert deliver(settings) == 0
    assert len(receiver.requests) == 1, "the second would fare no better"
    (row,) = overview(settings)["channels"]
    assert (row["why"], len(row["waiting"]), row["waiting"][0]["tries"]) == (why, 2, 1)
    assert deliver(settings) == 0
    assert len(receiver.requests) == 1, "it is left alone for a while"
    monkeypatch.undo()
    receiver.may_answer.set()
    receiver.status = 204
    again_now(settings)
    assert deliver(settings) == 2
    assert waiting(settings) == {WEBHOOK: 0}
    first, again, _ = (json.loads(request.body)["id"] for request in receiver.requests)
    assert first == again, "whoever has it knows it again"


def test_the_pauses_grow_up_to_a_day_and_end_with_the_first_that_is_taken() -> None:
    state, pauses = Standing(), []
    for _ in range(14):
        state = state.failed(NOW, "It cannot be reached.")
        pauses.append((state.next_at or NOW) - NOW)
    assert pauses[:4] == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    assert pauses[-1] == timedelta(days=1)
    assert (state.well(NOW).failures, state.well(NOW).why, state.well(NOW).next_at) == (0, None, None)


@pytest.mark.slow
def test_what_fails_again_and_again_is_passed_over_and_given_up_after_a_week(
    configured: Configure, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = configured()
    told(settings, "Nobody takes this.")
    (channel,) = channels(settings)
    (mine,) = outbox.waiting(settings, channel)
    for number in range(5):
        outbox.tried(settings, channel, mine.model_copy(update={"tries": number}))
    told(settings, "This is taken.")
    assert deliver(settings) == 2
    assert json.loads(receiver.requests[0].body)["sentence"] == "This is taken."
    told(settings, "Nobody takes this either.")
    receiver.status = 503
    monkeypatch.setattr("worker.notify.deliver.GIVEN_UP_AFTER", timedelta(0))
    deliver(settings)
    (row,) = overview(settings)["channels"]
    assert (row["waiting"], row["lost"]) == ([], 1)
    assert row["state"].endswith("1 was never delivered.")


@pytest.mark.slow
def test_who_is_killed_while_sending_loses_nothing(configured: Configure, receiver: Receiver, broker: Server) -> None:
    settings = configured()
    told(settings, "The backup failed.")
    receiver.may_answer.clear()
    env = environment(
        CELERY_BROKER_URL=broker.url,
        NOTIFY_WEBHOOK_URL=receiver.url(),
        NOTIFY_WEBHOOK_SECRET=SECRET,
        REDIS_BACKUP_LEASE_SECONDS="1",
    )
    with subprocess.Popen([sys.executable, "-c", DELIVER], env=env) as killed:
        receiver.wait()
        os.kill(killed.pid, signal.SIGKILL)
    receiver.may_answer.set()
    assert waiting(settings) == {WEBHOOK: 1}
    eventually(lambda: deliver(settings), "the lease of the killed one to run out")
    assert waiting(settings) == {WEBHOOK: 0}
    assert [json.loads(request.body)["id"] for request in receiver.requests][0:1] * 2 == [
        json.loads(request.body)["id"] for request in receiver.requests
    ]


def test_a_broker_that_was_away_has_kept_what_waits(configured: Configure, receiver: Receiver, broker: Server) -> None:
    settings = configured()
    told(settings, "The backup failed.")
    broker.stop()
    with pytest.raises(BrokerUnavailableError):
        deliver(settings)
    broker.start()
    assert deliver(settings) == 1
    assert len(receiver.requests) == 1


def test_only_one_brings_it_at_a_time(configured: Configure, receiver: Receiver) -> None:
    settings = configured()
    told(settings, "The backup failed.")
    lease = Lease(settings, "outbox", "somebody else", 60)
    assert lease.take() is None
    assert deliver(settings) == 0
    lease.give_back()
    assert deliver(settings) == 1
