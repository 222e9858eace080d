"""Values of keys that somebody is shown: ten minutes, and never where who reads the broker could read them."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.backups import take
from tests.support.dashboard import SECRET, Browser, Script, Web, fresh_app, own_logging, working
from tests.support.processes import PYTHON, Background, command, eventually
from tests.support.processes import run as ran
from tests.web.pages.given import ended
from tests.web.pages.reading import read
from worker.broker import audit, connection
from worker.lifecycle import _forget_values
from worker.runs import values
from worker.runs.store import open_runs

TEXT, RAW = 'the pin: 4711, ünd "secret"', b"\x00\xfesecret bytes\xff"
MEMBER, FIELD = "member-of-the-board", "field-of-honour"
KEY = "a-key-that-everybody-may-know"


def forms(value: bytes) -> Iterator[bytes]:
    """All that somebody would try to find it by."""
    yield value
    yield value.hex().encode()
    yield repr(value)[2:-1].encode()
    text = value.decode("utf-8", "backslashreplace")
    yield from (json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode())
    yield quote(value).encode()
    for shift in range(3):
        # As a part of something longer: what stands beside it changes the characters at both ends.
        yield b64encode(b"x" * shift + value)[4:-4]


def lying_in(web: Web) -> dict[str, bytes]:
    """All that whoever reads the broker, or its disk, gets at."""
    told = {str(path.name): path.read_bytes() for path in web.broker.folder.rglob("*") if path.is_file()}
    for db in range(2):
        client: Any = web.broker.client(db)
        for key in client.scan_iter(count=1000):
            kind = client.type(key)
            held = {
                b"string": lambda key=key, client=client: client.get(key),
                b"hash": lambda key=key, client=client: client.hgetall(key),
                b"stream": lambda key=key, client=client: client.xrange(key),
                b"list": lambda key=key, client=client: client.lrange(key, 0, -1),
                b"set": lambda key=key, client=client: client.smembers(key),
                b"zset": lambda key=key, client=client: client.zrange(key, 0, -1),
            }[kind]()
            told[f"{db} {key.decode()}"] = held if isinstance(held, bytes) else repr(held).encode()
    return told


@pytest.fixture
def asked(web_app: Web, web_worker: Background) -> tuple[str, dict[str, str]]:
    """A backup beside other live values, a preview and a version of each key that were asked for: the name, the ids."""
    command(web_app.broker, "CONFIG", "SET", "appendonly", "yes")
    client: Any = web_app.source.client()
    client.set(KEY, TEXT)
    client.set("raw", RAW)
    client.sadd("set", MEMBER)
    client.hset("hash", FIELD, "x")
    name = str(take(web_app.source, web_app.storage)["name"])
    client.flushall()
    client.set(KEY, f"{TEXT} of today")
    script = web_app.with_token("read")
    wanted: dict[str, tuple[str, dict[str, Any]]] = {
        "preview": ("preview", {"name": name, "keys": [KEY, "raw", "set", "hash"]}),
        "shown": ("search", {"key": KEY, "show": name, "against": "live"}),
        "raw": ("search", {"key": "raw", "show": name}),
    }
    ids = {what: done(script, f"/api/backup/{verb}", body) for what, (verb, body) in wanted.items()}
    return name, ids


def done(script: Script, path: str, body: dict[str, Any]) -> str:
    queued: Any = script.post(path, json=body)
    assert queued.status_code == 202, queued.text
    where = queued.headers["Location"]
    eventually(lambda: answer(script, where)["ready"], "its end")
    assert answer(script, where)["successful"]
    return str(queued.json["result_id"])


def answer(script: Script, path: str) -> Any:
    return script.get(path).json


def test_neither_the_broker_nor_its_disk_holds_a_value_that_was_shown(
    web_app: Web, asked: tuple[str, dict[str, str]]
) -> None:
    name, ids = asked
    script = web_app.with_token("read")
    result = answer(script, f"/api/result/{ids['preview']}")
    shown = json.dumps(result, ensure_ascii=False)
    assert result["why_no_values"] is None
    assert MEMBER in shown
    assert FIELD in shown
    assert f"0x{RAW.hex()}" in shown
    told = lying_in(web_app)
    assert [where for where, content in told.items() if KEY.encode() in content] != [], "the key's name may be there"
    assert [where for where in told if ".aof" in where] != []
    assert {f"0 {values.key_of(one)}" for one in ids.values()} <= set(told)
    assert {f"1 celery-task-meta-{one}" for one in ids.values()} <= set(told)
    for value in (TEXT.encode(), RAW, MEMBER.encode(), FIELD.encode()):
        for form in forms(value):
            assert [where for where, content in told.items() if form in content] == [], form
    assert name.encode() in b"".join(told.values())


def test_they_are_kept_for_ten_minutes_and_shown_as_long(web_app: Web, asked: tuple[str, dict[str, str]]) -> None:
    _, ids = asked
    admin, script = web_app.logged_in(), web_app.with_token("read")
    client: Any = web_app.broker.client()
    for one in ids.values():
        assert 0 < client.pttl(values.key_of(one)) <= 600_000
    rows = [{"part": "value", "show": TEXT, "against": f"{TEXT} of today"}]
    for path in ("result", "runs"):
        assert answer(script, f"/api/{path}/{ids['shown']}")["value"]["rows"] == rows
    page = read(admin, f"/tasks/{ids['shown']}")
    assert TEXT in page
    assert "Values are kept for 10 minutes after the end" in page
    assert MEMBER in read(admin, f"/tasks/{ids['preview']}")
    listed = {one["id"]: one for one in answer(script, "/api/runs")["runs"]}
    assert listed[ids["shown"]]["value"]["rows"] is None
    assert "GET /api/result/ID" in listed[ids["shown"]]["why_no_values"]
    assert [deed.what for deed in audit.recent(web_app.settings, 4)] == [
        *("preview shown", "search shown", "search shown", "search shown")
    ]

    # What ten minutes do, at once.
    for one in ids.values():
        client.pexpire(values.key_of(one), 0)
    admin.get("/")
    before = len(audit.recent(web_app.settings, 100))
    gone = "Values are kept for 10 minutes only, and these are gone"
    for path in ("result", "runs"):
        told = answer(script, f"/api/{path}/{ids['shown']}")
        assert told["value"]["rows"] is None
        assert told["value"]["show"]["type"] == "string"
        assert told["why_no_values"] == f"{gone}: look again to see them."
    page = read(admin, f"/tasks/{ids['shown']}")
    assert TEXT not in page
    assert f"{gone}: look again" in page
    assert "Both are the same" not in page
    assert "Look again" in page
    page = read(admin, f"/tasks/{ids['preview']}")
    assert MEMBER not in page
    assert f"{gone}: preview it again" in page
    assert KEY in page, "names, numbers and the restore stay as they were"
    assert "Restore exactly this" in page
    assert len(audit.recent(web_app.settings, 100)) == before, "nobody was shown a value"


def test_another_secret_is_told_and_no_error(
    web_app: Web, asked: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids = asked
    client: Any = web_app.broker.client()
    client.copy(values.key_of(ids["shown"]), values.key_of(ids["raw"]), replace=True)
    one_of_another_run = answer(web_app.with_token("read"), f"/api/result/{ids['raw']}")
    assert one_of_another_run["value"]["rows"] is None
    for forged in (b"", b"x", b"x" * 100, b"[]"):
        client.set(values.key_of(ids["raw"]), forged)
        assert web_app.with_token("read").get(f"/api/result/{ids['raw']}").status_code == 200
    monkeypatch.setenv("SESSION_SECRET", SECRET + "-of-another")
    with own_logging():
        browser = Browser(fresh_app())
        browser.log_in()
        told = answer(browser, f"/api/result/{ids['shown']}")
        assert told["value"]["rows"] is None
        assert "sealed with another SESSION_SECRET" in told["why_no_values"]
        assert "sealed with another SESSION_SECRET" in read(browser, f"/tasks/{ids['preview']}")


def test_a_worker_without_the_secret_keeps_none_and_says_so(web_app: Web) -> None:
    web_app.source.client().set(KEY, TEXT)
    take(web_app.source, web_app.storage)
    web_app.source.client().delete(KEY)
    del web_app.env["SESSION_SECRET"]
    script = web_app.with_token("read")
    with working(web_app):
        one = done(script, "/api/backup/preview", {"name": "latest"})
        assert "has no SESSION_SECRET" in answer(script, f"/api/result/{one}")["why_no_values"]
        assert "has no SESSION_SECRET" in read(web_app.logged_in(), f"/tasks/{one}")
        assert web_app.broker.client().exists(values.key_of(one)) == 0
        # Where `make run` keeps one, a worker beside it needs no setting.
        (web_app.folder / "var").mkdir()
        (web_app.folder / "var/session-secret").write_text(SECRET)
        two = done(script, "/api/backup/preview", {"name": "latest"})
        assert TEXT in read(web_app.logged_in(), f"/tasks/{two}")


def test_what_a_shell_was_shown_is_kept_nowhere(web_app: Web) -> None:
    web_app.source.client().set(KEY, TEXT)
    name = str(take(web_app.source, web_app.storage)["name"])
    web_app.source.client().delete(KEY)
    previewed = ran(*PYTHON, "preview", name, env=web_app.env, cwd=web_app.folder)
    assert TEXT in previewed.out
    assert TEXT in ran(*PYTHON, "search", "--show", name, KEY, env=web_app.env, cwd=web_app.folder).out
    (one,) = answer(web_app.with_token("read"), "/api/runs?operation=preview")["runs"]
    assert "shown at the shell" in answer(web_app.with_token("read"), f"/api/result/{one['id']}")["why_no_values"]
    told = lying_in(web_app)
    assert [where for where, content in told.items() for form in forms(TEXT.encode()) if form in content] == []
    assert [where for where in told if f"{connection.PREFIX}values:" in where] == []


def test_what_an_older_version_remembered_in_clear_loses_it_when_a_worker_begins(web_app: Web) -> None:
    value = {"name": "b", "counts": {}, "samples": {"new": [{"key": "k", "rows": [{"part": "value", "backup": TEXT}]}]}}
    ended(web_app, "SUCCESS", operation="preview", arguments={"name": "b"}, value=value)
    _forget_values()
    with open_runs(web_app.settings) as runs:
        run = runs.get("one")
    assert run is not None
    assert (run.state, run.value["samples"]["new"]) == ("SUCCESS", [{"key": "k", "rows": None}])
