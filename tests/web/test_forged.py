"""Whatever somebody has put into the broker, it is read in bounds, and no page fails of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.dashboard import Browser, Web
from web.pages.misfits import NOT_SHOWN
from worker.broker import audit, bounded, connection, heartbeat, tokens
from worker.runs import listing
from worker.runs.run import new
from worker.runs.store import open_runs

HUGE = 100 << 20
ODD: tuple[Any, ...] = (None, 0, -1, 1e300, "x", "", [], [1], [[]], [{}], {}, {"x": []}, {"x": {"x": 1}}, True)
PAGES = ("/", "/backups", "/search", "/restores", "/tasks", "/schedule", "/system", "/metrics", "/readyz", "/api/runs")
FIELDS = {
    "stats": ("source", "broker", "storage", "backups", "schedule", "targets", "newest"),
    "ping": ("facts", "address", "rights", "operations", "reachable", "engine"),
    "storage": ("storages", "where", "steps", "usable", "exclusive", "free_bytes", "left"),
    "restore": ("restored", "failures", "failed", "warnings", "name", "seconds", "undo", "target", "source"),
    "undo": ("put_back", "failures", "run", "name", "seconds"),
    "preview": ("name", "by_db", "keys", "findings", "counts", "warnings", "target"),
    "differences": ("keys", "next", "name", "target"),
    "browse": ("name", "keys", "bytes", "types", "branches", "others", "listed", "largest", "document"),
    "fits": ("keys", "of", "name"),
    "timeline": ("versions", "good", "by_prefix", "problems"),
    "happened": (
        "steps",
        "totals",
        "gaps",
        "peaks",
        "named",
        "largest",
        "prefixes",
        "since",
        "problems",
        "step_seconds",
    ),
    "writes": ("writes", "key", "db", "next", "since", "problems", "looked_into"),
    "search": ("found", "keys", "total", "key", "version", "rows", "sides", "names"),
    "backup": ("name", "keys", "bytes", "skipped", "warnings", "pruned"),
    "copy": ("copies", "bytes", "name"),
    "prune": ("deleted", "kept", "decisions"),
}
"""What its pages read of what an operation has found."""


def forge(web: Web, kind: str, number: int, **said: Any) -> str:
    """A run that nobody made: it is listed as ours, and says this."""
    run = new(f"id-{kind}-{number}", kind, {}, "admin")
    with open_runs(web.settings) as runs:
        runs.put(run)
    told = json.loads(run.model_dump_json()) | {"state": "SUCCESS", "ended_at": run.queued_at.isoformat()} | said
    web.broker.client().set(listing.run_key(run.id), json.dumps(told))
    return run.id


def failing(browser: Browser, paths: list[str]) -> list[tuple[str, str]]:
    """Those of these addresses where the dashboard has no answer, and its sentence."""
    answers = [(path, browser.get(path)) for path in paths]
    return [(path, one.text[-300:]) for path, one in answers if one.status_code == 500]


def values(operation: str) -> Iterator[dict[str, Any]]:
    """Records that say odd things."""
    yield from ({"value": odd} for odd in ODD)
    yield from ({"value": dict.fromkeys(FIELDS.get(operation, ("x",)), odd)} for odd in ODD)
    yield {"log": [{}, {"event": []}, {"timestamp": 5, "level": {}, "event": None}, {"timestamp": "never"}]}
    yield {"state": "STARTED", "ended_at": None, "progress": {}}
    yield from ({"state": "STARTED", "ended_at": None, "progress": dict.fromkeys(("phase", "current", "total", "unit", "rate"), odd)} for odd in ODD)  # fmt: skip
    yield {"operation": "x" * 1000}
    yield from ({"arguments": dict.fromkeys(("name", "run", "mode", "keys", "key", "match", "databases"), odd)} for odd in ODD)  # fmt: skip
    yield {"asked_by": "", "worker": "", "source": "", "target": "[::", "storage": ":::"}
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00+23:59"):
        yield dict.fromkeys(("queued_at", "due_at", "started_at", "ended_at"), moment)


@pytest.mark.parametrize("operation", sorted(FIELDS))
@pytest.mark.sweep
def test_no_page_fails_of_a_forged_run(web_app: Web, admin: Browser, operation: str) -> None:
    wrong = {}
    for number, said in enumerate(values(operation)):
        identity = forge(web_app, operation, number, **said)
        steps = f"/incident?look={identity}&compare={identity}&restored={identity}&undone={identity}"
        pages = PAGES if operation in ("stats", "ping", "storage") else ()
        if found := failing(
            admin,
            [
                steps,
                f"/stream?look={identity}",
                f"/tasks/{identity}",
                f"/api/runs/{identity}",
                f"/api/result/{identity}",
                *pages,
            ],
        ):
            wrong[str(said)[:100]] = found
    assert wrong == {}
    assert failing(admin, [*PAGES, "/tasks?page=2", "/tasks?page=3"]) == []


def test_what_does_not_fit_is_said_and_not_shown(web_app: Web, admin: Browser) -> None:
    page = admin.get(f"/tasks/{forge(web_app, 'restore', 0, value={'restored': 1, 'failures': 5, 'failed': []})}")
    assert page.status_code == 200
    assert NOT_SHOWN in page.text


@pytest.mark.slow
def test_a_record_a_deed_and_a_token_of_100_mb_are_not_read(web_app: Web, admin: Browser) -> None:
    client: Any = web_app.broker.client()
    kept = forge(web_app, "restore", 0, state="FAILURE", error="An honest one.")
    large = forge(web_app, "restore", 1)
    client.append(listing.run_key(large), "x" * HUGE)
    audit.record(web_app.settings, "admin", "honest", "ok")
    client.xadd(audit._DEEDS, {"deed": "x" * HUGE})
    secret = tokens.create(web_app.settings, "honest", ["read"], "admin")
    client.hset(tokens._TOKENS, "large", "x" * HUGE)
    client.zadd(heartbeat.HOSTS, {"x" * HUGE: 10**12})
    sent = client.info("stats")["total_net_output_bytes"]
    assert failing(admin, [*PAGES, f"/tasks/{large}", f"/api/runs/{large}"]) == []
    assert client.info("stats")["total_net_output_bytes"] - sent < HUGE // 10
    assert admin.get(f"/tasks/{large}").status_code == 404
    assert "An honest one." in admin.get(f"/tasks/{kept}").text
    assert "honest" in [deed.what for deed in audit.recent(web_app.settings, 2)]
    assert tokens.find(web_app.settings, secret) is not None


def test_of_many_records_no_more_is_read_than_fits_into_memory(web_app: Web) -> None:
    client: Any = web_app.broker.client()
    whole = "x" * bounded.LARGEST_RECORD_BYTES
    keys = [f"large:{number}" for number in range(20)]
    for key in keys:
        client.set(key, whole)
    client.append(keys[0], "x")
    client.lpush("list", "x")
    found = bounded.records(client, ["list", "none", *keys])
    assert [text is not None for text in found] == [False, False, False, *[True] * 8, *[False] * 11]


def test_what_is_no_list_of_ours_stops_no_page_with_an_error_of_its_own(web_app: Web, admin: Browser) -> None:
    client: Any = web_app.broker.client()
    forge(web_app, "backup", 0)
    for key in list(client.scan_iter(f"{connection.PREFIX}runs:*")):
        if client.type(key) == b"zset":
            client.zadd(key, {b"\xff\xfe": 10**12, b"{}": 10**12, b"[1]": 10**12, b'["a", 5, null, null]': 10**12})
    client.sadd(listing.UNFINISHED, b"\xff", b"none")
    client.hset(tokens._TOKENS, mapping={b"\xff": b"\xff", b"x": b"{}"})
    client.xadd(audit._DEEDS, {b"\xff": b"x", b"deed": b"\xff"})
    assert failing(admin, list(PAGES)) == []
    assert admin.get("/tasks").status_code == 200


def test_a_result_that_is_too_large_to_be_remembered_is_told_so(web_app: Web) -> None:
    run = new("id", "search", {}, "admin")
    with open_runs(web_app.settings) as runs:
        runs.put(run.model_copy(update={"state": "SUCCESS", "value": "x" * bounded.LARGEST_RECORD_BYTES}))
        known = runs.get("id")
    assert known is not None
    assert known.value is None
    assert "more than is remembered of a run" in str(known.error)
