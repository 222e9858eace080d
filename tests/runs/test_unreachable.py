"""A source that is not to be had: a closed port, a wrong password, a frozen server. Whoever looks is told so, and why."""

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import expect

from tests.faults.freezer import Freezer
from tests.support.backups import take
from tests.support.browser import WAIT_MILLISECONDS, Visitor, chromium
from tests.support.dashboard import Browser, Web
from tests.support.processes import CANARY, CELERY, Background, environment, eventually
from tests.support.servers import Server, binaries, free_port, running
from tests.web.api.alive import hear_of, numbers
from tests.web.pages.reading import words
from worker.runs.run import Run
from worker.runs.store import open_runs

REFUSED = "cannot be reached (Connection refused): is it running, and is REDIS_URL right?"
WRONG = "refuses the user name or password: check REDIS_URL."
LATE = "did not answer in time while asking for INFO: is it overloaded, or the network slow?"


@dataclass(frozen=True)
class Fault:
    """How the source goes, how it comes back, and what is said of it meanwhile."""

    begin: Callable[[Server, Freezer], object]
    end: Callable[[Server, Freezer], object]
    sentence: str
    headline: str = "The source cannot be reached"


FAULTS = {
    "closed": Fault(lambda server, _: server.kill(), lambda server, _: server.start(), REFUSED),
    "wrong password": Fault(
        lambda server, _: server.client().config_set("requirepass", "another"),
        lambda server, _: redis.Redis(unix_socket_path=server.socket, password="another").config_set(
            "requirepass", CANARY
        ),
        WRONG,
        "The source cannot be read",
    ),
    "frozen": Fault(
        lambda server, freezer: freezer.freeze(server.process.pid),
        lambda server, freezer: freezer.thaw(server.process.pid),
        LATE,
    ),
}


