"""A broker and a source behind a gate, where workers come and go, and what is told of their runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.gates import Gate
from tests.support.processes import CELERY, Background, eventually, run
from tests.support.servers import Server
from worker.config.settings import Settings
from worker.runs.run import Run
from worker.runs.store import open_runs

VALUE_BYTES, VALUES, KEYS = 1 << 20, 24, 30_000
HALF_WAY = 14 << 20
# More than INFO answers, less than what all keys are answered with.
SOME_REPLIES = 48 << 10


@dataclass
class Office:
    """A broker that keeps its data, a source behind a gate; workers come and go."""

    folder: Path
    broker: Server
    source: Server
    gate: Gate
    env: dict[str, str]
    workers: list[Background] = field(default_factory=list)

    def call(self, task: str, **arguments: Any) -> str:
        """What an operations shell does; the id of the run."""
        called = run(
            *CELERY, "call", f"worker.tasks.{task}", "--kwargs", json.dumps(arguments), env=self.env, cwd=self.folder
        )
        assert called.code == 0, called.err
        return called.out.strip()

    @contextmanager
    def worker(self) -> Iterator[Background]:
        name = f"worker-{len(self.workers)}"
        process = Background(*CELERY, "worker", "--concurrency", "1", env=self.env, cwd=self.folder, name=name)
        self.workers.append(process)
        try:
            process.wait_until_it_says("ready.")
            yield process
        finally:
            process.stop()

    def run(self, identity: str) -> Run | None:
        with open_runs(Settings(celery_broker_url=self.broker.url)) as memory:
            return memory.get(identity)

    def wait_for(self, identity: str, *states: str) -> Run:
        def come() -> Run | None:
            found = self.run(identity)
            return found if found is not None and found.state in states else None

        found: Run = eventually(come, f"{states} of {identity}: {self.run(identity)}")
        return found

    @property
    def manifests(self) -> set[str]:
        return {path.name for path in (self.folder / "backups").glob("*.manifest.json")}


def all_runs(office: Office) -> list[Run]:
    with open_runs(Settings(celery_broker_url=office.broker.url)) as memory:
        return list(memory.each())


def events(worker: Background, name: str) -> list[dict[str, Any]]:
    return [event for event in worker.events if event.get("event") == name]


def messages(office: Office) -> list[str]:
    return [bytes(message).decode() for message in office.broker.client().lrange("jobs", 0, -1)]  # type: ignore[arg-type]
