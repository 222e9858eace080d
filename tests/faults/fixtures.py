"""The tools as fixtures; whatever they hold up goes on when the test ends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.faults import programs
from tests.faults.freezer import Freezer
from tests.faults.line import Line
from tests.servers import Server

WireTo = Callable[[Server], Line]


@pytest.fixture
def wire_to() -> Iterator[WireTo]:
    """Lays a line to a server: `line = wire_to(server)`, and then `line.url`."""
    with ExitStack() as laid:
        yield lambda server: laid.enter_context(Line(server.port, server.url))


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
