"""Whose a run is: the source, target and storage that it is about, and whether those are ours.

A broker may carry runs of others, for a verb of the shell with other settings is remembered in it as well. What is said of
our backups is drawn from our own runs alone.
"""

import json
import socket
from contextlib import suppress
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from worker.config.address import spelt
from worker.config.fields import Databases
from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.repository import catalogue
from worker.repository.scope import scope_of
from worker.runs import operations
from worker.runs.run import Run
from worker.server.endpoint import TARGET, Endpoint
from worker.storage import open_storage

FIELDS = {"source", "databases", "target", "storage"}
"""Of a Run, what it is about."""
_LOOPBACK = ("/", "localhost:", "127.", "[::1]:", "::1:")
_databases: TypeAdapter[frozenset[int] | None] = TypeAdapter(Databases)


class Whose(NamedTuple):
    """What a run is about, as far as it matters; None for what does not, or is not known."""

    host: str | None = None
    """Of a verb of the shell about something that only its own host sees."""
    source: str | None = None
    """Its address; of a backup with the databases."""
    target: str | None = None
    storage: str | None = None
    """Its place; of a folder the absolute path."""
    asker: str | None = None
    """Of a question: each who asks pushes out their own only. It has no say in whose it is."""


UNKNOWN = Whose()
"""Of a run that has not begun, or that an older version remembered: it counts as ours."""


class Owner(NamedTuple):
    """What is ours."""

    sources: frozenset[str | None]
    targets: frozenset[str | None]
    storages: frozenset[str]
    hosts: frozenset[str]
    """Where our processes are or have been."""

    def has(self, whose: Whose) -> bool:
        """Whether that is ours; what is not known speaks for it."""
        fitting = zip(whose[:4], (self.hosts, self.sources, self.targets, self.storages), strict=True)
        return all(told is None or told in ours or spelt(told) in ours for told, ours in fitting)


def owner(settings: Settings, hosts: frozenset[str]) -> Owner:
    """Ourselves by the settings of this process. Raises UsageError where one is no address."""
    scope = scope_of(settings)
    source = str(scope.address)
    targets = {Endpoint(url, TARGET).address for url in settings.redis_targets.values()}
    return Owner(
        sources=frozenset({source, _scope(source, scope.databases)}),
        targets=frozenset({source, *targets}),
        storages=frozenset({_folder(settings)}),
        hosts=hosts | {socket.gethostname()},
    )


def about(settings: Settings, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a run with these settings is about, as fields of a Run; what cannot be told is left out."""
    found: dict[str, Any] = {"storage": f"{socket.gethostname()}:{_folder(settings)}"}
    # A setting that is wrong, or an undo that is not there, is told by the verb.
    with suppress(BackupSystemError):
        scope = scope_of(settings)
        found["source"] = scope.address
        if operation == "backup":
            found["databases"] = _asked_for(arguments, scope.databases)
        if "target" in operations.of(operation).about:
            found["target"] = scope.address
            found["target"] = _target(settings, operation, arguments)
    return found


def whose(run: Run) -> Whose:
    """What decides whether it is ours."""
    told: dict[str, str | None] = {name: getattr(run, name) for name in operations.of(run.operation).about}
    if run.operation == "backup" and run.source:
        told["source"] = _scope(run.source, run.databases)
    asker = run.asked_by if operations.of(run.operation).asks else None
    return _whose(run, told)._replace(asker=asker)


def locks(run: Run) -> Whose:
    """What it alone may be at work on, as whose that is; nothing where it need not be alone."""
    name = operations.of(run.operation).alone
    return _whose(run, {name: getattr(run, name)} if name else {})


def lies(run: Run) -> Whose:
    """Where the backups lie that it names, as whose that is."""
    return _whose(run, {"storage": run.storage})


def dump(whose: Whose) -> str:
    """As text."""
    return json.dumps(whose)


def load(text: bytes) -> Whose | None:
    """From what `dump` wrote; None for anything else."""
    try:
        told = json.loads(text)
    except ValueError:
        return None
    fits = isinstance(told, list) and len(told) <= len(UNKNOWN) and all(isinstance(one, str | None) for one in told)
    return Whose(*told) if fits else None


def _whose(run: Run, told: dict[str, str | None]) -> Whose:
    host, _, place = (run.storage or "").partition(":")
    if told.get("storage"):
        told["storage"] = place
    # A folder, a socket and the loopback are of that host only; a bucket is the same for all.
    local = any(value and value.startswith(_LOOPBACK) for value in told.values())
    # Whatever worker takes a task is one of ours, and a container bears another name each time.
    mine = local and run.of_shell
    return Whose(host=host if mine else None, **told)


def _scope(address: str, databases: tuple[int, ...] | None) -> str:
    return f"{address} {'all' if databases is None else ','.join(map(str, databases))}"


def _folder(settings: Settings) -> str:
    return open_storage(settings.backup_storage).place


def _target(settings: Settings, operation: str, arguments: dict[str, Any]) -> str | None:
    if operation == "undo":
        return catalogue.undo_of(open_storage(settings.backup_storage), str(arguments.get("run"))).source.address
    url = settings.redis_targets.get(str(arguments.get("target")), settings.redis_url)
    return Endpoint(url, TARGET).address


def _asked_for(arguments: dict[str, Any], usual: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The databases of a backup; nobody has checked its arguments yet."""
    try:
        given = _databases.validate_python(arguments.get("databases"))
    except ValidationError:
        return usual
    return usual if given is None else tuple(sorted(given))
