"""What a preview foretells is what the restore then does."""

import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.conftest import StartServer
from tests.restore.preview.looks import adopted, as_foretold, look, report_of
from tests.support.backups import DATABASES, asking, each_format, endpoint
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.engines.scan import Scan

VALUES: list[tuple[str, ...]] = [
    ("SET", "k", "1"),
    ("SET", "k", "text"),
    ("RPUSH", "k", "a", "b"),
    ("SADD", "k", "1", "2"),
    ("SADD", "k", "1", "x"),
    ("HSET", "k", "f", "1"),
    ("ZADD", "k", "1", "a", "inf", "b"),
    ("XADD", "k", "5-1", "a", "1"),
]
HOUR = 3_600_000
NAMES = [b"user:1", b"user:2", b"job:1", b"\xff\x00", b"plain"]

keys = st.tuples(st.sampled_from(DATABASES), st.sampled_from(NAMES))
held = st.tuples(st.integers(0, len(VALUES) - 1), st.sampled_from([None, "past", 1, 2]))
stored = st.dictionaries(keys, held, max_size=8)
# Some of the live keys are as in the backup, which two random draws would seldom give.
alive = st.tuples(st.dictionaries(keys, held, max_size=8), st.sets(keys))
asked = st.fixed_dictionaries(
    {},
    optional={
        "kinds": st.sampled_from([{"new"}, {"differs"}, {"expiry", "new"}, {"new", "differs", "expiry"}]),
        "match": st.sampled_from(["user:*", "*1", "nothing"]),
        "types": st.sampled_from([{"string"}, {"set", "hash"}]),
        "databases": st.sampled_from([{0}, {3}]),
        "map_databases": st.just({0: 3, 3: 0}),
        "prefix": st.just("restored:"),
        "strip_prefix": st.just("user:"),
        "expiry": st.sampled_from(["persist", "shift", "floor:7200"]),
    },
)


def write(server: Server, state: dict[tuple[int, bytes], tuple[int, Any]], base: int) -> None:
    """Make the server hold exactly this; what is past is left out."""
    server.client().flushall()
    for (db, key), (value, expiry) in state.items():
        client = asking(server, db)
        command, _, *rest = VALUES[value]
        client.execute_command(command, key, *rest)
        if expiry == "past":
            client.execute_command("DEL", key)
        elif expiry:
            client.execute_command("PEXPIREAT", key, base + expiry * HOUR)


@pytest.mark.sweep
@each_format
@pytest.mark.parametrize("mode", ["skip", "overwrite", "mirror"])
def test_the_forecast_is_what_the_restore_then_reports(
    mode: str, data_format: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)

    @hypothesis_settings(max_examples=25)
    @given(backed_up=stored, live=alive, arguments=asked)
    def holds(backed_up: Any, live: Any, arguments: Any) -> None:
        if mode == "mirror":
            arguments.pop("kinds", None)
        base = int(time.time() * 1000)
        write(server, {key: (value, None) for key, (value, _) in backed_up.items()}, base)
        scan = Scan(endpoint(server), list(DATABASES))
        entries = [one for batch in scan.batches() for one in batch]
        assert scan.rdb_version
        times = {None: None, "past": base - HOUR, 1: base + HOUR, 2: base + 2 * HOUR}
        entries = [one._replace(expires_at=times[backed_up[one.db, one.key][1]]) for one in entries]
        storage = tmp_path / str(uuid.uuid4())
        name = adopted(server, storage, entries, scan.rdb_version, data_format)
        others, alike = live
        write(server, others | {key: backed_up[key] for key in alike if key in backed_up}, base)
        before = state(server)
        foretold = look(server, storage, name, mode=mode, **arguments)
        assert_same(server, before)
        assert foretold["refusal"] is None
        report = report_of(server, storage, name, mode=mode, **arguments)
        assert as_foretold(report) == foretold["forecast"], foretold["counts"]
        after = look(server, storage, name, mode=mode, **arguments)["counts"]
        if mode != "skip":
            # What was put off is put off anew, from a later moment on.
            moving = arguments.get("expiry") in ("shift", "floor:7200")
            settled = {"identical", "expired"} | ({"expiry"} if moving else set())
            chosen = arguments.get("kinds", set(after)) - settled
            assert {kind: after[kind] for kind in chosen if after[kind]} == {}

    holds()
