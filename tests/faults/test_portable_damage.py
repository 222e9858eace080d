"""A portable backup (`.json.zst`, `.json.gz`, `.json`) whose bits are flipped: nobody takes it, and nothing is touched.

| fault | moment | operation | promise |
|---|---|---|---|
| a flipped bit, at any place | at rest | verify, restore, preview, search, export | refused by name; target untouched, no file written |
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.sweeps import sweep
from tests.support.backups import settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import VerifyArguments
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.backups.export import export
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.errors import ArtifactError
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.search.search import search

KEYS = 300
OUT = "copy.json"


def _searched(settings: Settings, name: str, folder: Path) -> None:
    """A search goes on to the other places, and names what it could not read."""
    told = search(settings, SearchArguments(match="key:*"), silent)
    if name in str(told["problems"]):
        raise ArtifactError(name)


REFUSING: dict[str, Callable[[Settings, str, Path], object]] = {
    "verify": lambda settings, name, _: verify(settings, VerifyArguments(name=name), silent),
    "restore-skip": lambda settings, name, _: restore(settings, RestoreArguments(name=name), silent),
    "restore-overwrite": lambda settings, name, _: restore(
        settings, RestoreArguments(name=name, mode="overwrite"), silent
    ),
    "restore-mirror": lambda settings, name, _: restore(settings, RestoreArguments(name=name, mode="mirror"), silent),
    "preview": lambda settings, name, _: preview(settings, PreviewArguments(name=name), silent),
    "search": _searched,
    "export": lambda settings, name, folder: export(settings, name, folder / OUT, silent),
}


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    server = start_server(newest)
    server.client().mset({f"key:{number}": f"value {number}" for number in range(KEYS)})
    server.client().rpush("list", *range(200))
    return server


@sweep("verb", REFUSING, quick=2)
@sweep("compression", ["zstd", "gzip", "none"])
def test_a_flipped_bit_is_refused_and_nothing_is_touched(
    compression: Any, verb: str, server: Server, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    name = take(server, storage, format="json", compression=compression)["name"]
    server.client().flushall()
    server.client().set("mine", "x")
    before, settings = state(server), settings_for(server, storage)
    path, chance = storage / name, random.Random(verb)  # noqa: S311
    whole = path.read_bytes()
    places = [0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(10))]
    for place in places:
        bit = chance.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        with pytest.raises(ArtifactError, match=name):
            REFUSING[verb](settings, name, tmp_path)
        assert_same(before, state(server))
        assert not (tmp_path / OUT).exists()
