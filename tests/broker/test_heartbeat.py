"""Whoever beats is known to be there, and to have been."""

import socket

import pytest

from tests.conftest import StartServer
from tests.support.processes import eventually
from tests.support.servers import Binary
from worker.broker import heartbeat
from worker.config.settings import load


def test_as_many_hosts_are_remembered_as_it_says_and_those_that_were_there_last(
    newest: Binary, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = start_server(newest)
    monkeypatch.setenv("CELERY_BROKER_URL", broker.url)
    load.cache_clear()
    client = broker.client()
    client.zadd(heartbeat.HOSTS, {f"host-{number:04}": number for number in range(heartbeat.HOSTS_KEPT)})
    heartbeat.start("jobs")
    try:
        eventually(lambda: client.zscore(heartbeat.HOSTS, "host-0000") is None, "the oldest to be forgotten")
    finally:
        heartbeat.stop("jobs")
        load.cache_clear()
    kept = client.zrange(heartbeat.HOSTS, 0, -1)
    assert len(kept) == heartbeat.HOSTS_KEPT
    assert kept[0] == b"host-0001"
    assert kept[-1] == socket.gethostname().encode()
