"""The document of the API, and that the API is what it says."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from schemathesis.specs.openapi import definitions

from tests.support.browser import Visitor, chromium
from tests.support.dashboard import PASSWORD, SECRET, Browser, Web
from tests.support.processes import BIN, Background, run
from tests.support.servers import free_port
from worker.broker import tokens

EXAMPLES = 5
SEED = 20231205
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
TERMINAL = {"PATH": str(BIN), "COLUMNS": "120", "HOME": "/nonexistent"}
"""Of a known width, so that what is printed there can be looked at."""


@pytest.fixture
def document(admin: Browser) -> Any:
    return admin.get("/api/docs/openapi.json").get_json()


def test_it_is_an_openapi_document(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    faults = [str(fault) for fault in definitions.OPENAPI_31_VALIDATOR.iter_errors(document)]
    assert faults == []
    text = str(document)
    assert {name.rpartition("/")[2] for name in re.findall(r"#/components/schemas/\w+", text)} == (
        set(document["components"]["schemas"])
    )


def test_every_call_is_in_it(web_app: Web, document: Any) -> None:
    rules = [rule for rule in web_app.app.url_map.iter_rules() if rule.endpoint.startswith("api.")]
    calls = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in rules
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    assert {(path, method) for path, item in document["paths"].items() for method in item} == calls
    assert len(calls) == 35


def test_every_call_says_what_it_does_who_may_and_what_can_go_wrong(document: Any) -> None:
    schemes = document["components"]["securitySchemes"]
    assert (schemes["token"]["scheme"], schemes["session"]["in"]) == ("bearer", "cookie")
    for path, item in document["paths"].items():
        for method, call in item.items():
            assert call["summary"].endswith("."), (path, method)
            assert call["security"] == [{"token": []}, {"session": []}]
            assert {"400", "401", "403", "500", "503"} < set(call["responses"]), (path, method)
            problems = [answer for status, answer in call["responses"].items() if status >= "400"]
            told = {answer["content"]["application/json"]["schema"]["$ref"] for answer in problems}
            assert told == {"#/components/schemas/Problem"}, (path, method)
            assert list(call["responses"]["429"]["headers"]) == ["Retry-After"]
            assert list(call["responses"].get("202", {"headers": ["Location"]})["headers"]) == ["Location"]
    numbers = document["paths"]["/api/backup/stats"]["get"]["responses"]["200"]
    assert numbers["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Numbers"}


def test_it_is_for_those_who_may_look(web_app: Web) -> None:
    for path in ("/api/docs", "/api/docs/openapi.json", "/api/docs/swagger/js/swagger-ui-bundle.js"):
        assert web_app.browser().get(path).status_code == 401
        assert web_app.with_token("backup").get(path).status_code == 403
    asked = web_app.browser().get("/api/docs", headers={"Accept": "text/html"})
    assert (asked.status_code, asked.headers["Location"]) == (303, "/login?next=/api/docs")


@dataclass
class Live:
    """`python -m web`, and who may ask it for everything."""

    url: str
    process: Background
    token: str


@pytest.fixture
def live(web_app: Web) -> Iterator[Live]:
    port = free_port()
    more = {"SESSION_SECRET": SECRET, "ADMIN_PASSWORD": PASSWORD, "PORT": str(port)}
    process = Background(sys.executable, "-m", "web", env=web_app.env | more, cwd=web_app.folder, name="web")
    try:
        process.wait_until_it_says("The dashboard is at")
        token = tokens.create(
            web_app.settings, "examiner", ["read", "backup", "restore", "delete", "schedule"], "admin"
        )
        yield Live(f"http://127.0.0.1:{port}", process, token)
    finally:
        process.stop()


@pytest.mark.slow
def test_the_api_is_what_its_document_says(live: Live, web_app: Web, web_worker: Background, tmp_path: Path) -> None:
    """Every check of schemathesis: good and bad requests, wrong methods and media types, without and with a wrong token."""
    # That a body is too large is a refusal like others.
    (tmp_path / "schemathesis.toml").write_text(
        f"[checks]\nnegative_data_rejection.expected-statuses = {json.dumps(REFUSED)}\n"
    )
    with web_app.app.app_context():
        calls = [rule for rule in web_app.app.url_map.iter_rules() if rule.endpoint.startswith("api.")]
    number = sum(len((rule.methods or set()) - {"HEAD", "OPTIONS"}) for rule in calls)
    asked = run(
        str(BIN / "schemathesis"),
        "run",
        f"{live.url}/api/docs/openapi.json",
        f"--header=Authorization: Bearer {live.token}",
        "--checks=all",
        "--continue-on-failure",
        f"--max-examples={EXAMPLES}",
        f"--seed={SEED}",
        "--no-color",
        env=TERMINAL,
        cwd=tmp_path,
    )
    assert asked.code == 0, asked.out
    assert f"{number} selected / {number} total" in asked.out
    assert "request_failed" not in live.process.said
    assert live.token not in live.process.said + web_worker.said


def test_the_document_can_be_read_and_tried_out_in_a_browser(live: Live, web_app: Web) -> None:
    with chromium() as browser:
        visitor = Visitor(browser, live.url)
        page = visitor.page
        page.goto(f"{live.url}/login?next=/api/docs")
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.click("[data-path='/api/backup/create']")
        page.click("text=Try it out")
        page.fill("textarea", "{}")
        page.click("button:has-text('Execute')")
        page.wait_for_selector(".live-responses-table >> text=result_id")
        assert page.inner_text(".live-responses-table tbody .response-col_status").startswith("202")
        assert visitor.wrong == []
