"""With a real worker, and a program that listens: what is sent of backups, of what is wrong, and of a trial of all channels."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.notify.receiver import SECRET, Receiver, Request
from tests.support.dashboard import Web, working
from tests.support.processes import CANARY, PYTHON, Background, Sent, eventually, run, sender
from worker.runs.store import open_runs

SCHEDULED = {"asked_by": "beat interval"}
HOSTILE = f"it's \"{CANARY}\" of\n\u202e' mine'"


@pytest.fixture
def web(web_app: Web, receiver: Receiver) -> Web:
    """Its source lets the user read some keys only, so that there can be one that is refused in the middle."""
    client: Any = web_app.source.client()
    client.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "+@all", "~redis_backup", "~ours:*")
    return replace(
        web_app,
        env=web_app.env
        | {
            "REDIS_URL": f"redis://reader:pw@127.0.0.1:{web_app.source.port}/0",
            "HEARTBEAT_URL": receiver.url("/beat"),
            "NOTIFY_WEBHOOK_URL": receiver.url(),
            "NOTIFY_WEBHOOK_SECRET": SECRET,
        },
    )


@pytest.fixture
def worker(web: Web) -> Iterator[Background]:
    with working(web) as worker:
        yield worker


@pytest.mark.slow
def test_who_listens_hears_of_a_backup_of_why_one_failed_and_of_a_trial(
    web: Web, worker: Background, receiver: Receiver, tmp_path: Path
) -> None:
    def heard(path: str, *, of: str = "") -> Request:
        """The last request there, waited for."""

        def found() -> list[Request]:
            return [one for one in receiver.requests if one.path == path and of.encode() in one.body]

        last: Request = eventually(found, lambda: f"{receiver.paths()} is without {path}:\n{worker.said}")[-1]
        return last

    def send(task: str, **arguments: Any) -> Sent:
        sent = sender(web.env).send_task(f"worker.tasks.{task}", kwargs=arguments, headers=SCHEDULED)
        return Sent(sent.id, web.broker)

    client: Any = web.source.client()
    client.set("ours:1", "value")
    assert run(*PYTHON, "notify", "--test", env=web.env, cwd=tmp_path).code == 0
    heard("/hook", of='"test"')
    receiver.requests.clear()
    send("try_channels")
    heard("/hook", of='"test"')
    send("backup", engine="scan")
    heard("/beat")
    assert receiver.paths() == ["/hook", "/beat/start", "/beat"]
    receiver.requests.clear()
    client.set(HOSTILE, "value")
    failed = send("backup", engine="scan")
    said = heard("/beat/fail").body.decode().splitlines()
    told = json.loads(heard("/hook", of="backup.failed").body)["sentence"]
    why = "The source does not give one of its keys: its page says which."
    assert said[0] == why
    assert " backup_failed seconds=" in said[-1]
    assert told == f"The last backup of 127.0.0.1:{web.source.port} failed: {why}"
    everything = b"".join(request.body for request in receiver.requests)
    with open_runs(web.settings) as runs:
        known = runs.get(failed.id)
    assert CANARY in str(known and known.error), "its page names the key"
    assert [bad for bad in (CANARY, "it's", "mine", "\u202e") if bad.encode() in everything] == []