@pytest.fixture
def web_env(web_env: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same, with a source that is not waited for long."""
    broker, source, env = web_env
    url = source.url + "?socket_timeout=1"
    monkeypatch.setenv("REDIS_URL", url)
    return broker, source, env | {"REDIS_URL": url}


def _once(name: str) -> Any:
    """One that is frozen is waited for at each step, so that is slow."""
    return pytest.param(FAULTS[name], id=name, marks=pytest.mark.slow if name == "frozen" else ())


@pytest.fixture(params=map(_once, FAULTS))
def fault(request: pytest.FixtureRequest) -> Fault:
    chosen: Fault = request.param
    return chosen


def run_of(web: Web, identity: str) -> Run | None:
    with open_runs(web.settings) as runs:
        return runs.get(identity)


def waited_for(web: Web, identity: str, *states: str) -> Run:
    def come() -> Run | None:
        run = run_of(web, identity)
        return run if run is not None and run.state in states else None

    found: Run = eventually(come, lambda: f"{states}: {run_of(web, identity)}", 90)
    return found


def test_a_source_that_goes_is_said_everywhere_while_it_is_tried_again(
    web_app: Web, admin: Browser, web_worker: Background, fault: Fault, freezer: Freezer
) -> None:
    hear_of(web_app, "celery", "beat")
    take(web_app.source, web_app.storage)
    assert "All is well" in words(admin.get("/"))
    fault.begin(web_app.source, freezer)
    script = web_app.with_token("read", "backup")
    identity = script.post("/api/backup/create").get_json()["result_id"]
    run = waited_for(web_app, identity, "RETRY", "FAILURE")
    freezer.freeze(web_worker.process.pid, whole=True)
    sentence = f"The source at 127.0.0.1:{web_app.source.port} {fault.sentence}"
    assert run.error == sentence
    told = script.get(f"/api/result/{identity}").get_json()
    assert (told["error"], told["ready"], told["successful"]) == (sentence, run.state == "FAILURE", False)
    page, summary = words(admin.get(f"/tasks/{identity}")), words(admin.get("/"))
    assert sentence in page
    assert "It has begun" not in page
    assert "All is well" not in summary
    if fault.sentence == WRONG:
        assert (run.state, told["due_at"]) == ("FAILURE", None), "another try would not help"
        assert "The last backup failed Last good backup just now" in summary
        assert sentence in summary
        return
    is_tried_again(run_of(web_app, identity), told, page, summary, sentence)
    fault.end(web_app.source, freezer)
    freezer.thaw_all()
    ended = waited_for(web_app, identity, "SUCCESS", "FAILURE")
    assert (ended.state, ended.error) == ("SUCCESS", None)
    assert "All is well" in words(admin.get("/"))


def is_tried_again(run: Run | None, told: dict[str, Any], page: str, summary: str, sentence: str) -> None:
    assert run is not None
    number = run.number
    assert number in (2, 3)
    assert (told["attempt"], told["attempts"]) == (number, 3)
    if run.state == "RETRY":
        assert told["state"] == "RETRY"
        assert told["due_at"]
    again = rf"Attempt {number} of 3 (in \d+ s|now|has begun)"
    assert re.search(f"{again} ?: {re.escape(sentence)}", page)
    assert re.search(f"A backup is being tried again .* {again} ?: {re.escape(sentence)}", summary)
    assert ": held up" in summary
    assert summary.count(sentence) == 1, "said once"


def test_beat_has_the_source_looked_at_when_it_starts_and_a_check_tells_when_it_is_back(
    web_app: Web, admin: Browser, web_worker: Background, fault: Fault, freezer: Freezer
) -> None:
    hear_of(web_app, "celery")
    take(web_app.source, web_app.storage)
    fault.begin(web_app.source, freezer)
    script = web_app.with_token("read")
    sentence = f"The source at 127.0.0.1:{web_app.source.port} {fault.sentence}"
    with beat(web_app):
        eventually(lambda: "redis_backup_up" in numbers(script), "the source to be looked at", 90)
        summary = words(admin.get("/"))
        assert fault.headline in summary
        assert "All is well" not in summary
        assert sentence in summary
        assert ": held up" in summary
        assert numbers(script)["redis_backup_up"] == 0
        fault.end(web_app.source, freezer)
        waited_for(web_app, script.post("/api/ping").get_json()["result_id"], "SUCCESS")
        assert numbers(script)["redis_backup_up"] == 1
        assert "All is well" in words(admin.get("/"))
    assert CANARY not in summary


def test_a_check_that_fails_counts_for_more_than_older_good_words(
    web_app: Web, admin: Browser, web_worker: Background, fault: Fault, freezer: Freezer
) -> None:
    hear_of(web_app, "celery", "beat")
    take(web_app.source, web_app.storage)
    script = web_app.with_token("read", "backup")
    waited_for(web_app, script.post("/api/ping").get_json()["result_id"], "SUCCESS")
    assert "All is well" in words(admin.get("/"))
    fault.begin(web_app.source, freezer)
    waited_for(web_app, script.post("/api/ping").get_json()["result_id"], "FAILURE")
    summary = words(admin.get("/"))
    assert "The last check of the source failed" in summary
    assert f"The source at 127.0.0.1:{web_app.source.port} {fault.sentence}" in summary
    assert numbers(script)["redis_backup_up"] == 0
    fault.end(web_app.source, freezer)
    waited_for(web_app, script.post("/api/backup/create").get_json()["result_id"], "SUCCESS")
    assert "All is well" in words(admin.get("/")), "a backup that was made says that it is back"
    assert numbers(script)["redis_backup_up"] == 1


@contextmanager
def beat(web: Web) -> Iterator[None]:
    folder = Path(tempfile.mkdtemp(dir=web.folder))
    process = Background(*CELERY, "beat", env=web.env, cwd=folder, name="beat")
    try:
        yield
    finally:
        process.stop()


def test_a_worker_says_at_its_start_what_it_found(web_app: Web, fault: Fault, freezer: Freezer) -> None:
    address = f"127.0.0.1:{web_app.source.port}"
    version = ".".join(map(str, web_app.source.binary.release))
    with worker(web_app, "first") as process:
        found = process.event("source_answers", address=address)
        assert (found["server"], found["version"]) == (web_app.source.binary.name, version)
    fault.begin(web_app.source, freezer)
    with worker(web_app, "second") as process:
        assert process.event("source_away", address=address)["error"] == f"The source at {address} {fault.sentence}"
        process.wait_until_it_says("ready.")
        assert CANARY not in process.said


@contextmanager
def worker(web: Web, name: str) -> Iterator[Background]:
    process = Background(*CELERY, "worker", "--concurrency", "1", env=web.env, cwd=web.folder, name=name)
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Somebody at a dashboard whose source is a closed port."""
    folder, port = tmp_path_factory.mktemp("refused"), free_port()
    secrets = {"PORT": str(port), "SESSION_SECRET": "0123456789abcdef" * 2, "ADMIN_PASSWORD": "a password"}
    with chromium() as browser, running(binaries()[-1], folder / "broker") as broker:
        env = environment(
            REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
            CELERY_BROKER_URL=broker.url,
            CELERY_RESULT_BACKEND=broker.url[:-1] + "1",
            BACKUP_STORAGE=str(folder / "backups"),
        )
        processes = [Background(*CELERY, "worker", "--concurrency", "1", env=env, cwd=folder, name="worker")]
        processes.append(Background(sys.executable, "-m", "web", env=env | secrets, cwd=folder, name="web"))
        try:
            processes[0].wait_until_it_says("ready.")
            processes[1].wait_until_it_says(f":{port}")
            visitor = Visitor(browser, f"http://127.0.0.1:{port}")
            visitor.logs_in("a password")
            yield visitor
            visitor.leaves()
        finally:
            for process in processes:
                process.stop()


@pytest.mark.slow
def test_a_page_that_is_looked_at_says_what_is_wrong_without_being_asked_again(refused: Visitor) -> None:
    page = refused.page
    page.get_by_role("button", name="Back up now").click()
    doing = page.locator("[data-doing]")
    expect(doing).to_contain_text(re.compile(r"^Attempt [23] of 3 .*Connection refused"), timeout=WAIT_MILLISECONDS)
    refused.opens("/")
    banner = page.locator(".banner")
    expect(banner).not_to_contain_text("All is well")
    expect(banner).to_contain_text(re.compile("is being tried again|The last backup failed"))
    expect(banner).to_contain_text("Connection refused")
    # The run ends, and the page that is open says so by itself.
    expect(banner).to_contain_text("The last backup failed", timeout=3 * WAIT_MILLISECONDS)
    expect(page.locator(".under-way")).to_have_count(0)
    assert refused.overflow() == []
