"""What happens to a target in the middle of a restore: it ends with the reason and how far it came, and the same again
completes it.

| fault | moment | operation | promise |
|---|---|---|---|
| the user loses a right, is switched off, deleted | writing | restore in each mode | failed in the server's words, with counts |
| its password becomes another one | writing | restore in each mode | complete; or "refuses the user name or password" |
| it loads its data anew | writing | restore in each mode | "still loading", with counts |
| TLS is cut, reset | writing | restore in each mode | failed, with counts |
"""

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.line import Line
from tests.faults.moments import After, Reply
from tests.faults.sweeps import sweep
from tests.support.backups import asking, settings_for, take
from tests.support.processes import eventually
from tests.support.servers import Binary, Server
from worker.arguments.restore import RestoreArguments
from worker.errors import BackupSystemError, TargetUnavailableError
from worker.progress import silent
from worker.restore.restore import restore

KEYS, MIDDLE = 3000, Reply(b"RESTORE", nth=1000)
each_mode = sweep("mode", ["overwrite", "skip", "mirror"])


@dataclass
class Restore:
    """One that is made by way of a line; what is narrowed is mirrored key by key."""

    target: Server
    line: Line
    storage: Path
    mode: str

    def run(self, url: str = "") -> dict[str, Any]:
        told = {"name": "latest", "mode": self.mode, "exclude": ["nothing"]}
        arguments = RestoreArguments.model_validate(told)
        more = {"redis_url": url or self.line.url, "backup_undo_days": 0, "backup_pace": "full"}
        return restore(settings_for(self.target, self.storage, **more), arguments, silent)

    def fails(self) -> BackupSystemError:
        """The error, which tells no more keys than there are."""
        with pytest.raises(BackupSystemError) as caught:
            self.run()
        told = str(caught.value)
        assert re.fullmatch(r"[A-Z][^\n]*[.?]", told)
        assert "secret" not in told
        assert (confirmed := re.search(r"Until then: ([\d,]+) (?:\w+ )*restored", told)), told
        assert 0 < int(confirmed[1].replace(",", "")) <= int(str(self.target.client().dbsize()))
        return caught.value

    def completes(self, url: str = "") -> None:
        self.line.heal()
        report = self.run(url)
        assert report["restored"] + report["skipped"] == KEYS
        assert self.target.client().dbsize() == KEYS


@pytest.fixture
def storage(newest: Binary, start_server: StartServer, tmp_path: Path) -> Path:
    source = start_server(newest)
    source.client().mset({f"key:{number}": f"value {number}" for number in range(KEYS)})
    take(source, tmp_path / "backups", engine="scan")
    return tmp_path / "backups"


Change = tuple[tuple[str, ...], str]
CHANGES: dict[str, Change] = {
    "loses its rights": (("SETUSER", "careful", "-restore"), "NOPERM|does not allow"),
    "may write no key": (("SETUSER", "careful", "resetkeys"), "NOPERM|does not allow"),
    "is deleted": (("DELUSER", "careful"), "(broke|closed|ended) the connection|refuses the user name"),
}


@each_mode
@sweep("change", CHANGES)
def test_a_user_who_is_changed_in_the_middle(
    change: str, mode: str, storage: Path, newest: Binary, start_server: StartServer, wire_to: WireTo
) -> None:
    target, (words, says) = start_server(newest), CHANGES[change]
    asking(target).execute_command("ACL", "SETUSER", "careful", "on", ">secret", "~*", "&*", "+@all")
    line = wire_to(target)
    line.url = line.url.replace("//", "//careful:secret@")
    made = Restore(target, line, storage, mode)
    fault = line.call(MIDDLE, lambda: asking(target).execute_command("ACL", *words))
    error = made.fails()
    assert fault.happened
    assert re.search(says, str(error)), error
    made.completes(target.url)


@pytest.mark.slow
@each_mode
@pytest.mark.parametrize(
    "words", [("resetpass", ">another"), ("off",)], ids=["has another password", "is switched off"]
)
def test_a_password_that_is_another_one_in_the_middle(
    words: tuple[str, ...], mode: str, storage: Path, newest: Binary, start_server: StartServer, wire_to: WireTo
) -> None:
    target = start_server(newest)
    asking(target).execute_command("ACL", "SETUSER", "careful", "on", ">secret", "~*", "&*", "+@all")
    line = wire_to(target)
    line.url = line.url.replace("//", "//careful:secret@")
    made = Restore(target, line, storage, mode)
    fault = line.call(MIDDLE, lambda: asking(target).execute_command("ACL", "SETUSER", "careful", *words))
    # Who is connected stays so; whoever connects anew, to count or to delete, is refused.
    with pytest.raises(BackupSystemError, match="refuses the user name or password: check REDIS_URL") as caught:
        made.run()
    assert fault.happened
    assert "secret" not in str(caught.value)
    made.completes(target.url)


@pytest.mark.slow
@each_mode
def test_a_target_that_loads_anew_in_the_middle(
    mode: str, storage: Path, newest: Binary, start_server: StartServer, wire_to: WireTo
) -> None:
    slowly = ("--key-load-delay", "2500", "--loading-process-events-interval-bytes", "1024", "--hz", "100")
    target = start_server(newest, *slowly)

    def is_loading() -> bool:
        return bool(target.client().info("persistence")["loading"])

    def reload() -> None:
        reloading.start()
        eventually(is_loading, "the target to load")

    reloading = threading.Thread(target=lambda: asking(target).execute_command("DEBUG", "RELOAD"))
    made = Restore(target, wire_to(target), storage, mode)
    fault = made.line.call(MIDDLE, reload)
    with pytest.raises(TargetUnavailableError, match=r"is still loading its data.*Until then: [\d,]+ ") as caught:
        made.run()
    assert fault.happened
    reloading.join()
    eventually(lambda: not is_loading(), "the target to have loaded")
    confirmed = re.search(r"Until then: ([\d,]+) ", str(caught.value))
    assert confirmed
    assert int(confirmed[1].replace(",", "")) <= int(str(target.client().dbsize()))
    made.completes()


@pytest.mark.every_server
@each_mode
@sweep("how", ["closed", "reset"])
def test_a_connection_over_tls_that_is_cut(
    how: str, mode: str, encrypted: Server, storage: Path, wire_to: WireTo
) -> None:
    made = Restore(encrypted, wire_to(encrypted), storage, mode)
    # Behind what was asked before it began: of all that the target says, replies to RESTORE come in large numbers.
    fault = made.line.cut(After(14_000), reset=how == "reset")
    error = made.fails()
    assert fault.happened
    assert isinstance(error, TargetUnavailableError)
    made.completes()
