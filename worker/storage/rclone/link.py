"""A place as rclone is asked about it: told what it is, asked again where that may help, failures in words."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from worker.errors import StorageError, StorageUnavailableError
from worker.storage.rclone.daemon import Daemon, running
from worker.storage.rclone.refusals import Deed, translated
from worker.storage.rclone.remotes import Place

ANSWER_SECONDS = 60
HURRIED = (0.2,)
PATIENT = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0)
"""The pauses before what failed is tried again, in seconds: for who reads a page, and for who writes a backup."""
_WITHIN_SECONDS = 60
"""When it is tried no more."""
_SUMS = ("md5", "sha1", "sha256")
_NO_SUMS_LISTED = ("sftp", "webdav")
"""Known beforehand, as asking for the traits of these takes half a second."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Traits:
    """What rclone knows of a kind of place."""

    hides_new: bool
    """Whether a new file is sent under a hidden name first."""
    hides_over: bool
    """Whether that is done where it replaces another too."""
    sum: str | None
    """The checksum that the place makes itself."""
    lists_sums: bool
    """Whether a listing has it at no cost."""
    has_folders: bool
    """And not only names with strokes in them."""


class Link:
    """To one folder."""

    def __init__(self, address: str, at: Place, patient: tuple[float, ...] = PATIENT) -> None:
        self.address, self.at, self.patient = address, at, patient
        self._traits: Traits | None = None

    def ask(self, deed: Deed, method: str, name: str = "", **arguments: Any) -> dict[str, Any]:
        """What rclone answers about the folder, asked again and again where that may help."""
        return self.tried(self.patient, deed, name, lambda daemon: self._asked(daemon, method, arguments))

    def ask_soon(self, deed: Deed, method: str, name: str = "", **arguments: Any) -> dict[str, Any]:
        """The same for somebody who waits."""
        return self.tried(HURRIED, deed, name, lambda daemon: self._asked(daemon, method, arguments))

    def ask_once(self, deed: Deed, method: str, name: str = "", **arguments: Any) -> dict[str, Any]:
        """The same for what cannot be asked twice."""
        return self.tried((), deed, name, lambda daemon: self._asked(daemon, method, arguments))

    def _asked(self, daemon: Daemon, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        said = {"fs": self.at.root, "_config": self.config()} | arguments
        return daemon.ask(f"operations/{method}", ANSWER_SECONDS, **said)

    def config(self, **more: bool) -> dict[str, Any]:
        """How rclone is to go about it."""
        return {"LowLevelRetries": self.at.tries, **more}

    def tried(self, pauses: tuple[float, ...], deed: Deed, name: str, act: Callable[[Daemon], Answer]) -> Answer:
        """What `act` comes to. StorageError, NotFoundError where only that file is missing."""
        until = time.monotonic() + _WITHIN_SECONDS
        for pause in pauses:
            try:
                return self._tried(deed, name, act)
            except StorageUnavailableError:
                if time.monotonic() + pause > until:
                    raise
                time.sleep(pause)
        return self._tried(deed, name, act)

    def _tried(self, deed: Deed, name: str, act: Callable[[Daemon], Answer]) -> Answer:
        with translated(self.address, deed, name):
            return act(self.daemon())

    def daemon(self) -> Daemon:
        """One that knows of this place. RefusedError, SilentError."""
        daemon, said = running(self.at.kind), self.at.parameters
        if said and self.at.remote not in daemon.told:
            parameters = {name: value for name, value in said.items() if name != "type"}
            options = {"nonInteractive": True, "obscure": True}
            remote = {"name": self.at.remote, "type": said["type"], "parameters": parameters, "opt": options}
            daemon.ask("config/create", ANSWER_SECONDS, **remote)
            daemon.told.add(self.at.remote)
        return daemon

    def traits(self) -> Traits:
        """Of the kind of place that it is. StorageError where nothing could be written there."""
        if self._traits is None:
            info = self.ask("list", "fsinfo")
            can, sums = info["Features"], info.get("Hashes") or []
            if can.get("PartialUploads") and not can.get("Move"):
                raise StorageError(
                    f"{self.address} cannot rename a file, so a half one would be seen there: take another."
                )
            own = next((kind for kind in _SUMS if kind in sums), None)
            self._traits = Traits(
                hides_new=bool(can.get("Move") and (can.get("PartialUploads") or self.at.is_open)),
                hides_over=bool(can.get("Move") and (can.get("PartialUploads") or self.at.moves_over)),
                sum=own,
                lists_sums=own is not None and not can.get("SlowHash"),
                has_folders=not can.get("BucketBased"),
            )
        return self._traits

    def options(self) -> dict[str, Any]:
        """What is wanted of a file that is looked at: its checksum where that costs nothing."""
        plain = {"noMimeType": True}
        if self.at.parameters.get("type") in _NO_SUMS_LISTED or not (traits := self.traits()).lists_sums:
            return plain
        return plain | {"showHash": True, "hashTypes": [traits.sum]}
