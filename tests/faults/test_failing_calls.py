"""Writes and what follows them fail, for whoever backs up, prunes, deletes, copies, restores or undoes.

| fault | moment | operation | promise |
|---|---|---|---|
| ENOSPC, EIO, EFBIG | the nth write, every tenth of a backup's | each verb of the shell that writes files | one sentence, or it was not needed; what is listed is whole and as it was; the same once more completes it |
| ENOSPC, EIO, EROFS | from the nth fsync, link, rename or unlink on | the same | the same |
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.yard import VERBS, Verb, yard
from tests.support.processes import Ended
from tests.support.servers import Server

QUICK = [(VERBS[0], "write", "ENOSPC", 3)]

Strace = Callable[..., tuple[str, ...]]


def failed_at(injected: str, verb: Verb, strace: Strace, server: Server, folder: Path) -> bool:
    """Whether it made a difference; in any case everything holds, and what was begun is completed."""
    made = yard(folder, server)
    words = verb.prepare(made)
    ended = made.do(*words, under=strace(injected))
    _is_plain(ended)
    made.holds()
    again = made.do(*words)
    assert again.code == 0 or verb.is_done(again.err), again.err
    made.holds()
    verb.complete(made, words)
    made.is_tidy()
    return bool(ended.code)


def _is_plain(ended: Ended) -> None:
    """It has ended as it says, and says so in sentences."""
    assert ended.code in (0, 1), ended
    assert "Traceback" not in ended.err
    if ended.code:
        assert re.search(r"^[A-Z][^\n]*[.?]$", ended.err, re.MULTILINE) or not ended.err, ended.err


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "call", "error", "nth"), QUICK, ids=str)
def test_a_call_that_fails_leaves_all_whole_and_the_next_try_completes_it(
    verb: Verb, call: str, error: str, nth: int, strace: Strace, server: Server, tmp_path: Path
) -> None:
    assert failed_at(f"{call}:error={error}:when={nth}", verb, strace, server, tmp_path / "yard")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("verb", VERBS, ids=str)
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EFBIG"])
def test_every_tenth_write_fails(error: str, verb: Verb, strace: Strace, server: Server, tmp_path: Path) -> None:
    for nth in (1, 2, 3, *range(10, 60, 10)):
        failed_at(f"write:error={error}:when={nth}", verb, strace, server, tmp_path / str(nth))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("verb", VERBS, ids=str)
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EROFS"])
@pytest.mark.parametrize("call", ["fsync", "link", "rename", "unlink"])
def test_from_some_call_on_all_fail(
    call: str, error: str, verb: Verb, strace: Strace, server: Server, tmp_path: Path
) -> None:
    for nth in (1, 2, 4, 7):
        failed_at(f"{call}:error={error}:when={nth}+", verb, strace, server, tmp_path / str(nth))
