"""Ways to read a Redis, choose one: `replication`, `scan`, `typed`."""

from dataclasses import dataclass

from worker.config import EngineName, FormatName
from worker.connection import Endpoint
from worker.errors import SourceError, UsageError
from worker.sources.replication import Replication
from worker.sources.scan import Scan
from worker.sources.typed import Typed

Source = Replication | Scan | Typed


@dataclass(frozen=True)
class Choice:
    """A source, and why it is this one."""

    source: Source
    reason: str


def choose(endpoint: Endpoint, engine: EngineName, format_name: FormatName, databases: list[int]) -> Choice:
    """The engine that was asked for, or with `auto` the best that the server allows.

    `databases` are the numbers to read. UsageError where engine and format do not go together.
    """
    if engine == "typed" and format_name == "rdb":
        raise UsageError("The typed engine reads values and no payloads, so it can only write json: add --format json.")
    if engine == "replication":
        return Choice(Replication(endpoint), "asked for")
    if engine == "scan":
        return Choice(Scan(endpoint, databases), "asked for")
    if engine == "typed":
        return Choice(Typed(endpoint, databases), "asked for")
    return _best(endpoint, format_name, databases)


def _best(endpoint: Endpoint, format_name: FormatName, databases: list[int]) -> Choice:
    replication = Replication(endpoint)
    if (refusal := replication.refusal()) is None:
        return Choice(replication, "the server allows PSYNC: one point in time")
    scan = Scan(endpoint, databases)
    if (scan_refusal := scan.refusal()) is None:
        return Choice(scan, f"PSYNC was refused: {refusal}")
    if format_name == "rdb":
        raise SourceError(
            f"The source allows neither PSYNC ({refusal}) nor SCAN and DUMP ({scan_refusal}), which an rdb backup needs: "
            "use --format json, or give the user the rights that `python -m worker ping` shows."
        )
    return Choice(Typed(endpoint, databases), f"PSYNC was refused ({refusal}), and so was DUMP ({scan_refusal})")
