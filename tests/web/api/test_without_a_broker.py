"""The API while the broker is dead, frozen or freezes midway: nothing is asked for, and that is told in time."""

import signal
import time

import pytest
from flask.testing import FlaskClient

from tests.support.dashboard import Web
from tests.web.api.asked import CONTENT, NAME, error, keep, queued, remembered

SECONDS_WITHOUT_A_BROKER = 8


@pytest.mark.parametrize("fault", ["dead", "frozen", "full"])
def test_without_a_broker_nothing_is_asked_for_and_that_is_told_in_time(
    web_app: Web, script: FlaskClient, fault: str
) -> None:
    keep(web_app)
    assert script.get("/api/runs").status_code == 200
    broker = web_app.broker
    if fault == "dead":
        broker.kill()
    elif fault == "frozen":
        broker.process.send_signal(signal.SIGSTOP)
    else:
        broker.client().config_set("maxmemory", 1)
    try:
        began = time.monotonic()
        refused = script.post("/api/backup/create", json={})
        assert time.monotonic() - began < SECONDS_WITHOUT_A_BROKER
        assert refused.status_code == 503
        assert error(refused).startswith("The broker does not")
        if fault == "dead":
            assert script.get("/api/result/some-run").status_code == 503
            assert script.get("/api/runs").status_code == 503
            assert script.get("/api/backup/list").get_json()["total"] == 1, "what lies in storage needs no broker"
            assert script.get(f"/api/backup/download/{NAME}", buffered=True).data == CONTENT
    finally:
        broker.process.send_signal(signal.SIGCONT)
        broker.start() if fault == "dead" else broker.client().config_set("maxmemory", 0)
    assert remembered(web_app) == []
    assert queued(web_app) == []


def test_a_broker_that_freezes_between_two_words_is_given_up_in_time_too(
    web_app: Web, script: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert script.post("/api/ping").status_code == 202, "from now on a connection is open"

    def freeze() -> str:
        web_app.broker.process.send_signal(signal.SIGSTOP)
        return "too-late"

    # The moment that no test can meet by chance: free when it was asked what is under way, frozen when it is sent to.
    monkeypatch.setattr("web.jobs.uuid", freeze)
    try:
        began = time.monotonic()
        refused = script.post("/api/backup/create", json={})
        assert time.monotonic() - began < SECONDS_WITHOUT_A_BROKER
        assert refused.status_code == 503
    finally:
        web_app.broker.process.send_signal(signal.SIGCONT)
