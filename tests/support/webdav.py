"""A real server of WebDAV, rclone's own, and folders of it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.backups import eventually
from tests.support.processes import CANARY
from tests.support.servers import free_port
from worker.config.settings import load
from worker.storage import open_storage
from worker.storage.rclone.process import program
from worker.storage.remote import Remote


@dataclass
class WebDav:
    """A server that asks for a password."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.port = self.port or free_port()
        command = [program(), "serve", "webdav", "--addr", f"127.0.0.1:{self.port}", "--dir-cache-time", "0"]
        env = os.environ | {"RCLONE_USER": "somebody", "RCLONE_PASS": CANARY}
        with (self.folder.parent / "webdav.log").open("wb") as log:
            self.process = subprocess.Popen([*command, "--config=", str(self.folder)], env=env, stderr=log)
        assert eventually(self._answers)

    def _answers(self) -> bool:
        try:
            urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
        except OSError as error:
            return "401" in str(error)
        return True

    def stop(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait(10)

    def address(self, folder: str) -> str:
        return f"webdav://somebody@127.0.0.1:{self.port}/{folder}"


@pytest.fixture(scope="session")
def webdav_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDav]:
    folder = tmp_path_factory.mktemp("webdav") / "it"
    folder.mkdir()
    server = WebDav(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def webdav(webdav_server: WebDav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebDav]:
    """The same, with the environment of a product that uses it, and a folder of this test's for files on their way."""
    for name, value in {"WEBDAV_PASSWORD": CANARY, "BACKUP_CACHE": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    load.cache_clear()
    yield webdav_server
    load.cache_clear()


@pytest.fixture
def in_webdav(webdav: WebDav, tmp_path: Path) -> Remote:
    """A folder of this test's."""
    name = f"of-{abs(hash(str(tmp_path)))}"
    (webdav.folder / name).mkdir()
    storage = open_storage(webdav.address(name))
    assert isinstance(storage, Remote)
    return storage


@pytest.fixture
def in_rclone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """A folder of this test's of a remote that an rclone.conf knows."""
    (tmp_path / "there").mkdir()
    (tmp_path / "rclone.conf").write_text(f"[a-remote]\ntype = alias\nremote = {tmp_path}\n")
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "rclone.conf"))
    monkeypatch.setenv("BACKUP_CACHE", str(tmp_path / "cache"))
    load.cache_clear()
    storage = open_storage("rclone://a-remote/there")
    assert isinstance(storage, Remote)
    yield storage
    load.cache_clear()
