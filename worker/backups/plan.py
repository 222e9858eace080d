"""Decided before the first byte of a backup: how the source is read, and whether the storage has room."""

from dataclasses import dataclass, replace

from worker import engines
from worker.arguments.backups import BackupArguments
from worker.config.settings import FormatName, Settings
from worker.engines.source import Source
from worker.errors import SourceError, StorageError
from worker.formats.compression import COMPRESSIONS, DEFAULT_COMPRESSION, Compression
from worker.formats.encryption import Encryption, encryption_of
from worker.repository import catalogue
from worker.repository.manifest import Origin
from worker.server import slots
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.info import Facts, read_facts
from worker.storage import Storage


@dataclass(frozen=True)
class Plan:
    """One way to make the backup that was asked for."""

    endpoint: Endpoint
    facts: Facts
    format: FormatName
    compression: Compression
    encryption: Encryption
    databases: frozenset[int] | None
    """None for all."""
    wanted: engines.Wanted
    choice: engines.Choice
    slots: str | None = None
    """The slots of a node of a cluster, where it shows them."""

    @property
    def source(self) -> Source:
        """The source that is read."""
        return self.choice.source

    @property
    def keys(self) -> int:
        """How many keys there are to read, as far as the server says it."""
        return sum(number for db, number in self.facts.keys.items() if self.databases is None or db in self.databases)

    @property
    def origin(self) -> Origin:
        """What a manifest says of the source; with its place in the replication history once a snapshot has begun."""
        return Origin(
            address=self.endpoint.address,
            server=self.facts.server,
            version=self.facts.version,
            run_id=self.facts.run_id,
            databases=sorted(self.databases) if self.databases is not None else None,
            slots=self.slots,
            **self.source.position,
        )


def plan(settings: Settings, arguments: BackupArguments) -> Plan:
    """Look at the source and choose. UsageError for what it does not have, SourceError where it cannot be read now."""
    endpoint = Endpoint(settings.redis_url, SOURCE, hurried=settings.backup_pace == "full")
    facts = read_facts(endpoint)
    data_format = arguments.format or settings.backup_format
    compression = arguments.compression or settings.backup_compression or DEFAULT_COMPRESSION[data_format]
    databases = arguments.databases if arguments.databases is not None else settings.backup_databases
    engines.check_databases(endpoint, databases or frozenset())
    # A server that hides its keyspace in INFO has a database 0 all the same.
    numbers = sorted(databases if databases is not None else {0, *facts.keys})
    wanted = engines.Wanted(arguments.engine or settings.backup_engine, data_format, numbers)
    choice = engines.choose(endpoint, facts, wanted)
    had = slots.of_node(endpoint) if facts.cluster else None
    packing = COMPRESSIONS[compression], encryption_of(settings)
    return Plan(endpoint, facts, data_format, *packing, databases, wanted, choice, had)


def otherwise(failed: Plan, error: SourceError) -> Plan | None:
    """Another plan, where a snapshot failed for a reason of the server's; else None."""
    try:
        facts = read_facts(failed.endpoint)
    except SourceError:
        return None
    if facts.loading or not facts.primary_link_up or facts.run_id != failed.facts.run_id:
        return None
    choice = engines.otherwise(failed.endpoint, facts, failed.wanted, failed.choice, error)
    return None if choice is None else replace(failed, facts=facts, choice=choice)


def check_room(storage: Storage, plan: Plan) -> None:
    """Refuse at once what would not fit, judged by the size of the last backup of the same kind."""
    contents = catalogue.read(storage)
    alike = (
        backup
        for backup in contents.backups
        if (backup.data_format, backup.compression) == (plan.format, plan.compression.name)
    )
    last, free = next(alike, None), storage.free_bytes()
    if last is not None and free is not None and free < last.bytes.stored:
        trash = sum(trashed.bytes for trashed in contents.trash)
        held = f" The trash holds {trash:,}: `python -m worker delete --now NAME` frees them." if trash else ""
        raise StorageError(
            f"The storage {storage} has {free:,} bytes free, and the last backup took {last.bytes.stored:,}: "
            f"free some space, or keep fewer backups.{held}"
        )
