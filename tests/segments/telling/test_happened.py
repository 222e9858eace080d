"""What happened is told by the stream alone: what was written when, what stands out, and the place right before it."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking
from tests.support.servers import Binary
from tests.support.streams import Streamed, played
from worker.arguments.stream import HappenedArguments
from worker.errors import NotFoundError
from worker.progress import silent
from worker.segments.telling.happened import happened


def told(streamed: Streamed, **arguments: Any) -> dict[str, Any]:
    return happened(streamed.settings, HappenedArguments(**arguments), silent)


def test_writes_are_counted_by_command_and_what_stands_out_is_named(streamed: Streamed) -> None:
    client = asking(streamed.source)
    pipe = client.pipeline(transaction=False)
    for number in range(60):
        pipe.execute_command("SET", f"key:{number}", "secret-value")
    pipe.execute_command("SET", "large", "secret" * 10_000)
    pipe.execute()
    client.execute_command("DEL", *(f"key:{number}" for number in range(50)))
    client.execute_command("SWAPDB", 0, 3)
    asking(streamed.source, 3).execute_command("FLUSHDB")
    asking(streamed.source).execute_command("FLUSHALL")
    streamed.visit()
    answer = told(streamed)
    assert answer["totals"]["commands"] == {"SET": 61, "DEL": 1, "SWAPDB": 1, "FLUSHDB": 1, "FLUSHALL": 1}
    assert (answer["totals"]["writes"], answer["totals"]["deleted"], answer["totals"]["others"]) == (65, 50, 0)
    assert sum(step["writes"] for step in answer["steps"]) == 65
    assert [(each["command"], each["db"], each["databases"]) for each in answer["named"]] == [
        ("FLUSHALL", None, []),
        ("FLUSHDB", 3, []),
        ("SWAPDB", 0, ["0", "3"]),
    ]
    assert answer["named_total"] == 3
    assert (answer["largest"][0]["command"], answer["largest"][0]["bytes"] > 60_000) == ("SET", True)
    assert "secret" not in str(answer)
    assert answer["gaps"] == answer["problems"] == []


def test_right_before_a_burst_of_deletes_all_is_still_there(
    streamed: Streamed, binary: Binary, start_server: StartServer
) -> None:
    client = asking(streamed.source)
    client.mset({f"key:{number}": "value" for number in range(400)})
    streamed.visit()
    client.set("between", "1")
    pipe = client.pipeline(transaction=True)
    pipe.set("within", "1")
    for number in range(200):
        pipe.delete(f"key:{number}")
    pipe.execute()
    streamed.visit()
    client.delete(*(f"key:{number}" for number in range(200, 400)))
    streamed.visit()
    (peak,) = told(streamed)["peaks"]
    assert (peak["what"], peak["count"], peak["first"]["command"]) == ("deletes", 400, peak["first"]["command"])
    server = played(streamed.find(offset=peak["first"]["offset"]), start_server(binary)).client()
    assert (server.dbsize(), server.exists("between"), server.exists("within")) == (401, 1, 0)


def test_a_flushall_can_be_gone_back_before(streamed: Streamed, binary: Binary, start_server: StartServer) -> None:
    asking(streamed.source).set("kept", "value")
    asking(streamed.source).execute_command("FLUSHALL")
    asking(streamed.source).set("later", "value")
    streamed.visit()
    (flushed,) = told(streamed)["named"]
    assert played(streamed.find(offset=flushed["offset"]), start_server(binary)).client().keys() == [b"kept"]


def test_a_gap_is_told_as_a_gap_and_not_as_quiet(streamed: Streamed) -> None:
    streamed.source.client().set("before", "value")
    streamed.visit()
    streamed.overrun()
    streamed.visit()
    streamed.source.client().set("after", "value")
    streamed.visit()
    answer = told(streamed)
    (gap,) = answer["gaps"]
    assert "backlog" in gap["why"]
    assert gap["since"] <= gap["until"]
    marked = [step["gap"] for step in answer["steps"] if step["gap"]]
    assert set(marked) == {gap["why"]}
    assert answer["totals"]["commands"] == {"SET": 2}


def test_prefixes_are_counted_where_they_are_asked_for(streamed: Streamed) -> None:
    pipe = asking(streamed.source).pipeline(transaction=False)
    for number in range(30):
        pipe.set(f"session:{number}", "x").set(f"user:{number}:name", "x").delete(f"session:{number}")
    pipe.execute()
    streamed.visit()
    assert told(streamed)["prefixes"] is None
    prefixes = told(streamed, prefixes=True)["prefixes"]
    assert prefixes == {
        "written": {"session:": 30, "user:": 30},
        "deleted": {"session:": 30},
        "exact": True,
        "read_until": None,
    }


def test_only_the_span_that_is_meant_is_told(streamed: Streamed) -> None:
    streamed.source.client().set("key", "value")
    streamed.visit()
    between = time.time() + 0.02
    time.sleep(0.04)
    streamed.visit()
    streamed.source.client().rpush("list", "x")
    streamed.visit()
    later = told(streamed, since=datetime.fromtimestamp(between, UTC).isoformat())
    assert later["totals"]["commands"] == {"RPUSH": 1}
    with pytest.raises(NotFoundError, match="nothing of the stream then"):
        told(streamed, until="2001-01-01")


def test_without_a_stream_it_is_said_how_to_have_one(binary: Binary, start_server: StartServer, tmp_path: Any) -> None:
    with pytest.raises(NotFoundError, match="BACKUP_STREAM_SECONDS"):
        told(Streamed(start_server(binary), tmp_path))
