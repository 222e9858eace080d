"""Structured logs: one line per event, JSON or for people, kept with its run, and no password in any."""

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest

from tests.support.processes import CANARY, ROOT, environment
from worker import logs
from worker.errors import BackupSystemError, UsageError

TALKATIVE = f"""
import logging, structlog
from worker import logs
logs.configure("INFO")
log = structlog.get_logger()
log.info("greeting", url="redis://:{CANARY}@host:1/0")
logging.getLogger("somebody.else").warning("cannot reach redis://user:{CANARY}@host")
try:
    with logs.run("one", "backup"):
        raise ValueError("rediss://:with@{CANARY}@host:1/0")
except Exception as error:
    print(error)
"""


def said(script: str) -> tuple[str, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout, [json.loads(line) for line in done.stderr.splitlines()]


def test_every_line_is_json_and_an_address_in_it_has_lost_its_password() -> None:
    out, (greeting, foreign, failed) = said(TALKATIVE)
    assert greeting["url"] == "redis://***@host:1/0"
    assert foreign["event"] == "cannot reach redis://***@host"
    assert (failed["event"], failed["run"]) == ("backup_failed", "one")
    assert "ValueError: rediss://***@host" in failed["exception"]
    assert CANARY not in f"{greeting}{foreign}{failed}{out}"


FOR_PEOPLE = rf"""
import logging, structlog
from worker import logs
logs.configure("INFO", "text")
log = structlog.get_logger()
log.info("backup_created", name="redis_backup.rdb.zst", keys=100, details={{"why": "it was time"}}, swept=[])
log.warning("greeting", url="redis://:{CANARY}@host:1/0", steering="\x1b[2J", forged="\n03:00:00 all is well")
logging.getLogger("somebody.else").error("odd\x1b[2J\nlines")
try:
    with logs.run("one", "backup"):
        raise ValueError("rediss://:with@{CANARY}@host:1/0")
except Exception as error:
    pass
"""


def test_a_line_for_people_says_when_and_what_and_steers_no_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FOR_PEOPLE], env=environment(TZ="Asia/Tokyo"), cwd=ROOT, capture_output=True, check=True
    )
    made, greeting, foreign, failed, *trace = done.stderr.decode().splitlines()
    assert (
        re.sub(r"^\d\d:\d\d:\d\d ", "", made) == "backup created name=redis_backup.rdb.zst keys=100 why='it was time'"
    )
    assert re.fullmatch(
        r"\S+ WARNING greeting url=redis://\*\*\*@host:1/0 steering=.* forged='.*all is well'", greeting
    )
    assert re.fullmatch(r"\d\d:\d\d:\d\d ERROR odd.*lines", foreign)
    assert re.fullmatch(r"\S+ ERROR backup failed .*kind=ValueError.*", failed)
    assert "ValueError: rediss://***@host:1/0" in "\n".join(trace)
    assert not {CANARY.encode(), b"\x1b"} & {one for one in (CANARY.encode(), b"\x1b") if one in done.stderr}


SAY_SOMETHING = "from worker import logs; logs.configure('INFO', '{}'); logs.log.info('something_new')"


@pytest.mark.parametrize(("form", "is_json"), [("auto", False), ("json", True)])
def test_a_terminal_is_told_in_text_unless_json_is_asked_for(form: str, is_json: bool) -> None:
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", SAY_SOMETHING.format(form)], env=environment(), cwd=ROOT, stderr=theirs, check=True
    )
    os.close(theirs)
    line = os.read(ours, 4096).decode()
    os.close(ours)
    assert (line.startswith("{"), "something new" in line) == (is_json, not is_json)


def failing_run() -> logs.Lines:
    """The lines of a run that says something and fails."""
    with suppress(UsageError), logs.run("one", "backup", "some.name") as lines:
        logs.log.info("step", number=1)
        logs.log.debug("detail")
        raise UsageError("That cannot be.")
    return lines


def test_a_run_keeps_its_own_events_whatever_the_level_of_the_log() -> None:
    logs.configure("CRITICAL")
    lines = failing_run()
    logs.log.info("afterwards")
    assert [(line["event"], line["level"]) for line in lines] == [("step", "info"), ("backup_failed", "error")]
    assert lines[-1]["error"] == "That cannot be."
    assert all(line["timestamp"] for line in lines)


def test_what_nobody_foresaw_is_told_by_its_kind_only() -> None:
    logs.configure("CRITICAL")
    with (
        pytest.raises(BackupSystemError, match="An unexpected KeyError in backup") as caught,
        logs.run("one", "backup"),
    ):
        raise KeyError(CANARY)
    assert CANARY not in str(caught.value)
