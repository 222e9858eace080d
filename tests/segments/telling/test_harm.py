"""What befell some keys most in a span, and the place right before it."""

import re
import time
from collections.abc import Collection
from typing import Any

from tests.conftest import StartServer
from tests.support.backups import asking
from tests.support.servers import Binary
from tests.support.streams import Streamed, played
from worker.arguments.questions import TimelineArguments
from worker.cli import timeline as words
from worker.progress import silent
from worker.restore.selection.filters import name_rule
from worker.search.timeline import timeline
from worker.segments.chain import stretches
from worker.segments.telling.harm import Harm, Meant, worst
from worker.segments.telling.walking import Span


def harm(streamed: Streamed, deleted: bool = True, names: Collection[bytes] = (), **selection: Any) -> Harm | None:
    arguments = TimelineArguments(**selection)
    meant = Meant(name_rule(arguments), names, deleted, arguments.databases)
    return worst(stretches(streamed.settings)[0], Span(), meant)


def befallen(streamed: Streamed) -> int:
    """Users are written, one is deleted as any day; then many are, and the others are written on. The offset before that."""
    client = asking(streamed.source)
    for number in range(40):
        client.execute_command("SET", f"user:{number}", "good")
        client.execute_command("SET", f"other:{number}", "good")
    client.execute_command("DEL", "user:39")
    streamed.visit()
    before = int(streamed.visit()["to"])
    client.execute_command("DEL", *(f"user:{number}" for number in range(30)))
    client.execute_command("DEL", "other:1")
    streamed.visit()
    client.execute_command("SET", "user:31", "later")
    streamed.visit()
    return before


def test_the_place_right_before_most_went_is_found(
    streamed: Streamed, binary: Binary, start_server: StartServer
) -> None:
    before = befallen(streamed)
    worst_of_users = harm(streamed, match=["user:*"])
    assert worst_of_users
    assert (worst_of_users.before, worst_of_users.number, worst_of_users.emptied) == (before, 30, False)
    server = played(streamed.find(offset=worst_of_users.before), start_server(binary))
    assert server.client().exists(*(f"user:{number}" for number in range(39))) == 39
    one = harm(streamed, names=[b"other:1"], keys=["other:1"])
    assert one
    assert one.number == 1
    assert one.before > before
    assert harm(streamed, match=["nobody:*"]) is None
    assert harm(streamed, match=["user:*"], databases=[7]) is None


def test_what_was_written_is_found_where_nothing_went(streamed: Streamed) -> None:
    befallen(streamed)
    written = harm(streamed, deleted=False, match=["user:31"])
    assert written
    assert written.number == 1


def test_all_that_is_emptied_is_the_worst_and_another_database_is_not_meant(streamed: Streamed) -> None:
    befallen(streamed)
    asking(streamed.source, 5).execute_command("FLUSHDB")
    streamed.visit()
    assert (harm(streamed, match=["user:*"], databases=[0]) or Harm(0, "", 0, 0, 0, emptied=True)).emptied is False
    last = int(streamed.visit()["to"])
    asking(streamed.source).execute_command("FLUSHALL")
    streamed.visit()
    emptied = harm(streamed, match=["user:*"])
    assert emptied
    assert (emptied.before >= last, emptied.emptied) == (True, True)


def test_a_timeline_goes_closer_than_the_last_good_backup(streamed: Streamed) -> None:
    client = asking(streamed.source)
    client.execute_command("MSET", "user:1", "a", "user:2", "b")
    streamed.take()
    streamed.visit()
    client.execute_command("SET", "user:3", "since the backup")
    before = int(streamed.visit()["to"])
    client.execute_command("DEL", "user:1", "user:2")
    streamed.visit()
    time.sleep(0.01)
    told = timeline(streamed.settings, TimelineArguments(match=("user:*",)), silent)
    assert told["good"]["gone"] == 2
    assert told["closer"]["moment"].startswith(f"@offset:{before}:")
    assert (told["closer"]["number"], told["closer"]["emptied"], told["closer"]["went"]) == (2, False, True)
    assert told["problems"] == []
    assert re.fullmatch(
        r"2 deletions of them between \d{4}-\d\d-\d\d \d\d:\d\d:\d\d and \d\d:\d\d:\d\d UTC",
        words.happened(told["closer"]),
    )
