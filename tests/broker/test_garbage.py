"""Whatever somebody puts into a queue, its worker goes on, and of what nobody can read nothing is left or told."""

import base64
import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import (
    CANARY,
    CELERY,
    Background,
    Sent,
    environment,
    eventually,
    run,
    sender,
    with_password,
)
from tests.support.servers import Server, binaries, running
from worker.broker import envelope, transport
from worker.runs.operations import QUEUES

Envelope = dict[str, Any]


def body(text: bytes) -> str:
    return base64.b64encode(text).decode()


def message(*path: str, value: Any) -> bytes:
    """What Celery writes, but for what stands at one place."""
    whole: Envelope = copy.deepcopy(USUAL)
    place = whole
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return json.dumps(whole).encode()


def without(*path: str) -> bytes:
    whole = copy.deepcopy(USUAL)
    place = whole
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return json.dumps(whole).encode()


USUAL: Envelope = {
    "body": body(b'[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'),
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": {
        "lang": "py",
        "task": "worker.tasks.unpin",
        "id": "an-id",
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": "()",
        "kwargsrepr": "{}",
        "origin": "1@host",
    },
    "properties": {
        "correlation_id": "an-id",
        "reply_to": "",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "quick"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": "a-tag",
    },
}
ODD: tuple[Any, ...] = (None, 5, 1e400, "x", [CANARY], {CANARY: [CANARY]}, True)
NO_MESSAGES = {
    "text": CANARY.encode(),
    "no text": b"\xff\xfe" + os.urandom(20),
    "nothing": b"",
    "null": b"null",
    "a number": b"5",
    "a list": b"[1, 2]",
    "an empty object": b"{}",
    "half of one": json.dumps(USUAL).encode()[:-20],
    "deep": b"[" * 200_000,
    "a number without end": b"9" * 10_000,
    "large": b'{"body": "' + b"x" * (9 << 20) + b'"}',
    "no properties": without("properties"),
    "no headers": without("headers"),
    "no id": without("headers", "id"),
    "no task": without("headers", "task"),
    "no base64": message("body", value=f"{CANARY}!"),
    "no JSON in it": message("body", value=body(CANARY.encode())),
    "deep in it": message("body", value=body(b"[" * 200_000)),
    "another shape in it": message("body", value=body(b'{"args": []}')),
    "a list for names in it": message("body", value=body(b"[[], [], {}]")),
    "text for what follows in it": message("body", value=body(b'[[], {}, {"chain": "x"}]')),
    "pickle": message("content-type", value="application/x-python-serialize"),
    "an unknown encoding": message("content-encoding", value="klingon"),
    "an unknown encoding of the body": message("properties", "body_encoding", value="rot13"),
    "a task that is no name": message("headers", "task", value="<script>"),
    "an id without end": message("headers", "id", value="x" * 100_000),
    "never": message("headers", "eta", value="never"),
    "a limit of text": message("headers", "timelimit", value=["x", "y"]),
    "one limit": message("headers", "timelimit", value=[1]),
    "a limit that is no number": json.dumps(USUAL).encode().replace(b"[null, null]", b"[NaN, NaN]"),
}


@pytest.mark.parametrize("text", NO_MESSAGES.values(), ids=NO_MESSAGES)
def test_what_is_no_message_of_ours_is_called_so_without_a_word_of_it(text: bytes) -> None:
    with pytest.raises(envelope.MisfitError) as told:
        envelope.checked(text, "quick")
    assert CANARY not in str(told.value)


def test_what_it_says_of_itself_is_left_out_and_written_anew() -> None:
    odd = copy.deepcopy(USUAL)
    odd["headers"] |= {"compression": "application/x-gzip", "stamps": [CANARY], "meth": 5}
    odd["properties"] |= {"delivery_tag": {}, "delivery_info": 5, "reply_to": [], "correlation_id": 5}
    read = json.loads(envelope.checked(json.dumps(odd).encode(), "quick"))
    tag = read["properties"].pop("delivery_tag")
    assert len(tag) == 36
    assert read["properties"]["delivery_info"] == {"exchange": "redis_backup", "routing_key": "quick"}
    assert read["body"] == USUAL["body"]
    assert USUAL["headers"].items() <= read["headers"].items()
    assert {"compression", "stamps", "meth"} & set(read["headers"]) == set()


