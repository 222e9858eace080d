"""A broker, a result backend, a source behind a gate and a worker: what most tests of tasks need."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.support.gates import Gate
from tests.support.processes import (
    CANARY,
    CELERY,
    Background,
    Ended,
    Sent,
    command,
    environment,
    eventually,
    run,
    sender,
    with_password,
)
from tests.support.servers import Server, binaries, running

KEYS = 50_000
BIG_KEYS, BIG_BYTES = 20, 1 << 20
# Enough for the compressor to have put something out, and less than all.
SHUT_AFTER = 14 << 20
# A kill, not a power cut: with a sync every second all that is told waits for a busy disk.
SURVIVING = ("--appendonly", "yes", "--appendfsync", "no")


@dataclass
class Works:
    """A broker, a result backend, a source behind a gate, and one plain worker for all queues."""

    folder: Path
    broker: Server
    backend: Server
    source: Server
    gate: Gate
    env: dict[str, str]
    app: Celery
    worker: Background

    @property
    def storage(self) -> Path:
        return self.folder / "backups"

    @property
    def manifests(self) -> set[str]:
        return {path.name for path in self.storage.glob("*.manifest.json")}

    def send(self, task: str, **arguments: Any) -> Sent:
        return Sent(self.app.send_task(f"worker.tasks.{task}", kwargs=arguments).id, self.backend)

    def do(self, task: str, **arguments: Any) -> Any:
        """Send a task and wait for what it returns."""
        return self.send(task, **arguments).result()

    def failure(self, task: str, **arguments: Any) -> str:
        """Send a task that must fail: the error as its result tells it, kind and sentence."""
        sent = self.send(task, **arguments)
        sent.wait_for("FAILURE")
        return sent.error

    @contextmanager
    def held(self, **arguments: Any) -> Iterator[Sent]:
        """A backup that has begun to write, and waits for the gate."""
        self.gate.shut(SHUT_AFTER)
        try:
            sent = self.send("backup", **arguments)
            eventually(lambda: sent.state == "PROGRESS", lambda: f"progress: {sent.meta}, log:\n{self.worker.said}")
            yield sent
        finally:
            self.gate.open()

    def celery(self, *arguments: str) -> Ended:
        return run(*CELERY, *arguments, env=self.env, cwd=self.folder)

    def secrets_told(self) -> list[str]:
        """Where the password of the URLs turned up: nowhere, if all is well."""
        places = {
            "the log": self.worker.said,
            "the arguments of the processes": self.worker.command_lines(),
            "the broker": "".join(map(str, _content(self.broker))),
            "the results": "".join(map(str, _content(self.backend))),
            "the storage": "".join(path.read_text("latin-1") for path in self.storage.iterdir()),
        }
        return [where for where, text in places.items() if CANARY in text]


def _content(server: Server) -> Iterator[Any]:
    for db in range(2):
        connection = server.client(db)
        for key in connection.scan_iter():
            kind = connection.type(key)
            yield (connection.get(key) if kind == b"string" else connection.dump(key)) or b""


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    folder, binary = tmp_path_factory.mktemp("works"), binaries()[-1]
    with (
        running(binary, folder / "broker", password=CANARY) as broker,
        running(binary, folder / "backend", *SURVIVING, password=CANARY) as backend,
        running(binary, folder / "source", password=CANARY) as source,
        Gate(source.port) as gate,
    ):
        command(source, "DEBUG", "POPULATE", KEYS - BIG_KEYS, "key", 64)
        for number in range(BIG_KEYS):
            source.client().set(f"big:{number}", os.urandom(BIG_BYTES))
        env = environment(
            REDIS_URL=f"redis://:{CANARY}@127.0.0.1:{gate.port}/0",
            CELERY_BROKER_URL=with_password(broker),
            CELERY_RESULT_BACKEND=with_password(backend),
            BACKUP_STORAGE=str(folder / "backups"),
            BACKUP_KEEP="2",
            BACKUP_KEEP_MANUAL="2",
            BACKUP_UNDO_DAYS="0",
        )
        worker = Background(*CELERY, "worker", env=env, cwd=folder, name="worker", forked=False)
        try:
            worker.wait_until_it_says("ready.")
            yield Works(folder, broker, backend, source, gate, env, sender(env), worker)
        finally:
            gate.open()
            worker.stop()
