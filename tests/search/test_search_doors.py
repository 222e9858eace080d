"""A search asked from a shell and by a script: what makes sense, what is told, and what stays text."""

import re
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import ValidationError

from tests.search.seeking import HOSTILE
from tests.support.backups import take
from tests.support.dashboard import Web
from tests.support.processes import CANARY, Background, Shell
from tests.support.servers import Server
from worker.arguments.questions import SearchArguments
from worker.config.validation import first_fault
from worker.formats.key_text import key_text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "must have either a key or a match"),
        ({"key": "k", "match": "k*"}, "must have either a key or a match"),
        ({"match": "k*", "show": "latest"}, "must have a key, of which a version is to be shown"),
        ({"key": "k", "against": "latest"}, "must say with `show` what is to be compared"),
        ({"key": "k", "limit": 0}, "limit: must be at least 1"),
        ({"match": ""}, "match: "),
        ({"key": "k", "nmaes": []}, "nmaes: is not known here"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SearchArguments(**arguments)
    assert words in str(first_fault(caught.value))


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    return Shell(server.url, tmp_path / "backups", tmp_path)


def test_the_shell_tells_where_a_key_is_and_how_to_get_it_back(shell: Shell, server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    client.set("it's", "old value")
    name = shell("backup", "--json").data["name"]
    client.set("it's", "new value")
    told = shell("search", "it's")
    assert told.code == 0
    lines = [line.split() for line in told.out.splitlines()]
    assert lines[1] == ["WHERE", "AGE", "TYPE", "SIZE", "EXPIRES", "CHANGE"]
    assert (lines[2][0], lines[2][-1]) == ("live", "changed")
    assert lines[3][0] == name
    shown = shell("search", "it's", "--show", name, "--against", "live")
    assert re.search(r"value +old value +new value", shown.out), shown.out
    (command,) = re.findall(r"comes back with: (.*)", shown.err)
    printf = command.partition(" | ")[0]
    key = subprocess.run(["sh", "-c", printf], capture_output=True, text=True, check=True).stdout
    assert key == "it's\n"
    words = command.partition("python -m worker ")[2].split()
    restored = shell(*words, answer=key)
    assert restored.code == 0, restored.err
    assert client.get("it's") == b"old value"


def test_the_shell_shows_no_key_as_it_is_and_says_what_is_wrong(shell: Shell, server: Server) -> None:
    client: Any = server.client()
    client.hset(HOSTILE, HOSTILE, HOSTILE)
    name = shell("backup", "--json").data["name"]
    text = key_text(HOSTILE)
    for arguments in (("--match", "*"), (text,), (text, "--show", name), (text, "--show", name, "--against", "live")):
        told = shell("search", *arguments)
        assert told.code == 0, told.err
        assert not set("\x1b\r\x07\u202e") & set(told.out + told.err)
        assert "onerror" in told.out
    assert shell("search", text, "--json").data["key"] == text
    nothing = shell("search", "--match", "zzz*")
    assert nothing.out == "0 keys fit; looked through: 2 places\n"
    assert "nokey is in none of 2 places" in shell("search", "nokey").out
    assert shell("search").code == 2
    assert shell("search", "k", "--in", "nope").code == 1


Scripts = Callable[..., FlaskClient]


def test_a_script_may_search_with_the_right_to_read_and_a_worker_answers(
    web_app: Web, token_client: Scripts, web_worker: Background
) -> None:
    client: Any = web_app.source.client()
    client.hset("user:1", mapping={"name": "Ann"})
    name = take(web_app.source, web_app.storage)["name"]
    client.hset("user:1", "name", "Bob")
    reader = token_client("read")

    def done(**body: Any) -> Any:
        answer = reader.post("/api/backup/search", json=body)
        assert answer.status_code == 202, answer.text
        deadline = time.monotonic() + timedelta(seconds=30).total_seconds()
        while not (told := reader.get(answer.headers["Location"]).get_json())["ready"]:
            assert time.monotonic() < deadline, web_worker.said
            time.sleep(0.05)
        assert told["successful"], told
        return told["value"]

    assert [row["change"] for row in done(key="user:1")["found"][0]["versions"]] == ["differs", "first"]
    assert [one["key"] for one in done(match="user:*", live=False)["keys"]] == ["user:1"]
    beside = done(key="user:1", show=name, against="live")
    assert beside["rows"] == [{"part": "name", "show": "Ann", "against": "Bob"}]
    assert reader.post("/api/backup/search", json={"key": "k", "names": ["nope"]}).status_code == 404
    assert reader.post("/api/backup/search", json={"key": "k", "show": "nope"}).status_code == 404
    assert reader.post("/api/backup/search", json={}).status_code == 400
    assert web_app.browser().post("/api/backup/search", json={"key": "k"}).status_code == 401
    assert CANARY not in web_worker.said
