"""Whoever beats is known to be there, and to have been."""

import socket
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.processes import CELERY, Background, command, environment, eventually, let_in
from tests.support.servers import Binary
from worker.broker import heartbeat
from worker.config.settings import Settings, load


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


@pytest.mark.slow
def test_a_worker_that_takes_nothing_any_more_is_missed_though_it_lives(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    broker = start_server(newest)
    url, settings = let_in(broker, "~* &* +@all"), Settings(celery_broker_url=broker.url)
    env = environment(
        CELERY_BROKER_URL=url,
        CELERY_RESULT_BACKEND=url,
        REDIS_URL=url,
        REDIS_BACKUP_LEASE_SECONDS="3",
        BACKUP_STORAGE=str(tmp_path),
    )
    worker = Background(*CELERY, "worker", "--concurrency", "1", env=env, cwd=tmp_path)
    try:
        eventually(lambda: heartbeat.seen(settings), lambda: f"a sign of life:\n{worker.said}")
        command(broker, "ACL", "SETUSER", "lean", "-brpop")
        eventually(lambda: not heartbeat.seen(settings), lambda: f"it to be missed:\n{worker.said}")
        assert worker.process.poll() is None
        command(broker, "ACL", "SETUSER", "lean", "+brpop")
        eventually(lambda: heartbeat.seen(settings), lambda: f"it to be back:\n{worker.said}")
    finally:
        worker.stop()
