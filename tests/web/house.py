"""A dashboard at work, as a browser meets it: a real web process, worker and broker, with the demo data as the source."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local import demo
from tests.support.browser import Visitor, chromium
from tests.support.processes import CELERY, Background, Shell, environment
from tests.support.servers import Server, binaries, free_port, running

PASSWORD = "a password for the browser"
DAMAGED, GONE = [f"user:{number}" for number in range(40, 100)], [f"user:{number}" for number in range(1, 11)]


@contextmanager
def source_in(folder: Path) -> Iterator[Server]:
    """A Redis with the demo data."""
    with running(binaries()[-1], folder / "source") as source:
        demo.fill(source.port, int(time.time()))
        yield source


@contextmanager
def at_work(folder: Path, source_url: str) -> Iterator[tuple[dict[str, str], str]]:
    """All that runs beside the source, whose backups lie in `backups`: the environment of the worker, the dashboard's address."""
    port = free_port()
    with running(binaries()[-1], folder / "broker") as broker:
        env = environment(
            REDIS_URL=source_url,
            CELERY_BROKER_URL=broker.url,
            CELERY_RESULT_BACKEND=broker.url[:-1] + "1",
            BACKUP_STORAGE=str(folder / "backups"),
            SESSION_SECRET="0123456789abcdef" * 2,
        )
        secrets = {"PORT": str(port), "ADMIN_PASSWORD": PASSWORD}
        worker = Background(*CELERY, "worker", "--concurrency", "2", env=env, cwd=folder, name="worker")
        web = Background(sys.executable, "-m", "web", env=env | secrets, cwd=folder, name="web")
        try:
            worker.wait_until_it_says("ready.")
            web.wait_until_it_says(f":{port}")
            yield env, f"http://127.0.0.1:{port}"
        finally:
            web.stop()
            worker.stop()


@dataclass(frozen=True)
class House:
    """One with two backups, some keys of which can be damaged."""

    source: Server
    shell: Shell
    storage: Path
    env: dict[str, str]
    visit: Callable[..., Visitor]

    @property
    def users(self) -> dict[str, Any]:
        client: Any = self.source.client()
        return {key: client.dump(key) for key in DAMAGED + GONE}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with chromium() as browser, source_in(folder) as source, at_work(folder, source.url) as (env, url):
        shell = Shell(env["REDIS_URL"], folder / "backups", folder)
        for _ in range(2):
            assert shell("backup").code == 0
        yield House(source, shell, folder / "backups", env, lambda **window: Visitor(browser, url, **window))


def damage(source: Server) -> None:
    client: Any = source.client()
    for key in DAMAGED:
        client.hset(key, mapping={"username": "overwritten by a script", "points": 0})
    client.delete(*GONE)
