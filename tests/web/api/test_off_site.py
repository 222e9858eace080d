"""A worker and a dashboard whose backups lie in a bucket, each a process of its own: all that they do, they do there."""

import http.client
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import eventually, fill_all, wipe
from tests.support.bucket import S3
from tests.support.dashboard import PASSWORD, SECRET
from tests.support.obstacle import before
from tests.support.processes import CANARY, CELERY, Background, environment
from tests.support.servers import Binary, Server, free_port
from tests.support.states import assert_same, state
from worker.broker import tokens
from worker.config.settings import Settings
from worker.storage.remote import Remote


@dataclass
class Site:
    """Both, and a script that comes in by token."""

    source: Server
    port: int
    authorization: str

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        told = {"Authorization": self.authorization, "Content-Type": "application/json", **headers}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), told)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        return json.loads(self.ask("GET", path)[1])

    def run(self, method: str, path: str, **body: Any) -> Any:
        """What a run comes to."""
        status, answer = self.ask(method, path, body)
        assert status == 202, answer
        result = f"/api/result/{json.loads(answer)['result_id']}"
        assert eventually(lambda: self.get(result)["ready"])
        told = self.get(result)
        assert told["successful"], told
        return told["value"]


@pytest.fixture
def held_up(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Parts of uploads do not get there."""
    with before(s3.endpoint) as obstacle:
        obstacle.trouble = lambda _, method, path: 503 if method == "PUT" and "partNumber" in path else None
        monkeypatch.setenv("AWS_ENDPOINT_URL", obstacle.endpoint)
        yield


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Remote:
    """In a bucket, unless a test says otherwise."""
    storage: Remote = request.getfixturevalue(getattr(request, "param", "in_s3"))
    return storage


@pytest.fixture
def site(newest: Binary, start_server: StartServer, place: Remote, tmp_path: Path) -> Iterator[Site]:
    broker, source, port = start_server(newest, password=CANARY), fill_all(start_server(newest)), free_port()
    env = environment(
        REDIS_URL=source.url,
        CELERY_BROKER_URL=broker.url,
        CELERY_RESULT_BACKEND=broker.url,
        BACKUP_STORAGE=place.place,
        BACKUP_CACHE=str(tmp_path / "cache"),
        SESSION_SECRET=SECRET,
    )
    settings = Settings(celery_broker_url=broker.url)
    worker = Background(*CELERY, "worker", "--concurrency", "2", env=env, cwd=tmp_path, name="worker", forked=False)
    only_web = {"ADMIN_PASSWORD": PASSWORD, "PORT": str(port)}
    web = Background(sys.executable, "-m", "web", env=env | only_web, cwd=tmp_path, name="web", forked=False)
    try:
        worker.wait_until_it_says("ready.")
        scopes = ["read", "backup", "restore", "delete"]
        secret = tokens.create(settings, "script", scopes, "admin")
        site = Site(source, port, f"Bearer {secret}")
        assert eventually(lambda: _answers(site))
        yield site
    finally:
        web.stop()
        worker.stop()


def _answers(site: Site) -> bool:
    try:
        return site.ask("GET", "/api/backup/list")[0] == 200
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("place", ["in_s3", "in_sftp"], indirect=True)
def test_whoever_uses_the_dashboard_need_not_know_that_it_is_a_bucket(site: Site, place: Remote) -> None:
    there = state(site.source)
    name = site.run("POST", "/api/backup/create")["name"]
    assert name in [thing.name for thing in place.bucket.things()]
    (listed,) = site.get("/api/backup/list")["backups"]
    assert listed["name"] == name
    with place.fetch(name) as file:
        content = file.read()
    assert site.ask("GET", f"/api/backup/download/{name}") == (200, content)
    assert site.ask("GET", f"/api/backup/download/{name}", Range="bytes=5-9") == (206, content[5:10])
    assert site.run("POST", "/api/backup/verify", name=name)["warnings"] == []
    wipe(site.source)
    site.run("POST", "/api/backup/preview", name=name)
    restored = site.run("POST", "/api/backup/restore", name=name)
    assert restored["failed"] == 0
    assert_same(there, state(site.source))
    assert site.run("POST", "/api/backup/search", match="*")["keys"]
    assert site.get("/api/backup/stats")["storage"] == {"where": place.place, "free_bytes": None}
    (tried,) = site.run("POST", "/api/storage")["storages"]
    assert (tried["where"], tried["usable"], tried["left"]) == (place.place, True, None)
    site.run("POST", "/api/backup/create")
    site.run("DELETE", f"/api/backup/delete/{name}")
    assert [one["name"] for one in site.get("/api/backup/list")["trash"]] == [name]


@pytest.mark.slow
@pytest.mark.usefixtures("held_up")
def test_a_backup_is_seen_on_its_way_to_the_bucket_and_cancelled_there(site: Site, s3: S3, in_s3: Remote) -> None:
    for number in range(24):
        site.source.client().set(f"large:{number}", os.urandom(1 << 20))
    asked = site.ask("POST", "/api/backup/create")
    identity = json.loads(asked[1])["result_id"]

    def reached() -> dict[str, Any]:
        return site.get(f"/api/result/{identity}")["progress"] or {}

    assert eventually(lambda: reached().get("phase") == "uploading" and reached()["rate"] is not None)
    seen = reached()
    assert (seen["unit"], 0 < seen["current"] <= seen["total"], seen["total"] > 24 << 20) == ("bytes", True, True)
    assert site.ask("DELETE", f"/api/runs/{identity}")[0] == 202
    # The bucket goes on to take nothing: it is not waited for.
    assert eventually(lambda: site.get(f"/api/result/{identity}")["ready"])
    assert site.get(f"/api/result/{identity}")["state"] == "CANCELLED"
    assert s3.keys(in_s3) == []
    # A part that is on its way is tried to its end, and then what has arrived is taken back.
    assert eventually(lambda: s3.began(in_s3) == [])
