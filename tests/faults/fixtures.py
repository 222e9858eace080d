"""The tools as fixtures; whatever they hold up goes on when the test ends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.faults import programs
from tests.faults.freezer import Freezer
from tests.faults.line import Line
from tests.support.servers import Binary, Server
from worker.server.endpoint import GLANCE, SOURCE, TARGET

WireTo = Callable[[Server], Line]

SOON = 2.5
"""Seconds that stand for a minute where somebody is `impatient`."""


@pytest.fixture
def wire_to() -> Iterator[WireTo]:
    """Lays a line to a server: `line = wire_to(server)`, and then `line.url`."""
    with ExitStack() as laid:
        yield lambda server: laid.enter_context(Line(server.port, server.url))


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    """An empty one, unless a test says otherwise."""
    return start_server(newest)


@pytest.fixture
def line(server: Server, wire_to: WireTo) -> Line:
    """A line to that server."""
    return wire_to(server)


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A folder for backups, which is still to be made."""
    return tmp_path / "storage"


@pytest.fixture
def freezer() -> Iterator[Freezer]:
    """Freezes processes, and thaws them when the test ends."""
    freezer = Freezer()
    yield freezer
    freezer.thaw_all()


@pytest.fixture
def strace() -> Callable[..., tuple[str, ...]]:
    """`strace("fsync:error=EIO:when=3")`: what to put before a command."""
    programs.needs_strace()
    return programs.strace


@pytest.fixture
def faketime() -> Callable[..., dict[str, str]]:
    """`faketime(env, "2026-03-29 00:30:00")`: an environment in another time."""
    programs.needs_faketime()
    return programs.faketime


@pytest.fixture
def impatient() -> Iterator[None]:
    """Sources and targets are waited for as if a minute were SOON."""
    before = [(role, role.connect_seconds, role.answer_seconds) for role in (SOURCE, TARGET, GLANCE)]
    for role, _, _ in before:
        # They are frozen, and known by name to all that connects.
        vars(role).update(connect_seconds=SOON, answer_seconds=SOON)
    yield
    for role, connect, answer in before:
        vars(role).update(connect_seconds=connect, answer_seconds=answer)
