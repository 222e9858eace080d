"""Questions that take long keep nothing waiting but each other, and end after their minutes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import pytest

from tests.support.processes import CELERY, Background, Sent, eventually, sender
from tests.support.works import Works
from worker.config.settings import Settings
from worker.runs.liveness import lease_key
from worker.runs.run import Run, new
from worker.runs.store import open_runs

DATABASES = count(5)
"""Of the broker: what one test leaves waiting is no other's business."""
ASKED = 4
"""More than the workers of that queue have processes."""
QUESTIONS: dict[str, dict[str, Any]] = {
    "preview": {"name": "latest", "match": ["[^a]" * 1000] * 4},
    "search": {"match": "*" + "[^a]" * 1000},
}


class Queues:
    """A worker for each of some queues, at a broker of their own, whose source answers nobody."""

    def __init__(self, works: Works, **settings: str) -> None:
        self.works = works
        self.env = (
            works.env | {"CELERY_BROKER_URL": works.env["CELERY_BROKER_URL"][:-1] + str(next(DATABASES))} | settings
        )
        self.app = sender(self.env)
        self.settings = Settings(celery_broker_url=self.env["CELERY_BROKER_URL"])

    @contextmanager
    def served(self, *queues: str) -> Iterator[None]:
        """Workers as the Procfile has them."""
        with ExitStack() as stack:
            for queue in queues:
                words = ("--queues", queue, "--hostname", f"{queue}@%h", "--concurrency", "2")
                worker = Background(*CELERY, "worker", *words, env=self.env, cwd=self.works.folder, name=queue)
                stack.callback(worker.stop)
                worker.wait_until_it_says("ready.")
            yield

    def send(self, task: str, **arguments: Any) -> Sent:
        return Sent(self.app.send_task(f"worker.tasks.{task}", kwargs=arguments).id, self.works.backend)

    def run(self, identity: str) -> Run | None:
        """None of one that no worker has taken, for this sender remembers nothing."""
        with open_runs(self.settings) as runs:
            return runs.get(identity)

    def states(self, asked: list[Sent]) -> list[str]:
        return [run.state if (run := self.run(one.id)) else "" for one in asked]

    def ended(self, asked: list[Sent]) -> bool:
        return set(self.states(asked)) == {"CANCELLED"}

    def at_work(self, asked: list[Sent]) -> list[Sent]:
        """Two, as many as there are processes; else none."""
        begun = [one for one, state in zip(asked, self.states(asked), strict=True) if state == "STARTED"]
        return begun if len(begun) == 2 else []


@pytest.fixture
def silent_source(works: Works) -> Iterator[None]:
    works.do("backup")
    works.gate.shut(0)
    yield
    works.gate.open()


@pytest.mark.usefixtures("silent_source")
@pytest.mark.slow
@pytest.mark.parametrize("question", ["preview", "search"])
def test_questions_that_do_not_end_keep_no_prune_no_statistics_and_no_reaping_waiting(
    question: str, works: Works
) -> None:
    queues = Queues(works)
    with open_runs(queues.settings) as runs:
        killed = new("killed", "restore", {}, "admin").model_copy(update={"state": "STARTED"})
        runs.put(killed)
        runs._client.delete(lease_key(killed.id))
    with queues.served("quick", "questions"):
        asked = [queues.send(question, **QUESTIONS[question]) for _ in range(ASKED)]
        eventually(lambda: queues.states(asked).count("STARTED") == 2, "questions to be at work")
        assert queues.send("prune", dry_run=True).result()["kept"]
        queues.send("reap")
        eventually(
            lambda: getattr(queues.run(killed.id), "state", "") == "INTERRUPTED", "the run that was killed to be ended"
        )
        assert queues.send("stats").result()["count"]
        assert sorted(queues.states(asked)) == ["", "", "STARTED", "STARTED"], "they are at it still"


@pytest.mark.usefixtures("silent_source")
def test_a_question_ends_after_its_minutes_and_says_so(works: Works) -> None:
    queues = Queues(works, QUESTION_MINUTES="0.02")
    with queues.served("questions"):
        for _ in range(2):
            began = datetime.now(UTC)
            sent = queues.send("preview", name="latest")
            sent.wait_for("FAILURE")
            said = "Stopped, for it took longer than 0.02 minutes (QUESTION_MINUTES). Nothing unfinished was kept."
            assert sent.error == f"BackupSystemError: {said}"
            run = queues.run(sent.id)
            assert run is not None
            assert (run.state, run.error) == ("FAILURE", said)
            assert run.started_at is not None
            assert run.started_at > began


@pytest.mark.slow
@pytest.mark.usefixtures("silent_source")
def test_questions_that_are_cancelled_make_room_for_the_next(works: Works) -> None:
    queues = Queues(works)
    with queues.served("questions"):
        asked = [queues.send("preview", **QUESTIONS["preview"]) for _ in range(ASKED)]
        for _ in range(ASKED // 2):
            begun = eventually(lambda: queues.at_work(asked), "questions to be at work")
            with open_runs(queues.settings) as runs:
                for one in begun:
                    runs.cancel(one.id, "admin")
            eventually(partial(queues.ended, begun), "those to be broken off")
        assert queues.states(asked) == ["CANCELLED"] * ASKED
        works.gate.open()
        assert queues.send("search", match="*", live=False).result()["total"]
