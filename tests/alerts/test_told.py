"""With a real worker: what goes wrong is told once, and so is that it is over; what is done is told with whom it was for."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.dashboard import Browser, Web, working
from tests.support.processes import CANARY, Background, Sent, eventually, sender
from worker.alerts import memory
from worker.notify.message import Message

HEARD = {
    "NOTIFY_WEBHOOK_URL": f"https://127.0.0.1:1/{CANARY}",
    "NOTIFY_WEBHOOK_SECRET": f"{CANARY}-0123456789abcdefghij",
}
"""Somebody hears of everything, and never does: nobody is there."""
KEY = f"{CANARY}-of-a-key"


@pytest.fixture
def heard(web_env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HEARD.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def web(heard: None, web_app: Web) -> Web:
    return replace(web_app, env=web_app.env | HEARD)


@pytest.fixture
def worker(web: Web) -> Iterator[Background]:
    with working(web) as worker:
        yield worker


def out(web: Web) -> list[Message]:
    """What has been put on its way, oldest first."""
    client: Any = web.broker.client()
    texts = [text for key in client.scan_iter("*outbox:*") for text in client.hvals(key)]
    messages = [Message.model_validate(json.loads(text)["message"]) for text in texts]
    return sorted(messages, key=lambda message: message.at)


def events(web: Web) -> list[str]:
    return [message.event for message in out(web)]


def send(web: Web, task: str, **arguments: Any) -> Sent:
    return Sent(sender(web.env).send_task(f"worker.tasks.{task}", kwargs=arguments).id, web.broker)


def come(web: Web, worker: Background, *wanted: str) -> None:
    eventually(lambda: events(web) == [*wanted], lambda: f"{events(web)} is not {wanted}:\n{worker.said}")


def looked(web: Web, worker: Background) -> None:
    """Somebody has looked once more, and seen all that has ended until now."""
    number = int(web.broker.client().get("redis_backup:alerts:looks") or 0)
    send(web, "watch")

    def done() -> bool:
        known = memory.read(web.settings)
        return known is not None and known.look > number

    eventually(done, lambda: worker.said)


def test_a_backup_that_fails_twice_is_one_message_and_one_when_it_works_again(web: Web, worker: Background) -> None:
    client: Any = web.source.client()
    client.set("key", "value")
    for _ in range(2):
        send(web, "backup", databases=["no number"])
        looked(web, worker)
    come(web, worker, "backup.failed")
    for _ in range(2):
        send(web, "backup")
        looked(web, worker)
    come(web, worker, "backup.failed", "backup.failed.over")
    failed, over = out(web)
    assert (failed.level, over.level) == ("bad", "good")
    assert over.sentence.startswith(f"Backups of 127.0.0.1:{web.source.port} work again, after ")


def test_a_restore_and_its_undo_are_told_with_whom_they_were_for_and_no_name_of_a_key(
    web: Web, worker: Background
) -> None:
    client: Any = web.source.client()
    client.mset({KEY: "value", "other": CANARY})
    browser = web.logged_in()
    name = made(web, browser, worker)
    client.flushall()
    run = (browser.post("/api/backup/restore", json={"name": name, "keys": [KEY]}).json or {})["result_id"]
    eventually(lambda: "restore.done" in events(web), lambda: worker.said)
    undo = browser.post("/api/backup/undo", json={"run": run}).json or {}
    eventually(lambda: "undo.done" in events(web), lambda: worker.said)
    send(web, "restore", name=name, keys=[KEY], target=CANARY)
    eventually(lambda: "restore.failure" in events(web), lambda: worker.said)
    messages = {message.event: message for message in out(web)}
    address = f"127.0.0.1:{web.source.port}"
    assert messages["restore.done"].sentence == (
        f"The restore of {name} into {address}, asked for by admin, is done: 1 restored."
    )
    assert messages["undo.done"].sentence == (
        f"The undo of the restore of {name} into {address}, asked for by admin, is done: 1 deleted."
    )
    assert messages["restore.done"].path == f"/tasks/{run}"
    assert messages["undo.done"].path == f"/tasks/{undo['result_id']}"
    assert messages["restore.failure"].level == "bad"
    nothing_got_out(web)


def made(web: Web, browser: Browser, worker: Background) -> str:
    """The name of a new backup."""
    identity = (browser.post("/api/backup/create", json={}).json or {})["result_id"]

    def ended() -> Any:
        outcome = browser.get(f"/api/result/{identity}").json or {}
        return outcome["value"] if outcome["ready"] else None

    return str(eventually(ended, lambda: worker.said)["name"])


def nothing_got_out(web: Web) -> None:
    """Of passwords, of secrets in addresses, and of names of keys, in what is told and in what is remembered."""
    assert out(web)
    known = memory.read(web.settings)
    texts = [message.model_dump_json() for message in out(web)]
    texts += [alert.model_dump_json() for alert in memory.history(web.settings)]
    texts += [known.model_dump_json()] if known else []
    assert [text for text in texts if CANARY in text] == []


def test_a_login_from_elsewhere_and_a_new_token_are_told_once(web: Web) -> None:
    for address in ("192.0.2.7", "192.0.2.7", "2001:db8::1", "2001:db8::2"):
        browser = web.browser()
        browser.environ_base["REMOTE_ADDR"] = address
        assert browser.log_in().status_code == 303
        browser.log_in(f"not the password {secrets.token_hex(4)}")
    assert events(web) == ["login.new_address"] * 2
    assert "192.0.2.7" in out(web)[0].sentence
    assert "2001:db8::/64" in out(web)[1].sentence
    secret = browser.post("/tokens", data={"name": "ci", "scopes": ["read", "backup"]}).text
    [message] = [message for message in out(web) if message.event == "token.made"]
    assert message.sentence == "Admin has made the token ci, which may: read and backup."
    assert "rb_" in secret
    assert "rb_" not in message.model_dump_json()
    nothing_got_out(web)
