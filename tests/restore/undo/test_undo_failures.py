"""An undo that could not put every key back is not done: it can be run again."""

import hashlib
from pathlib import Path

import pytest

from tests.support.backups import Given, bring_back, rewrite, settings_for, take
from tests.support.servers import Server
from worker.arguments.restore import UndoArguments
from worker.errors import IncompleteError
from worker.formats.compression import COMPRESSIONS
from worker.formats.encryption import NONE
from worker.formats.entries import Entry
from worker.formats.rdb import writer
from worker.progress import silent
from worker.repository import artifact, catalogue
from worker.repository.manifest import Manifest, Size
from worker.restore.undo.undo import check_complete, undo
from worker.storage.local import Folder

# Of a module that no server here has: RESTORE refuses that key, and no other.
REFUSED = b"\x07\x81" + (0x4964D87DB6990C00).to_bytes(8, "big") + b"\0"


def _with_a_value_that_is_refused(storage: Path, kept: Manifest) -> None:
    """As where the target has lost a module since. The keys stay in their order, in which the undo meets them."""
    with (storage / kept.name).open("rb") as file, artifact.whole(file, kept, NONE) as was:
        keys = [entry.key for batch in was.batches() for entry in batch]
    refused, text = Entry(0, b"doc", None, "module", REFUSED), Entry(0, b"text", None, "string", b"\0\6before")
    before = [refused if key == b"doc" else text for key in keys]
    raw = b"".join(writer.write(Given(before, rdb_version=kept.rdb_version), {}))
    content = b"".join(COMPRESSIONS[kept.compression].compress(iter([raw])))
    (storage / kept.name).write_bytes(content)
    told = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": Size(raw=len(raw), stored=len(content))}
    rewrite(Folder(storage), kept.model_copy(update=told | {"keys_by_db": {0: {"module": 1, "string": 1}}}))


def test_an_undo_with_a_key_that_could_not_be_put_back_can_be_run_again(server: Server, tmp_path: Path) -> None:
    client = server.client()
    client.mset({"doc": "backed up", "text": "backed up"})
    take(server, tmp_path)
    client.mset({"doc": "before", "text": "before"})
    bring_back(server, tmp_path, mode="overwrite")
    (kept,) = catalogue.read(Folder(tmp_path)).undos
    _with_a_value_that_is_refused(tmp_path, kept)
    for put_back in (1, 0):
        report = undo(settings_for(server, tmp_path), UndoArguments(run=kept.name), silent)
        assert (report["put_back"], report["failed"], report["failures"][0]["key"]) == (put_back, 1, "doc")
        with pytest.raises(IncompleteError, match="1 keys could not be put back"):
            check_complete(report)
        assert catalogue.get(Folder(tmp_path), kept.name).undone_at is None
    assert client.mget("doc", "text") == [b"backed up", b"before"]
