"""A message that Celery itself cannot take is let go and told in one line; what the connection has is no message's fault."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
from kombu.connection import Connection
from kombu.entity import Queue

from tests.support.servers import binaries, running
from worker.broker.transport import Transport

ENVELOPE = {"task": "worker.tasks.unpin", "id": "an-id", "retries": 0, "timelimit": [None, None]}
BODY = [[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Any]:
    with (
        running(binaries()[-1], tmp_path / "broker") as broker,
        Connection(broker.url, transport=Transport) as connection,  # type: ignore[no-untyped-call]
    ):
        yield connection


def received(connection: Any, callback: Callable[[Any, Any], None]) -> list[Any]:
    """What is told while one message is taken."""
    line = Queue("quick", routing_key="quick")  # type: ignore[no-untyped-call]
    connection.Producer(serializer="json").publish(BODY, headers=ENVELOPE, routing_key="quick", declare=[line])
    with structlog.testing.capture_logs() as told, connection.Consumer([line], on_message=None, callbacks=[callback]):
        connection.drain_events(timeout=10)
    return [line for line in told if line["event"] == "message_let_go"]


def left(connection: Any) -> tuple[int, int]:
    """How many messages wait, and how many were taken and not acknowledged."""
    client = connection.default_channel.client
    return client.llen("quick"), client.hlen("unacked")


@pytest.mark.parametrize("error", [ValueError("secret"), TypeError("secret"), KeyError("secret")])
def test_one_that_celery_chokes_on_is_told_without_a_word_of_it_and_does_not_come_again(
    error: Exception, connection: Any
) -> None:
    def choke(_body: Any, _message: Any) -> None:
        raise error

    told = received(connection, choke)
    assert [(line["queue"], line["why"]) for line in told] == [
        ("quick", f"Celery does not take it ({type(error).__name__})")
    ]
    assert told[0]["bytes"] > 0
    assert "secret" not in str(told)
    assert left(connection) == (0, 0)


def test_one_that_was_acknowledged_before_is_not_rejected_as_well(connection: Any) -> None:
    def choke(_body: Any, message: Any) -> None:
        message.ack()
        raise ValueError

    assert len(received(connection, choke)) == 1
    assert left(connection) == (0, 0)


@pytest.mark.parametrize("error", [redis.ConnectionError("gone"), OSError("gone")])
def test_a_connection_that_is_lost_meanwhile_lets_nothing_go(error: Exception, connection: Any) -> None:
    def lose(_body: Any, _message: Any) -> None:
        raise error

    with pytest.raises(type(error)), structlog.testing.capture_logs() as told:
        received(connection, lose)
    assert told == []


def test_one_that_is_taken_is_nobodys_news(connection: Any) -> None:
    bodies: list[Any] = []

    def take(body: Any, message: Any) -> None:
        bodies.append(body)
        message.ack()

    assert received(connection, take) == []
    assert (bodies, left(connection)) == ([BODY], (0, 0))
