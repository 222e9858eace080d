"""Previews of a backup whose keys have changed since."""

from typing import Any

import pytest

from tests.support.backups import take
from tests.support.dashboard import HOSTILE, Web
from tests.support.processes import eventually
from worker.arguments.restore import RestoreArguments
from worker.progress import silent
from worker.restore.preview.preview import preview


@pytest.fixture
def previewed(web_app: Web) -> Any:
    """Previews a restore of a backup whose keys have changed since in every way: name and result."""
    client: Any = web_app.source.client()
    client.mset({"user:1": "Ann", "user:2": HOSTILE, HOSTILE: "hostile", "same": "same", "lives": "x"})
    client.hset("hash", mapping={HOSTILE: "old", "field": "same"})
    client.set("gone:1", "x", px=3000)
    name = str(take(web_app.source, web_app.storage)["name"])
    eventually(lambda: client.exists("gone:1") == 0, "the end of gone:1")
    client.delete("user:1", HOSTILE)
    client.set("user:2", "changed")
    client.hset("hash", HOSTILE, f"new {HOSTILE}")
    client.expire("lives", 1000)
    client.set(b"only \xff there", "x")

    def run(**arguments: Any) -> tuple[str, dict[str, Any]]:
        return name, preview(web_app.settings, RestoreArguments(name=name, **arguments), silent)

    return run
