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
"""The fields of a Run that say what it concerns."""
_LOOPBACK = ("/", "localhost:", "127.", "[::1]:", "::1:")
_databases: TypeAdapter[frozenset[int] | None] = TypeAdapter(Databases)


class Whose(NamedTuple):
    """What a run concerns; None for what does not matter or is not known."""

    host: str | None = None
    """The host of a shell's run that concerns something only that host sees."""
    source: str | None = None
    """The source's address; of a backup with the databases."""
    target: str | None = None
    storage: str | None = None
    """The storage's place; of a folder the absolute path."""
    asker: str | None = None
    """Who asked a question: questions push out only those of the same asker. It does not decide whose the run is."""


UNKNOWN = Whose()
"""The owner of a run that has not begun, or that an older version remembered: it counts as ours."""


class Owner(NamedTuple):
    """What is ours."""

    sources: frozenset[str | None]
    targets: frozenset[str | None]
    storages: frozenset[str]
    hosts: frozenset[str]
    """Where our processes are or have been."""

    def has(self, whose: Whose) -> bool:
        """Whether that is ours; what is not known counts as ours."""
        fitting = zip(whose[:4], (self.hosts, self.sources, self.targets, self.storages), strict=True)
        return all(value is None or value in ours or spelt(value) in ours for value, ours in fitting)


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


def subject(settings: Settings, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a run with these settings concerns, as fields of a Run; what is not known is left out."""
    fields: dict[str, Any] = {"storage": f"{socket.gethostname()}:{_folder(settings)}"}
    # The verb itself reports a wrong setting or a missing undo.
    with suppress(BackupSystemError):
        scope = scope_of(settings)
        fields["source"] = scope.address
        if operation == "backup":
            fields["databases"] = _asked_for(arguments, scope.databases)
        if "target" in operations.of(operation).concerns:
            fields["target"] = scope.address
            fields["target"] = _target(settings, operation, arguments)
    return fields


def whose(run: Run) -> Whose:
    """The facts that decide whether a run is ours."""
    facts: dict[str, str | None] = {name: getattr(run, name) for name in operations.of(run.operation).concerns}
    if run.operation == "backup" and run.source:
        facts["source"] = _scope(run.source, run.databases)
    asker = run.asked_by if operations.of(run.operation).asks else None
    return _whose(run, facts)._replace(asker=asker)


def locks(run: Run) -> Whose:
    """What it has to be alone with, as a Whose; an empty one where it need not be alone."""
    name = operations.of(run.operation).alone
    return _whose(run, {name: getattr(run, name)} if name else {})


def lies(run: Run) -> Whose:
    """Where the backups lie that it names, as a Whose."""
    return _whose(run, {"storage": run.storage})


def dump(whose: Whose) -> str:
    """As text."""
    return json.dumps(whose)


def load(text: bytes) -> Whose | None:
    """From what `dump` wrote; None for anything else."""
    try:
        parts = json.loads(text)
    except ValueError:
        return None
    fits = (
        isinstance(parts, list) and len(parts) <= len(UNKNOWN) and all(isinstance(part, str | None) for part in parts)
    )
    return Whose(*parts) if fits else None


def _whose(run: Run, facts: dict[str, str | None]) -> Whose:
    host, _, place = (run.storage or "").partition(":")
    if facts.get("storage"):
        facts["storage"] = place
    # A folder, a socket and the loopback are of that host only; a bucket is the same for all.
    local = any(value and value.startswith(_LOOPBACK) for value in facts.values())
    # Any worker that takes a task is ours, and a container has another host name each time.
    mine = local and run.of_shell
    return Whose(host=host if mine else None, **facts)


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
        databases = _databases.validate_python(arguments.get("databases"))
    except ValidationError:
        return usual
    return usual if databases is None else tuple(sorted(databases))
