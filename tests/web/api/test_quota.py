"""How many questions a token may have under way at a time."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient

from tests.support.dashboard import Browser, Web
from tests.web.api.asked import error, keep, queued, remembered
from web.jobs import MOST_QUESTIONS, MOST_WAITING
from worker.broker import transport
from worker.runs.run import new
from worker.runs.store import open_runs

SEARCH, PREVIEW = "/api/backup/search", "/api/backup/preview"
QUESTIONS = [(SEARCH, {"match": "*"}), (PREVIEW, {"name": "latest"})]
AT_ONCE = 16


def fill(script: FlaskClient) -> list[str]:
    """Questions of both kinds, as many as one may have; their ids."""
    asked = [script.post(call, json=body) for call, body in (QUESTIONS * MOST_QUESTIONS)[:MOST_QUESTIONS]]
    assert [answer.status_code for answer in asked] == [202] * MOST_QUESTIONS
    return [answer.get_json()["result_id"] for answer in asked]


@pytest.mark.parametrize(("call", "body"), QUESTIONS)
def test_one_question_too_many_is_refused_and_queues_nothing(
    call: str, body: dict[str, str], web_app: Web, script: FlaskClient
) -> None:
    keep(web_app)
    fill(script)
    for _ in range(3):
        answer = script.post(call, json=body)
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
        assert error(answer) == (
            "This token has 4 previews, searches or trials of the storage under way: wait for the end of one, or cancel one."
        )
    assert len(queued(web_app)) == len(remembered(web_app)) == MOST_QUESTIONS


def test_who_asks_many_at_once_gets_no_more(web_app: Web) -> None:
    scripts: list[FlaskClient] = [web_app.with_token("read", name="flood")]
    scripts += [web_app.app.test_client() for _ in range(AT_ONCE - 1)]
    for one in scripts:
        one.environ_base["HTTP_AUTHORIZATION"] = scripts[0].environ_base["HTTP_AUTHORIZATION"]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda one: one.post(SEARCH, json={"match": "*"}).status_code, scripts))
    assert sorted(answers) == [202] * MOST_QUESTIONS + [429] * (AT_ONCE - MOST_QUESTIONS)
    assert len(queued(web_app)) == MOST_QUESTIONS


def test_whoever_cancels_one_or_has_an_answer_may_ask_again(web_app: Web, script: FlaskClient) -> None:
    keep(web_app)
    first, second, *_ = fill(script)
    assert script.delete(f"/api/runs/{first}").status_code == 202
    assert script.post(SEARCH, json={"match": "*"}).status_code == 202
    assert script.post(SEARCH, json={"match": "*"}).status_code == 429
    with open_runs(web_app.settings) as runs:
        run = runs.get(second)
        assert run is not None
        runs.put(run.model_copy(update={"state": "SUCCESS"}))
    assert script.post(SEARCH, json={"match": "*"}).status_code == 202


def test_others_and_other_work_are_not_kept_out(web_app: Web, script: FlaskClient, admin: Browser) -> None:
    keep(web_app)
    fill(script)
    assert web_app.with_token("read").post(SEARCH, json={"match": "*"}).status_code == 202
    for _ in range(MOST_QUESTIONS + 1):
        assert admin.post(SEARCH, json={"match": "*"}).status_code == 202
    assert script.post("/api/backup/verify", json={"name": "latest"}).status_code == 202
    assert script.post("/api/ping").status_code == 202


def test_of_one_kind_so_many_may_wait_and_of_others_still(web_app: Web, script: FlaskClient) -> None:
    with open_runs(web_app.settings) as runs:
        for number in range(MOST_WAITING):
            runs.put(new(f"id-{number}", "verify", {"name": "any"}, "celery somebody@elsewhere"))
    keep(web_app)
    answer = script.post("/api/backup/verify", json={"name": "latest"})
    assert (answer.status_code, queued(web_app)) == (429, [])
    assert error(answer) == "100 runs of verify wait already: wait until some of them are done, or cancel some."
    assert script.post("/api/backup/search", json={"match": "*"}).status_code == 202


def test_a_queue_that_somebody_has_filled_is_said_and_nothing_is_remembered(web_app: Web, script: FlaskClient) -> None:
    web_app.broker.client().lpush("questions", *["{}"] * transport.MOST_WAITING)
    answer = script.post(SEARCH, json={"match": "*"})
    assert answer.status_code == 429
    assert error(answer).startswith("1,000 tasks wait in the queue questions already")
    assert remembered(web_app) == []
