"""`ping`: what we may do at the source."""

from worker.broker.choices import following
from worker.cli.console import facts, notes, show, size
from worker.cli.runner import Data, looked_up, verb
from worker.config.settings import load
from worker.engines.probe import ping
from worker.segments.visits.standing import as_shown
from worker.server.endpoint import acl_line


@verb("ping")
def command(as_json: bool) -> None:
    """Reach the source: what it is, what we may do there, which engine would be used."""
    with looked_up("ping"):
        following.refresh(load())
        result = ping(load()) | {"stream": as_shown(load())}
    show(result, as_json=as_json, view=pinged)


def pinged(data: Data) -> None:
    """What we may do at the source."""
    server = data["facts"]
    rows = [
        ("Source", f"{server['server']} {server['version']} at {data['address']}, {server['role']}"),
        ("Keys", ", ".join(f"db{db}: {count:,}" for db, count in server["keys"].items()) or "none"),
        ("Memory", size(server["used_memory"])),
        ("Engine", f"{data['engine']['name']} ({data['engine']['reason']})"),
        ("Backup", "allowed" if data["may_backup"] else "not allowed"),
        ("Restore", "allowed" if data["may_restore"] else "not allowed"),
        *((name[:1].upper() + name[1:], _in_words(data["user"], right)) for name, right in data["rights"].items()),
    ]
    if data["stream"]:
        rows.append(("Stream", _stream(data["stream"])))
    facts(rows)
    notes(data["warnings"])


def _stream(stream: Data) -> str:
    """How large the replication backlog is, and how large it is to be."""
    wanted = f"repl-backlog-size is {size(stream['backlog'])}, and {size(stream['wanted_backlog'])} are needed"
    return f"{wanted}: raise it where maxmemory has room" if stream["is_short"] else wanted


def _in_words(user: str, right: Data) -> str:
    """Whether an operation is allowed, and what to enter where it is not."""
    if right["why"]:
        return f"not possible: {right['why']}"
    if right["missing"]:
        return f"not allowed: {acl_line(user, right['missing'])}"
    return f"allowed, and better with {right['better']}" if right["better"] else "allowed"
