"""Keys that would steer a terminal, or turn round the line that they stand in: every page and verb shows them as escapes."""

from dataclasses import asdict
from typing import Any

import pytest

from tests.search.seeking import HOSTILE
from tests.support.backups import take
from tests.support.dashboard import Browser, Web
from tests.web.pages.given import ended
from tests.web.pages.reading import PAGES
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import RestoreArguments
from worker.cli.restore import restored
from worker.formats.entries import Entry
from worker.formats.key_text import key_text
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.restore.target.report import Report
from worker.search.search import search

STEERING = set("\x1b\r\x07\u202e\u2066\x9b")


@pytest.fixture
def backed_up(web_app: Web) -> str:
    client: Any = web_app.source.client()
    client.hset(HOSTILE, HOSTILE, HOSTILE)
    name = str(take(web_app.source, web_app.storage)["name"])
    client.hset(HOSTILE, HOSTILE, b"changed " + HOSTILE)
    return name


def check(answer: Any) -> None:
    assert answer.status_code == 200
    assert not STEERING & set(answer.text), answer.request.path
    for escape in ("&#8238;", "&#x202e;", "&#27;", "&#x1b;"):
        assert escape not in answer.text.lower()


def failing() -> dict[str, Any]:
    """The report of a restore that could not write that key, lost expiries of its fields, and never heard of it."""
    report = Report(taken=1)
    entry = Entry(0, HOSTILE, None, "hash")
    report.fail(entry, "refused")
    report.lose(entry)
    report.await_in_vain(entry)
    return asdict(report)


def test_pages_show_the_escapes_and_never_the_characters(web_app: Web, admin: Browser, backed_up: str) -> None:
    arguments = {"name": backed_up, "keys": [key_text(HOSTILE)]}
    asked = RestoreArguments.model_validate(arguments | {"mode": "overwrite"})
    runs: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("preview", arguments, preview(web_app.settings, asked, silent)),
        (
            "search",
            {"key": key_text(HOSTILE)},
            search(web_app.settings, SearchArguments(key=key_text(HOSTILE)), silent),
        ),
        ("search", {"match": "*"}, search(web_app.settings, SearchArguments(match="*"), silent)),
        ("restore", arguments, restore(web_app.settings, asked, silent)),
    ]
    runs.append(("restore", arguments, runs[-1][2] | {"failed": 1, "failures": failing()["failures"]}))
    for operation, asked_for, value in runs:
        ended(web_app, "SUCCESS", operation=operation, arguments=asked_for, value=value)
        page = admin.get("/tasks/one")
        check(page)
        assert "onerror" in page.text
        for path in (*PAGES, f"/backups/{backed_up}", f"/backups/{backed_up}/restore"):
            check(admin.get(path))


def test_a_shell_shows_the_escapes_of_keys_that_failed(
    web_app: Web, backed_up: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = restore(web_app.settings, RestoreArguments(name=backed_up, mode="overwrite"), silent)
    restored(data | {"failed": 1, "failures": failing()["failures"]}, "")
    assert not STEERING & set(capsys.readouterr().out)
    for named in ("failures", "lost_keys", "unconfirmed_keys"):
        assert [key["key"] for key in failing()[named]] == [key_text(HOSTILE)]
