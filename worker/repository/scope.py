"""The server and the databases that the settings of this process name."""

from worker.config.settings import Settings
from worker.repository.manifest import Scope
from worker.server.endpoint import SOURCE, Endpoint


def scope_of(settings: Settings) -> Scope:
    """What the settings name to be backed up."""
    databases = settings.backup_databases
    address = Endpoint(settings.redis_url, SOURCE).address
    return Scope(address, None if databases is None else tuple(sorted(databases)))
