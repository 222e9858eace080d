"""The bar of a terminal: what is being done, how much of it, and how fast."""

import io
import re
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.processes import environment, run
from worker.cli import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bytes_on_their_way_are_shown_with_how_many_come_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    for name, value in {"COLUMNS": "200", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    with console.progress() as progress:
        for phase, unit in (("reading", "keys"), ("uploading", "bytes")):
            began = time.monotonic()
            # The bar is drawn ten times a second.
            while time.monotonic() < began + 0.5:
                progress(phase, round((time.monotonic() - began) * 10_000_000), 50_000_000, unit)
    shown = screen.getvalue()
    assert re.search(r"reading .* [0-9,]+ keys, [0-9,]+ keys a second", shown)
    (*_, rate) = re.findall(r"uploading .* [0-9.]+ MB, ([0-9.]+) MB a second", shown)
    assert 5 < float(rate) < 20, "that of this phase, and not of the one before"


def test_where_nobody_looks_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with console.progress() as progress:
        progress("reading", 1, 2, "keys")
    assert screen.getvalue() == ""


def test_a_verb_starts_without_what_draws_the_bar_which_is_there_for_who_sees_it(tmp_path: Path) -> None:
    started = """
        import sys
        import click
        from worker.cli import console
        from worker.cli.verbs import Verbs
        Verbs().get_command(click.Context(Verbs()), "restore")
        print(sorted(name for name in sys.modules if name.startswith("rich.")))
        sys.stderr.isatty = lambda: True
        with console.progress() as tell:
            tell("restoring", 1, 2, "keys")
        print("rich.progress" in sys.modules)
    """
    ended = run(sys.executable, "-c", dedent(started), env=environment(), cwd=tmp_path, forked=False)
    assert (ended.code, ended.out.splitlines()) == (0, ["[]", "True"])
