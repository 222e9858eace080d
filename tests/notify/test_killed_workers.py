"""kill -9 of a whole worker while it brings messages: none is lost, and at most the one on its way comes twice, with its id."""

import json
import os
import signal
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.notify.receiver import SECRET, Receiver, told
from tests.support.dashboard import Web, working
from tests.support.processes import eventually, sender
from worker.notify import outbox
from worker.notify.channels import channels

EACH_TIME, KILLS = 4, 2


@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_brings_messages_loses_none(web_app: Web, receiver: Receiver) -> None:
    heard = {"notify_webhook_url": receiver.url(), "notify_webhook_secret": SECRET}
    settings = web_app.settings.model_copy(update=heard)
    env = {name.upper(): value for name, value in heard.items()} | {"REDIS_BACKUP_LEASE_SECONDS": "1"}
    web = replace(web_app, env=web_app.env | env)
    app, [channel] = sender(web.env), channels(settings)

    def called() -> None:
        """As by the schedule each minute: the lease of one that was killed may still run."""
        client: Any = web.broker.client()
        if not client.llen("quick"):
            app.send_task("worker.tasks.notify", expires=1)

    def come(number: int) -> bool:
        called()
        return len(receiver.requests) >= number

    def all_came() -> bool:
        called()
        return not outbox.waiting(settings, channel)

    for round_ in range(KILLS):
        already = len(receiver.requests)
        receiver.may_answer.clear()
        for number in range(EACH_TIME):
            told(settings, f"Number {round_}.{number}.")
        with working(web, forked=False) as worker:
            eventually(partial(come, already + 1), "one to be on its way")
            receiver.may_answer.set()
            eventually(partial(come, already + 2), "the next")
            os.killpg(worker.process.pid, signal.SIGKILL)
    with working(web, forked=False):
        eventually(all_came, "all to be brought")
    documents = [json.loads(request.body) for request in receiver.requests]
    times = Counter(document["sentence"] for document in documents)
    assert len(times) == len({document["id"] for document in documents}) == EACH_TIME * KILLS
    assert sum(times.values()) <= EACH_TIME * KILLS + KILLS, "of each killed worker one at most came twice"
