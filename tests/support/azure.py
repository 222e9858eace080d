"""Microsoft's own emulator of Azure's blobs, which npm brings, and containers in it."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from worker.config.settings import load
from worker.storage import open_storage
from worker.storage.rclone.process import program
from worker.storage.remote import Remote

VERSION = "3.35.0"
INSTALL_SECONDS = 300
ACCOUNT = "devstoreaccount1"
# Published by Microsoft, the same for everybody: the emulator knows no other.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Azure:
    """A server, which every process of a test's may speak to."""

    endpoint: str

    def rclone(self, *words: str, content: bytes = b"") -> bytes:
        """Somebody else's client, to look behind our back."""
        env = {"ACCOUNT": ACCOUNT, "KEY": KEY, "ENDPOINT": self.endpoint}
        return subprocess.run(
            [program(), "--config=", "--retries=1", *words],
            env=os.environ | {f"RCLONE_AZUREBLOB_{name}": value for name, value in env.items()},
            input=content,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout

    def put(self, storage: Remote, name: str, content: bytes) -> None:
        """Somebody else writes there."""
        self.rclone("rcat", _at(storage, name), content=content)

    def names(self, storage: Remote) -> list[str]:
        """All that lies there, what is hidden as well."""
        return sorted(self.rclone("lsf", _at(storage, "")).decode().split())


def _at(storage: Remote, name: str) -> str:
    return f":azureblob:{storage.place.removeprefix('az://')}/{name}"


def emulator() -> Path:
    """The emulator, brought by npm once for all tests of this machine; where that cannot be, they are skipped."""
    home = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "redis-backup-tests" / f"azurite-{VERSION}"
    )
    found = home / "node_modules" / ".bin" / "azurite-blob"
    npm = shutil.which("npm")
    if npm is None and not found.exists():
        pytest.skip("There is no npm here, which brings Azure's emulator: apt install npm.")
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "whole").exists():
            command = [str(npm), "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home)]
            try:
                subprocess.run(
                    [*command, f"azurite@{VERSION}"], check=True, timeout=INSTALL_SECONDS, capture_output=True
                )
            except (OSError, subprocess.SubprocessError):
                pytest.skip("npm cannot bring Azure's emulator here: it may have no way to its registry.")
            (home / "whole").touch()
    return found


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    words = ["--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent", "--skipApiVersionCheck"]
    with subprocess.Popen(
        [emulator(), *words],
        cwd=tmp_path_factory.mktemp("azure"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        listens = (re.search(r"listens on (http://\S+)", line) for line in process.stdout)
        address = next((found[1] for found in listens if found), None)
        assert address, "Azure's emulator has ended at once."
        yield Azure(f"{address}/{ACCOUNT}")
        with suppress(ProcessLookupError):
            process.kill()


@pytest.fixture
def azure(azure_server: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """The same, with the environment of a product that uses it, and a folder of this test's for files on their way."""
    for name, value in {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "AZURE_STORAGE_ENDPOINT": azure_server.endpoint,
        "BACKUP_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    load.cache_clear()
    yield azure_server
    load.cache_clear()


@pytest.fixture
def in_az(azure: Azure, tmp_path: Path) -> Remote:
    """A folder of a container of this test's."""
    container = f"container-{abs(hash(str(tmp_path)))}"
    azure.rclone("mkdir", f":azureblob:{container}")
    storage = open_storage(f"az://{container}/of/redis")
    assert isinstance(storage, Remote)
    return storage
