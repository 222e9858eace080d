"""What a preview says, what a restore then reports, and data that have changed since their backup."""

import uuid
from pathlib import Path
from typing import Any

from tests.support.backups import Given, fill_all, settings_for, take
from tests.support.servers import Server
from worker.arguments.backups import AdoptArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.backups.adopt import adopt
from worker.formats import portable
from worker.formats.entries import Entry
from worker.formats.rdb import writer
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.restore.restore import restore


def look(server: Server, storage: Path, name: str = "latest", **arguments: Any) -> dict[str, Any]:
    return preview(settings_for(server, storage), PreviewArguments(name=name, **arguments), silent)


def counts(found: dict[str, Any]) -> dict[str, int]:
    return {kind: number for kind, number in found["counts"].items() if number}


def report_of(server: Server, storage: Path, name: str = "latest", **arguments: Any) -> dict[str, Any]:
    settings = settings_for(server, storage, backup_undo_days=0)
    return restore(settings, RestoreArguments(name=name, **arguments), silent)


def as_foretold(report: dict[str, Any]) -> dict[str, int]:
    return {
        what: report.get(what) or 0 for what in ("restored", "skipped", "differing", "expired", "failed", "deleted")
    }


def adopted(server: Server, storage: Path, entries: list[Entry], rdb_version: int, data_format: str = "rdb") -> str:
    """A backup that holds exactly these."""
    given = Given(entries, rdb_version=rdb_version)
    chunks = writer.write(given, {}) if data_format == "rdb" else portable.write(given, {})
    path = storage.parent / f"{uuid.uuid4()}.{data_format}"
    path.write_bytes(b"".join(chunks))
    return str(adopt(settings_for(server, storage), AdoptArguments(file=path), silent)["name"])


def change(server: Server, storage: Path, data_format: str = "rdb") -> Server:
    """Data of every type in two databases is backed up, and then changed."""
    fill_all(server)
    take(server, storage, format=data_format)
    client = server.client()
    client.delete("int:0", "hash:odd")
    client.set("text", "other text")
    client.hset("hash:small", "name", "Bob")
    client.persist("ttl:years")
    client.xadd("stream", {"a": "b"}, id="1800000000000-0")
    client.delete("list:small")
    client.set("list:small", "no list")
    client.set("mine", "only here")
    server.client(3).sadd("set:big", "one more")
    return server
