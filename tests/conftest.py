"""Fixtures: real redis-server processes on free ports, and a place for backups."""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.support import choices
from tests.support.servers import Binary, Server, binaries, free_port, newest_ones, one_of_the_newest, representatives
from tests.support.shares import split, swept
from worker.notify import outbox

pytest_plugins = [
    "tests.support.dashboard",
    "tests.support.served",
    "tests.support.works",
    "tests.support.bucket",
    "tests.support.sftp",
    "tests.support.webdav",
    "tests.support.drive",
    "tests.support.google",
    "tests.support.azure",
    "tests.faults.fixtures",
]

StartServer = Callable[..., Server]

# All that this process signs, and whoever it starts, it signs as one machine, which remembers nothing of another run.
os.environ["BACKUP_STATE"] = tempfile.mkdtemp(prefix="signing-")
atexit.register(shutil.rmtree, os.environ["BACKUP_STATE"], ignore_errors=True)

# Of a broker that nobody reaches the machine knows that nothing is chosen there, as if it had been reached of late.
choices.seen(choices.NOWHERE, os.environ["BACKUP_STATE"])

# The same examples each time, and as long as a busy machine needs for them: neither chance nor load fails a test.
hypothesis.settings.register_profile(
    "same-everywhere", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("same-everywhere")


@pytest.fixture(autouse=True)
def _nobody_remembers_what_was_chosen() -> Iterator[None]:
    """Another broker may come to have the port of one that is gone."""
    yield
    choices.forget(os.environ["BACKUP_STATE"], but=choices.NOWHERE)


@pytest.fixture(autouse=True)
def nobody_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message of a test calls no worker: that would be sought at the broker of this process, which has none, for seconds."""
    monkeypatch.setattr(outbox, "_wake", [])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--share", metavar="K/N", help="run the K-th of N shares of what is chosen, about equal in number")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say which rows of sweeps are slow, and leave out what belongs to other shares.

    A test's share follows from its name: together they are all, each once.
    """
    for item in swept(items):
        item.add_marker(pytest.mark.slow)
    # A real browser and mutants take longest: begun last, one process would be at them while all others have ended.
    items.sort(key=lambda item: "browser" not in item.path.name and item.path.parent.name != "mutants")
    if (share := config.getoption("--share")) is not None:
        chosen, others = split(items, share)
        config.hook.pytest_deselected(items=others)
        items[:] = chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the servers of a test, whose id names them; the rest of them belong to the slow set.

    With `binary` it meets one Redis and one Valkey, or all where it is marked `every_server`; with `newest` one of the
    newest.
    """
    test = metafunc.definition.nodeid
    every = metafunc.definition.get_closest_marker("every_server") is not None
    if "binary" in metafunc.fixturenames:
        _meet(metafunc, "binary", binaries(), binaries() if every else representatives(test))
    if "newest" in metafunc.fixturenames:
        _meet(metafunc, "newest", newest_ones(), [one_of_the_newest(test)])


def _meet(metafunc: pytest.Metafunc, fixture: str, servers: list[Binary], quick: list[Binary]) -> None:
    marks = {server: () if server in quick else [pytest.mark.slow, pytest.mark.cross] for server in servers}
    chosen = [pytest.param(server, id=str(server), marks=marks[server]) for server in servers]
    metafunc.parametrize(fixture, chosen, indirect=True)


@pytest.fixture
def binary(request: pytest.FixtureRequest) -> Binary:
    """A server of this machine: each of those that `pytest_generate_tests` has chosen, in turn."""
    chosen: Binary = request.param
    return chosen


@pytest.fixture
def newest(request: pytest.FixtureRequest) -> Binary:
    """One server is enough: the newest Redis of this machine, or the newest Valkey."""
    chosen: Binary = request.param
    return chosen


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers that end with the test: `start_server(binary, "--maxmemory", "1mb", password="...")`."""
    started: list[Server] = []

    def start(binary: Binary, *options: str, **more: Any) -> Server:
        started.append(Server(binary, tmp_path / f"redis-{len(started)}", *options, **more))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def source(binary: Binary, start_server: StartServer) -> Server:
    return start_server(binary)


@pytest.fixture
def target(binary: Binary, start_server: StartServer) -> Server:
    return start_server(binary)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A certificate of this machine that is its own authority, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, ca = str(folder / "server.key"), str(folder / "server.crt")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", ca, "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*command, "-addext", "keyUsage=digitalSignature,keyCertSign"], check=True, capture_output=True)
    return {"key": key, "ca": ca}


@pytest.fixture
def encrypted(binary: Binary, start_server: StartServer, certificates: dict[str, str]) -> Server:
    # Without a certificate each of them ends at once, and says why.
    command = [binary.path, "--port", "0", "--tls-port", str(free_port())]
    told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    if "Bad directive" in told or "Failed finding TLS support" in told:
        pytest.skip(f"{binary} was built without TLS")
    key, ca = certificates["key"], certificates["ca"]
    options = ["--tls-cert-file", ca, "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no"]
    return start_server(binary, *options, tls=certificates)
