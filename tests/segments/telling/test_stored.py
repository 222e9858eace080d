"""What lies in storage is told like what is still at home, and what cannot be read as unknown."""

from tests.segments.telling.test_happened import told as happened
from tests.segments.telling.test_writes import done
from tests.segments.telling.test_writes import told as writes
from tests.support.streams import Streamed
from worker.formats.encryption import keys


def test_a_stored_hour_and_the_present_one_are_told_together(streamed: Streamed) -> None:
    streamed.source.client().set("key", "1")
    streamed.visit()
    streamed.end_the_hour()
    streamed.source.client().rpush("list", "2")
    streamed.source.client().append("key", "2")
    streamed.visit()
    assert happened(streamed)["totals"]["commands"] == {"SET": 1, "APPEND": 1, "RPUSH": 1}
    assert done(writes(streamed, "key")) == [("SET", 0, "written"), ("APPEND", 0, "written")]


def test_what_cannot_be_read_is_a_gap_with_its_reason(streamed: Streamed) -> None:
    made = keys.make(None)
    (streamed.folder / "identity").write_bytes(made.content)
    streamed.more = {
        "backup_age_recipients": (made.public,),
        "backup_age_identity_file": str(streamed.folder / "identity"),
    }
    streamed.source.client().set("key", "1", px=3_600_000)
    streamed.visit()
    (name,) = streamed.end_the_hour()["sealed"]
    streamed.source.client().delete("key")
    streamed.visit()
    assert done(writes(streamed, "key"))[-1][2] == "deleted"
    assert happened(streamed)["totals"]["writes"] == 2
    streamed.more = {}
    answer = happened(streamed)
    assert [name in problem for problem in answer["problems"]] == [True]
    assert [gap["why"] for gap in answer["gaps"]] == answer["problems"]
    assert answer["totals"]["writes"] == 1
    page = writes(streamed, "key")
    assert [row.get("did", "gap") for row in page["writes"]] == ["deleted_or_expired", "gap"]
    assert page["problems"] == answer["problems"]


def test_damaged_commands_leave_the_others_told(streamed: Streamed) -> None:
    streamed.source.client().set("key", "1")
    streamed.visit()
    (path,) = streamed.stream.glob("*.growing")
    size = path.stat().st_size
    streamed.source.client().append("key", "2")
    streamed.visit()
    content = bytearray(path.read_bytes())
    content[size - 3] ^= 1
    path.write_bytes(content)
    page = writes(streamed, "key")
    assert "is damaged" in page["problems"][0]
    assert [row.get("did", "gap") for row in page["writes"]] == ["written", "gap"]
    answer = happened(streamed, prefixes=True)
    assert answer["problems"] == page["problems"]
    assert answer["totals"]["commands"] == {"SET": 1, "APPEND": 1}, "its line tells how many all the same"
