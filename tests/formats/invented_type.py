"""What a copy of the product sees of a type that was invented there, as JSON: run by test_types.py, in a process of its own."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.support.dashboard import fresh_app
from web.wording.by_hand import steps
from worker.arguments.backups import AdoptArguments
from worker.arguments.restore import Request
from worker.backups.adopt import adopt
from worker.config.settings import load
from worker.formats import portable
from worker.formats.compare.values import Sides, same_value
from worker.formats.encryption import NONE
from worker.formats.entries import EntriesAlone, Entry
from worker.formats.rdb import writer
from worker.formats.rdb.lengths import measure
from worker.formats.rdb.reader import Reader
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.selection.filters import Selected
from worker.restore.selection.keyset import KeySet
from worker.restore.selection.plan import Plan
from worker.restore.selection.surplus import Surplus
from worker.restore.target.commands import build
from worker.restore.target.footprint import OTHERS, Footprint, Limits
from worker.server import rights
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.wire import Wire
from worker.storage import open_storage

PAYLOAD, OTHER_ORDER = (bytes([99, 2, 1]) + strings for strings in (b"a\x01b", b"b\x01a"))
"""Two strings without an order, under the type byte that was invented."""


class Backup(EntriesAlone):
    """One key of the invented type, and one other."""

    rdb_version, libraries = 12, list[bytes]()

    def batches(self) -> Iterator[list[Entry]]:
        """Yield both."""
        yield [Entry(0, b"k", None, "bag", PAYLOAD), Entry(0, b"s", None, "string", b"\x00\x01v")]


def formats() -> dict[str, Any]:
    """In files, beside another value, and as commands."""
    entry = next(one for batch in Reader(writer.write(Backup(), {}), values=True).batches() for one in batch)
    told = next(one for batch in portable.Reader(portable.write(Backup(), {})).batches() for one in batch)
    measured = measure(PAYLOAD, 12)
    value: Any = told.value
    return {
        "types": [entry.type, told.type],
        "value": [part.decode() for part in value],
        "same": same_value(entry, entry._replace(payload=OTHER_ORDER), Sides(12, 12, 0)),
        "elements": measured.elements if measured else None,
        "cost is told": Footprint(OTHERS, Limits()).of(told, None).most > 0,
        "command": [word.decode() if isinstance(word, bytes) else word for word in next(build(told, (8, 0)))],
        "rights": rights.to_write("skip", ["bag"], None, None),
        "read with": [right for right in rights.ALL if right.startswith("bag")],
    }


def product(file: Path) -> dict[str, Any]:
    """From a file that is taken in to the pages."""
    file.write_bytes(b"".join(writer.write(Backup(), {})))
    name = adopt(load(), AdoptArguments(file=file), silent)["name"]
    manifest = catalogue.get(open_storage(load().backup_storage), name)
    request = Request(name=name, mode="mirror", types=frozenset({"bag"}))
    admin = fresh_app().test_client()
    admin.log_in()  # type: ignore[attr-defined]
    openapi = admin.get("/api/docs/openapi.json").get_json()
    return {
        "tally": manifest.keys_by_db[0],
        "filter": [one.key.decode() for batch in Selected(Backup(), request).batches() for one in batch],
        "surplus": surplus(request, manifest),
        "page": admin.get(f"/backups/{name}").text,
        "options": openapi["components"]["schemas"],
        "by hand": steps(manifest.model_copy(update={"data_format": "json"}))[-2].line,
    }


def surplus(request: Request, manifest: Any) -> list[str]:
    """The keys of the source that a mirror of these types would delete."""
    endpoint = Endpoint(load().redis_url, SOURCE)
    plan = Plan(manifest, BytesIO(), request, endpoint, NONE, 0)
    with KeySet() as none, Wire(endpoint) as wire:
        return [key.decode() for _, keys in Surplus(plan, none).batches(wire, [0]) for key in keys]


if __name__ == "__main__":
    print(json.dumps({**formats(), **product(Path("dump.rdb"))}))
