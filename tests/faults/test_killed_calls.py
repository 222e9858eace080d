"""kill -9 of whoever backs up, prunes, deletes, copies, restores or undoes, at each call that makes a file safe, visible or gone.

| fault | moment | operation | promise |
|---|---|---|---|
| kill -9 | the nth fsync, link, rename, unlink or write, for every n | each verb of the shell that writes files | what is listed is whole and as it was, nothing is readable without the key, the same once more completes it, and a prune leaves nothing else |
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.faults.yard import VERBS, Verb, yard
from tests.support.servers import Binary, Server

CALLS = ["fsync", "link", "rename", "unlink", "write"]
PARTS = 6
"""The points of one call are taken by so many tests, in turn."""
NOT_CALLED = {("undo", "link"), ("copy", "rename")}
QUICK = [(VERBS[0], "link", 2)]

Strace = Callable[..., tuple[str, ...]]


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest)


def killed_at(verb: Verb, call: str, nth: int, strace: Strace, server: Server, folder: Path) -> bool:
    """Whether it came to that; if so, everything holds, and what was begun is completed."""
    made = yard(folder, server)
    words = verb.prepare(made)
    ended = made.do(*words, under=strace(f"{call}:signal=SIGKILL:when={nth}"))
    made.holds()
    if ended.code != -9:
        assert ended.code == 0, ended.err
        return False
    again = made.do(*words)
    assert again.code == 0 or verb.is_done(again.err), again.err
    made.holds()
    verb.complete(made, words)
    made.is_tidy()
    return True


@pytest.mark.parametrize(("verb", "call", "nth"), QUICK, ids=str)
def test_a_verb_that_is_killed_at_a_call_leaves_all_whole_and_is_completed_by_the_next(
    verb: Verb, call: str, nth: int, strace: Strace, server: Server, tmp_path: Path
) -> None:
    assert killed_at(verb, call, nth, strace, server, tmp_path / "yard")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("verb", VERBS, ids=str)
def test_at_every_call_a_verb_can_be_killed(
    verb: Verb, call: str, part: int, strace: Strace, server: Server, tmp_path: Path
) -> None:
    nth = part + 1
    while killed_at(verb, call, nth, strace, server, tmp_path / str(nth)):
        nth += PARTS
    assert nth > 1 or part or (verb.name, call) in NOT_CALLED, f"{verb} makes no call of {call}"