class Post:
    """A broker, and a worker as the Procfile has it for each queue, all as one."""

    def __init__(self, broker: Server, worker: Background, env: dict[str, str], folder: Path) -> None:
        self.broker, self.worker, self.env, self.folder = broker, worker, env, folder
        self.app = sender(env)

    def put(self, queue: str, text: bytes) -> None:
        self.broker.client().lpush(queue, text)

    def let_go(self) -> int:
        return len([one for one in self.worker.events if one["event"] == "message_let_go"])

    def works(self) -> None:
        """Each queue is served by the process that served it before."""
        asked = [self.send("stats"), self.send("verify", name="none"), self.send("search", key="x", live=False)]
        for sent in asked:
            sent.wait_for("SUCCESS", "FAILURE")
        assert self.worker.process.poll() is None, self.worker.said

    def send(self, task: str, **arguments: Any) -> Sent:
        return Sent(self.app.send_task(f"worker.tasks.{task}", kwargs=arguments).id, self.broker)


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    folder = tmp_path_factory.mktemp("post")
    with running(binaries()[-1], folder / "broker", password="of-the-broker") as broker:
        url = with_password(broker, "of-the-broker")
        env = environment(
            CELERY_BROKER_URL=url,
            CELERY_RESULT_BACKEND=url,
            REDIS_URL="redis://127.0.0.1:1/0",
            BACKUP_STORAGE=str(folder / "backups"),
        )
        worker = Background(*CELERY, "worker", "--concurrency", "2", env=env, cwd=folder, name="worker")
        try:
            worker.wait_until_it_says("ready.")
            yield Post(broker, worker, env, folder)
        finally:
            worker.stop()


def test_no_garbage_ends_a_worker_comes_again_or_is_told(post: Post) -> None:
    pid = post.worker.process.pid
    for queue in QUEUES:
        for text in NO_MESSAGES.values():
            post.put(queue, text)
    expected = len(QUEUES) * len(NO_MESSAGES)
    eventually(lambda: post.let_go() == expected, lambda: f"{post.let_go()} of {expected}:\n{post.worker.said[-3000:]}")
    post.works()
    assert post.worker.process.pid == pid
    client: Any = post.broker.client()
    assert [client.llen(queue) for queue in QUEUES] == [0, 0, 0]
    assert client.hlen("unacked") == 0
    assert CANARY not in post.worker.said
    assert not [one for one in post.worker.events if one["level"] == "critical"]


PLACES: list[tuple[str, ...]] = [("body",), ("content-type",), ("content-encoding",), ("headers",), ("properties",)]
PLACES += [
    ("headers", name) for name in (*USUAL["headers"], "eta", "expires", "root_id", "group", "shadow", "asked_by")
]
PLACES += [("properties", name) for name in USUAL["properties"]]


def test_a_task_that_there_is_not_fails_and_its_arguments_are_told_to_nobody(post: Post) -> None:
    sent = post.send("bakcup", name=CANARY)
    eventually(lambda: sent.state == "FAILURE", lambda: post.worker.said[-4000:], 15)
    assert sent.error == "NotRegistered: worker.tasks.bakcup"
    assert post.worker.event("unknown_task")["task"] == "worker.tasks.bakcup"
    assert CANARY not in post.worker.said


@pytest.mark.slow
def test_nothing_odd_at_any_place_of_a_message_ends_it_either(post: Post) -> None:
    number = 0
    for place in PLACES:
        for odd in ODD:
            text = json.loads(message(*place, value=odd))
            if isinstance(text["headers"], dict) and place != ("headers", "id"):
                text["headers"]["id"] = f"odd-{(number := number + 1)}"
            post.put("quick", json.dumps(text).encode())
    client: Any = post.broker.client()
    eventually(lambda: client.llen("quick") == 0, "all to be taken")
    post.works()
    eventually(lambda: client.hlen("unacked") == 0, lambda: f"nothing to be left: {client.hgetall('unacked')}")
    assert CANARY not in post.worker.said
    assert "Unrecoverable" not in post.worker.said


def test_a_queue_that_is_none_is_waited_for_and_ends_no_worker(post: Post) -> None:
    client: Any = post.broker.client()
    client.set("quick", CANARY)
    post.worker.event("queues_refused", kind="ResponseError")
    client.delete("quick")
    post.works()
    assert CANARY not in post.worker.said
    assert "Unrecoverable" not in post.worker.said


def test_a_queue_that_is_full_takes_nothing_more_but_what_the_schedule_asks_for(tmp_path: Path) -> None:
    with running(binaries()[-1], tmp_path / "broker") as broker:
        env = environment(CELERY_BROKER_URL=broker.url, CELERY_RESULT_BACKEND=broker.url)
        client: Any = broker.client()
        client.lpush("questions", *["{}"] * transport.MOST_WAITING)
        called = run(*CELERY, "call", "worker.tasks.search", "--kwargs", '{"key": "x"}', env=env, cwd=tmp_path)
        assert called.code != 0
        assert "1,000 tasks wait in the queue questions already" in called.err
        app = sender(env)
        assert run(*CELERY, "call", "worker.tasks.stats", env=env, cwd=tmp_path).code == 0
        client.lpush("jobs", *["{}"] * transport.MOST_WAITING)
        client.lpush("quick", *["{}"] * transport.MOST_WAITING)
        app.send_task("worker.tasks.backup", headers={"asked_by": "beat daily"})
        app.send_task("worker.tasks.reap")
        full = transport.MOST_WAITING
        assert [client.llen(queue) for queue in ("questions", "jobs", "quick")] == [full, full + 1, full + 2]
