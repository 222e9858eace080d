"""Whether it is well, for whoever asks by machine: signs of life, readiness, numbers."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.backups import eventually, manifest_of, partial_of
from tests.support.dashboard import Web
from tests.support.processes import CANARY
from tests.web.api.alive import hear_of, numbers
from worker.broker import heartbeat
from worker.errors import BrokerUnavailableError
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX, Origin
from worker.runs.run import new
from worker.runs.store import open_runs
from worker.storage import open_storage

NAME = "redis_backup_20231205_143022.rdb.zst"
SECONDS_WITHOUT_A_BROKER = 8


@pytest.fixture
def script(web_app: Web) -> FlaskClient:
    """A script that may look."""
    return web_app.with_token("read")


@contextmanager
def away(web: Web, fault: str) -> Iterator[None]:
    """A broker that is dead or frozen meanwhile."""
    if fault == "dead":
        web.broker.kill()
    else:
        web.broker.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        web.broker.process.send_signal(signal.SIGCONT)


def remember(web: Web, operation: str, identity: str, **told: Any) -> None:
    with open_runs(web.settings) as runs:
        runs.put(new(identity, operation, {}, "admin").model_copy(update=told))


def test_the_process_is_well_for_everybody_and_without_a_broker(web_app: Web) -> None:
    with away(web_app, "dead"):
        answer = web_app.browser().get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_the_rest_is_for_those_who_may_look(web_app: Web, path: str) -> None:
    assert web_app.browser().get(path).status_code == 401
    assert web_app.with_token("backup", "restore").get(path).status_code == 403
    assert web_app.with_token("read").get(path).status_code in (200, 503)
    assert web_app.logged_in().get(path).status_code in (200, 503)


@pytest.mark.parametrize("roles", [("jobs", "quick", "questions"), ("celery",), ("jobs", "celery", "beat")])
def test_it_is_ready_with_a_broker_a_storage_and_a_worker_for_each_queue(
    web_app: Web, script: FlaskClient, roles: tuple[str, ...]
) -> None:
    hear_of(web_app, *roles)
    answer = script.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {"ready": True, "broker": "ok", "workers": "ok", "storage": "ok"}


@pytest.mark.parametrize(
    ("roles", "idle"),
    [
        ((), "jobs, quick and questions"),
        (("jobs", "questions", "beat"), "quick"),
        (("quick",), "jobs and questions"),
        (("jobs", "quick"), "questions"),
        (("beat",), "jobs"),
    ],
)
def test_without_a_worker_it_is_not_ready_and_says_for_what(
    web_app: Web, script: FlaskClient, roles: tuple[str, ...], idle: str
) -> None:
    hear_of(web_app, *roles)
    answer = script.get("/readyz")
    assert answer.status_code == 503
    told = answer.get_json()
    assert told["error"].startswith(f"No worker for {idle}")
    assert told == {"ready": False, "broker": "ok", "workers": told["error"], "storage": "ok", "error": told["error"]}


@pytest.mark.parametrize("fault", ["dead", "frozen"])
def test_without_a_broker_it_is_not_ready_and_says_so_in_time(web_app: Web, script: FlaskClient, fault: str) -> None:
    assert script.get("/readyz").status_code == 503
    with away(web_app, fault):
        began = time.monotonic()
        answer = script.get("/readyz")
    assert time.monotonic() - began < SECONDS_WITHOUT_A_BROKER
    assert answer.status_code == 503
    told = answer.get_json()
    assert told["broker"] == told["error"]
    assert told["error"].startswith("The broker does not answer")
    assert (told["workers"], told["storage"]) == ("Nobody knows while the broker is away.", "ok")
    assert CANARY not in answer.text


def test_without_a_storage_it_is_not_ready_and_says_so(web_app: Web, script: FlaskClient) -> None:
    hear_of(web_app, "celery")
    web_app.storage.write_text("a file where the folder should be")
    answer = script.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["error"].startswith(f"The storage {web_app.storage} cannot be listed")


def test_one_bad_backup_among_good_ones_is_no_reason_not_to_be_ready(web_app: Web, script: FlaskClient) -> None:
    hear_of(web_app, "celery")
    storage = open_storage(str(web_app.storage))
    storage.put(NAME, b"12345")
    storage.put(NAME + MANIFEST_SUFFIX, b"{")
    answer = script.get("/readyz")
    assert (answer.status_code, answer.get_json()["storage"]) == (503, answer.get_json()["error"])
    assert NAME in answer.get_json()["error"], "nothing that lies there can be used"
    good = "redis_backup_20231206_000000.rdb"
    storage.put(good, b"12345")
    catalogue.add(storage, manifest_of(good, b"12345"))
    assert script.get("/readyz").status_code == 200


def test_the_numbers_of_the_last_backup_are_those_of_its_manifest(web_app: Web, script: FlaskClient) -> None:
    storage = open_storage(str(web_app.storage))
    own = Origin(address=f"127.0.0.1:{web_app.source.port}")
    for name, source in ((NAME, own), ("redis_backup_20231206_000000.rdb", Origin(address="elsewhere:6379"))):
        storage.put(name, b"12345")
        catalogue.add(storage, manifest_of(name, b"12345").model_copy(update={"source": source, "keys": 7}))
    (web_app.storage / "redis_backup_20230101_000000.rdb").write_bytes(b"of nobody")
    storage.put("redis_backup_20231207_000000.rdb", b"12345")
    catalogue.add(storage, partial_of("redis_backup_20231207_000000.rdb", b"12345", source=own))
    deleted = "redis_backup_20231201_000000.rdb"
    storage.put(deleted, b"1234567")
    catalogue.add(storage, manifest_of(deleted, b"1234567", source=own))
    catalogue.note(storage, deleted, deleted_at=datetime.now(UTC))
    began = datetime(2023, 12, 5, 14, 30, 22, tzinfo=UTC).timestamp()
    found = numbers(script)
    assert found["redis_backup_last_success_timestamp_seconds"] == began, "of this source, and not the newest of any"
    assert found["redis_backup_last_size_bytes"] == 5
    assert found["redis_backup_last_duration_seconds"] == 0.1
    assert found["redis_backup_keys"] == 7
    assert (found["redis_backup_backups"], found["redis_backup_stored_bytes"]) == (2, 10)
    assert found["redis_backup_partial_backups"] == 1
    assert (found["redis_backup_trash_backups"], found["redis_backup_trash_bytes"]) == (1, 7)
    assert (found["redis_backup_problems"], found["redis_backup_storage_up"]) == (1, 1)
    assert found["redis_backup_storage_free_bytes"] > 0
    now = time.time()
    assert now < found["redis_backup_next_run_timestamp_seconds{daily}"] <= now + 86_400
    assert abs(found["redis_backup_next_run_timestamp_seconds{interval}"] - now) < 10, "the last one is too old"


def test_the_numbers_of_runs_are_those_that_are_remembered(web_app: Web, script: FlaskClient) -> None:
    before = numbers(script)
    assert "redis_backup_up" not in before, "nobody has asked the source yet"
    ended = datetime.now(UTC)
    remember(web_app, "backup", "one", state="SUCCESS")
    remember(web_app, "backup", "two", state="FAILURE")
    remember(web_app, "backup", "three", state="STARTED")
    remember(web_app, "verify", "four", state="SUCCESS")
    remember(web_app, "stats", "five", state="SUCCESS", value={"source": {"reachable": True}}, ended_at=ended)
    hear_of(web_app, "jobs", "beat")
    hear_of(web_app, "jobs", host="elsewhere")
    found = numbers(script)
    assert [found[f"redis_backup_runs{{backup,{state}}}"] for state in ("SUCCESS", "FAILURE", "STARTED")] == [1, 1, 1]
    assert found["redis_backup_last_run_succeeded{backup}"] == 0
    assert found["redis_backup_last_run_succeeded{verify}"] == 1
    remember(web_app, "backup", "idle", state="SUCCESS", value={"skipped": "it is younger than 24 hours"})
    assert numbers(script)["redis_backup_last_run_succeeded{backup}"] == 0, "it found nothing to do"
    assert (found["redis_backup_processes{jobs}"], found["redis_backup_processes{beat}"]) == (2, 1)
    assert (found["redis_backup_up"], found["redis_backup_broker_up"]) == (1, 1)
    assert found["redis_backup_up_timestamp_seconds"] == pytest.approx(ended.timestamp())
    remember(web_app, "stats", "six", state="SUCCESS", value={"source": {"reachable": False}}, ended_at=ended)
    assert numbers(script)["redis_backup_up"] == 0


@pytest.mark.parametrize("fault", ["dead", "frozen"])
def test_without_a_broker_the_numbers_of_the_storage_are_still_told(
    web_app: Web, script: FlaskClient, fault: str
) -> None:
    assert numbers(script)["redis_backup_broker_up"] == 1
    with away(web_app, fault):
        began = time.monotonic()
        found = numbers(script)
    assert time.monotonic() - began < SECONDS_WITHOUT_A_BROKER
    assert (found["redis_backup_broker_up"], found["redis_backup_storage_up"]) == (0, 1)
    assert found["redis_backup_backups"] == 0
    assert not any(name.startswith("redis_backup_runs") for name in found)


def test_without_a_storage_the_numbers_of_the_broker_are_still_told(web_app: Web, script: FlaskClient) -> None:
    web_app.storage.write_text("a file where the folder should be")
    remember(web_app, "backup", "one", state="FAILURE")
    found = numbers(script)
    assert (found["redis_backup_broker_up"], found["redis_backup_storage_up"]) == (1, 0)
    assert found["redis_backup_last_run_succeeded{backup}"] == 0
    assert "redis_backup_backups" not in found


def test_who_is_alive_is_known_by_role_and_host(web_app: Web) -> None:
    assert heartbeat.seen(web_app.settings) == {}
    hear_of(web_app, "jobs", "beat", host="one")
    hear_of(web_app, "jobs", host="another:with:colons")
    web_app.broker.client().mset({f"of:somebody:else:{number}": 1 for number in range(5000)})
    assert heartbeat.seen(web_app.settings) == {"beat": ["one"], "jobs": ["another:with:colons", "one"]}


def test_who_shows_life_is_seen_until_it_goes(web_app: Web) -> None:
    heartbeat.start("passing")
    assert eventually(lambda: bool(heartbeat.alive("passing")))
    assert heartbeat.seen(web_app.settings) == {"passing": [socket.gethostname()]}
    heartbeat.stop("passing")
    assert heartbeat.seen(web_app.settings) == {}


def test_nobody_is_seen_without_a_broker_and_that_is_an_error(web_app: Web) -> None:
    with away(web_app, "dead"), pytest.raises(BrokerUnavailableError):
        heartbeat.seen(web_app.settings)
