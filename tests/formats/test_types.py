"""The table of types: a type that is added there, and nowhere else, is seen everywhere; one that is lacking is no other's."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.formats import invented_type
from tests.support.dashboard import PASSWORD, SECRET
from tests.support.processes import ROOT, Ended, environment, run
from tests.support.servers import Binary, Server
from worker.formats.rdb.codes import CODES
from worker.formats.types import NAMES, TYPES, name_of

TYPE = """KeyType(
    "bag", "members", "teal",
    reads=(Command((b"BAGCARD", KEY)), Command((b"BAGALL", KEY)), Command((b"BAGSCAN", KEY, b"0"))),
    size=b"BAGCARD", whole=(b"BAGALL",), piece=b"BAGSCAN", builds=(Command((b"BAGADD", KEY, b"")),),
),"""
CODE = 'Code(99, "bag", STRINGS, read_list, 12, varies=True),'

WITHOUT_STREAMS = ('        "stream",\n        "stream",\n', '        "other",\n        "stream",\n')
LOOKS_FOR_MODULES = """
from types import SimpleNamespace
from tests.formats.invented_type import surplus
from worker.formats.types import name_of
from worker.arguments.restore import Request

print(name_of(b"stream"))
whole = SimpleNamespace(source=SimpleNamespace(databases=None))
print(surplus(Request(name="x", mode="mirror", types=["module"]), whole))
"""


class House:
    """A copy of the product, to be changed, and the servers that it meets."""

    def __init__(self, folder: Path, source: Server, broker: Server) -> None:
        for part in ("worker", "web"):
            shutil.copytree(ROOT / part, folder / part)
        shutil.copy(ROOT / "celeryconfig.py", folder)
        self.folder, self.source, self.broker = folder, source, broker

    def change(self, path: str, before: str, after: str) -> None:
        """Put other words into a module."""
        text = (self.folder / path).read_text()
        assert text.count(before) == 1
        (self.folder / path).write_text(text.replace(before, after))

    def says(self, *command: str) -> Ended:
        """What Python prints there."""
        env = environment(
            PYTHONPATH=f"{self.folder}:{ROOT}",
            REDIS_URL=self.source.url,
            CELERY_BROKER_URL=self.broker.url,
            CELERY_RESULT_BACKEND=self.broker.url.removesuffix("0") + "1",
            BACKUP_STORAGE=str(self.folder / "backups"),
            SESSION_SECRET=SECRET,
            ADMIN_PASSWORD=PASSWORD,
        )
        ended = run(sys.executable, *command, env=env, cwd=self.folder)
        assert ended.code == 0, ended.err
        return ended


@pytest.fixture
def house(newest: Binary, start_server: StartServer, tmp_path: Path) -> House:
    return House(tmp_path / "house", start_server(newest), start_server(newest))


@pytest.mark.slow
def test_a_type_that_is_added_to_the_table_is_seen_everywhere(house: House) -> None:
    house.change("worker/formats/types.py", "KeyType, ...] = (\n", f"KeyType, ...] = (\n{TYPE}\n")
    house.change("worker/formats/rdb/codes.py", "Code, ...] = (\n", f"Code, ...] = (\n{CODE}\n")
    house.source.client().sadd("live set", "a")
    seen = json.loads(house.says(invented_type.__file__).out.splitlines()[-1])
    assert (seen["types"], seen["value"], seen["elements"], seen["same"]) == (["bag", "bag"], ["a", "b"], 2, True)
    assert seen["command"] == ["BAGADD", "k", "a", "b"]
    assert "bagadd" in seen["rights"]
    assert seen["read with"] == ["bagadd", "bagall", "bagcard", "bagscan"]
    assert seen["tally"] == {"bag": 1, "string": 1}
    assert (seen["filter"], seen["surplus"]) == (["k"], [])
    assert 'class="ink-teal"' in seen["page"]
    assert '<input type="checkbox" name="types" value="bag">' in seen["page"]
    assert '"bag"' in json.dumps(seen["options"])
    assert 'elif .type == "set"' in seen["by hand"]
    assert '.type == "bag" then ["BAGADD", .key] + .value' in seen["by hand"]
    assert "bag" in house.says("-m", "worker", "restore", "--help").out


@pytest.mark.slow
def test_a_type_that_the_program_does_not_know_is_no_modules(house: House) -> None:
    house.change(
        "worker/formats/types.py", '        "stream",\n        "stream",\n', '        "other",\n        "stream",\n'
    )
    house.source.client().xadd("from the future", {"a": "b"})
    seen = house.says("-c", LOOKS_FOR_MODULES).out
    assert seen.split() == ["unknown", "[]"]


@pytest.mark.slow
def test_a_document_brings_back_what_the_program_does_not_know(house: House) -> None:
    house.change("worker/formats/types.py", *WITHOUT_STREAMS)
    client = house.source.client()
    client.xadd("from the future", {"a": "b"})
    made = house.says("-m", "worker", "backup", "--engine", "typed", "--format", "json", "--json").data
    assert (made["keys"], made["keys_by_db"]) == (1, {"0": {"unknown": 1}})
    client.flushall()
    assert house.says("-m", "worker", "restore", "latest", "--yes", "--json").data["restored"] == 1
    assert client.xlen("from the future") == 1


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (b"none", None),
        (b"zset", "zset"),
        (b"vectorset", "vectorset"),
        (b"ReJSON-RL", "module"),
        (b"MBbloom--", "module"),
        (b"array", "unknown"),
        (b"timeseries", "unknown"),
        (b"\xff", "unknown"),
        (b"", "unknown"),
    ],
)
def test_what_type_answers_has_a_name(answer: bytes, name: str | None) -> None:
    assert name_of(answer) == name


def test_each_type_is_there_once_and_each_code_is_of_one_of_them() -> None:
    assert len(set(NAMES)) == len(TYPES)
    assert {one.type for one in CODES} <= set(NAMES)
    assert len({(one.code, one.make) for one in CODES}) == len(CODES)


def test_each_colour_is_in_the_style_sheet() -> None:
    sheet = (ROOT / "web/static/style.css").read_text()
    assert [one.ink for one in TYPES if f".ink-{one.ink} {{" not in sheet] == []
