"""A backup of given entries: its bytes, a manifest that fits them or not, and what its check says."""

from pathlib import Path
from typing import Any

from tests.support.backups import Given, manifest_of
from tests.support.payloads import string
from worker.arguments.backups import VerifyArguments
from worker.backups.verify import verify
from worker.config.settings import CompressionName, Settings
from worker.formats.compression import COMPRESSIONS
from worker.formats.entries import Entry
from worker.formats.rdb.writer import write
from worker.progress import silent
from worker.repository.manifest import MANIFEST_SUFFIX, to_json
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"
ENTRIES = [Entry(0, b"k%d" % number, None, "string", b"\x00" + string(b"value")) for number in range(20)]
DUMP = b"".join(write(Given(ENTRIES, rdb_version=9), {"redis-ver": "6.2.0"}))


def squeezed(name: CompressionName, data: bytes) -> bytes:
    return b"".join(COMPRESSIONS[name].compress(iter([data])))


def stored(storage: Path, content: bytes, **changes: Any) -> None:
    """A backup whose manifest fits its bytes, but for these changes."""
    manifest = manifest_of(NAME, content).model_copy(
        update={"keys": len(ENTRIES), "keys_by_db": {0: {"string": len(ENTRIES)}}, **changes}
    )
    Folder(storage).put(NAME, content)
    Folder(storage).put(NAME + MANIFEST_SUFFIX, to_json(manifest))


def checked(settings: Settings, name: str = NAME) -> dict[str, Any]:
    return verify(settings, VerifyArguments(name=name), silent)


def flip(artifact: Path) -> None:
    data = bytearray(artifact.read_bytes())
    data[len(data) // 2] ^= 64
    artifact.write_bytes(data)
