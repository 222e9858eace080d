"""A prune in the queue whose process is killed: no manifest points to a file that is gone, and the next one completes it.

| fault | moment | operation | promise |
|---|---|---|---|
| kill -9 of the worker's child | as it renames, or deletes, the nth file | prune | what is listed is whole; the next prune leaves what it should |
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.faults.freezer import children
from tests.support.backups import files, settings_for, take
from tests.support.processes import CELERY, Background, Sent, environment, eventually, sender
from tests.support.servers import Binary
from worker.arguments.backups import VerifyArguments
from worker.backups.verify import verify
from worker.progress import silent
from worker.repository import catalogue
from worker.storage import open_storage

BACKUPS, KEPT = 6, 2
POINTS = [("rename", 1), ("rename", 2), ("rename", 4), *(("unlink", nth) for nth in range(1, 9))]


@contextmanager
def killing(pid: int, command: tuple[str, ...], folder: Path) -> Iterator[None]:
    """As long as this lasts the process is under strace."""
    tracer = Background(*command, "-p", str(pid), env=dict(os.environ), cwd=folder, name="strace")
    try:
        status = Path(f"/proc/{pid}/status")
        eventually(lambda: "TracerPid:\t0" not in status.read_text(), lambda: f"strace to attach: {tracer.said}")
        yield
    finally:
        tracer.stop()


# Each starts a worker, which takes its time.
@pytest.mark.slow
@pytest.mark.parametrize(("call", "nth"), POINTS)
def test_a_prune_whose_process_is_killed_leaves_nothing_half_deleted_in_the_list(
    call: str,
    nth: int,
    strace: Callable[..., tuple[str, ...]],
    newest: Binary,
    start_server: StartServer,
    tmp_path: Path,
) -> None:
    server, storage = start_server(newest), tmp_path / "backups"
    server.client().mset({f"key:{number}": "x" for number in range(50)})
    newest_ones = sorted(take(server, storage)["name"] for _ in range(BACKUPS))[-KEPT:]
    urls = {"REDIS_URL": server.url, "CELERY_BROKER_URL": server.url, "CELERY_RESULT_BACKEND": server.url}
    env = environment(**urls, BACKUP_STORAGE=str(storage), BACKUP_KEEP=str(KEPT))
    worker = Background(*CELERY, "worker", "--concurrency", "1", env=env, cwd=tmp_path, name="worker")
    try:
        worker.wait_until_it_says("ready.")
        (child,) = children(worker.process.pid)
        with killing(child, strace(f"{call}:signal=SIGKILL:when={nth}"), tmp_path):
            sent = Sent(sender(env).send_task("worker.tasks.prune").id, server)
            sent.wait_for("FAILURE")
        assert "WorkerLostError" in sent.error or "killed" in sent.error
        for backup in catalogue.read(open_storage(str(storage))).backups:
            verify(settings_for(server, storage), VerifyArguments(name=backup.name), silent)
        # The pool has a new child, which nobody kills.
        Sent(sender(env).send_task("worker.tasks.prune").id, server).result()
    finally:
        worker.stop()
    assert sorted(one.name for one in catalogue.read(open_storage(str(storage))).backups) == newest_ones
    assert {name for name in files(storage) if not name.startswith(tuple(newest_ones))} <= {".lock"}
