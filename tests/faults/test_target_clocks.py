"""A target whose clock is not ours: whether a key has expired is for the target's clock to say.

| fault | moment | outcome |
|---|---|---|
| its clock is an hour ahead | a key expires within that hour | it is counted as expired and never sent, which would delete the live one |
| its clock is an hour behind | a key has expired by our clock | it is restored, and lives until its time has come there |
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.faults.programs import faketime, needs_faketime
from tests.support.backups import bring_back
from tests.support.given import stored, string
from tests.support.programs import program
from tests.support.servers import Binary
from worker.formats.entries import Entry

HOUR, HALF = 3600, 1800
EXPIRING = {b"past": -HALF, b"soon": HALF, b"late": 3 * HOUR}
"""Seconds from now, by our clock."""


def elsewhen(binary: Binary, folder: Path, seconds: int) -> Binary:
    """The same server with a clock that is so far ahead of ours."""
    needs_faketime()
    clock = faketime({"TZ": "UTC"}, f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}")
    told = " ".join(f"{name}='{value}'" for name, value in clock.items())
    return Binary(str(program(folder / "elsewhen", f'exec env {told} {binary.path} "$@"')), binary.name, binary.release)


@pytest.mark.parametrize("mode", ["skip", "overwrite"])
@pytest.mark.parametrize(("ahead", "alive"), [(HOUR, {b"late"}), (-HOUR, set(EXPIRING))], ids=["ahead", "behind"])
def test_whether_a_key_has_expired_is_for_the_targets_clock_to_say(
    ahead: int, alive: set[bytes], mode: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    target, now = start_server(elsewhen(newest, tmp_path, ahead)), time.time()
    client = target.client()
    assert abs(client.time()[0] - now - ahead) < HALF / 2
    given = [Entry(0, key, round((now + at) * 1000), "string", string(b"old")) for key, at in EXPIRING.items()]
    stored(tmp_path / "backups", given)
    expired = set(EXPIRING) - alive
    held = dict.fromkeys(expired, b"live") if mode == "overwrite" else {}
    for key, value in held.items():
        client.set(key, value)
    report = bring_back(target, tmp_path / "backups", mode=mode)
    assert (report["restored"], report["expired"], report["failed"]) == (len(alive), len(expired), 0)
    assert {key: client.get(key) for key in alive} == dict.fromkeys(alive, b"old")
    assert {key: client.get(key) for key in expired} == {key: held.get(key) for key in expired}
