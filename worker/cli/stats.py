"""`stats`: the numbers."""

from worker.backups.stats import stats
from worker.broker.choices import following
from worker.cli.console import age, facts, notes, show, size
from worker.cli.runner import Data, looked_up, verb
from worker.config.settings import load


@verb("stats")
def command(as_json: bool) -> None:
    """Show the numbers: backups, source, and what comes next."""
    with looked_up("stats"):
        following.refresh(load())
        result = stats(load())
    show(result, as_json=as_json, view=view_of)


def view_of(data: Data) -> None:
    """The numbers, in words."""
    source, storage = data["source"], data["storage"]
    free = storage["free_bytes"]
    rows = [
        ("Backups", f"{data['count']} ({size(data['bytes'])}, compressed {data['compression_ratio'] or '-'} times)"),
        ("To undo", f"{data['undos']['count']} ({size(data['undos']['bytes'])})"),
        ("In the trash", f"{data['trash']['count']} ({size(data['trash']['bytes'])})"),
        ("Newest", f"{data['newest']} ({age(data['last_good_age_seconds'])} old)" if data["newest"] else "none yet"),
        ("Oldest", data["oldest"] or "none yet"),
        *([("Suspicious", ", ".join(data["suspicious"]))] if data["suspicious"] else []),
        ("Next daily", data["next_runs"]["daily"]),
        ("Next by age", data["next_runs"]["interval"]),
        ("Storage", storage["where"] if free is None else f"{storage['where']} ({size(free)} free)"),
    ]
    rows.append(("Rehearsed", _rehearsed(data["rehearsed"])))
    rows.append(("Signed by", data["signing"]["key"] or "no key yet: it is made with the first backup"))
    rows += [(f"Told by {each['channel']}", each["state"]) for each in data["channels"] or ()]
    rows += [("Copies in", _copies(there)) for there in data["copies"]]
    if source["reachable"]:
        keys = ", ".join(f"db{db}: {count:,}" for db, count in source["keys"].items()) or "none"
        rows += [
            ("Source", f"{source['server']} {source['version']} at {source['address']}, {source['role']}"),
            ("Its keys", keys),
            ("Its memory", size(source["used_memory"])),
            ("Its last save", "ok" if source["last_save_ok"] else "failed"),
        ]
    else:
        rows.append(("Source", source["error"]))
    facts(rows)
    notes(data["problems"] + data["warnings"])


def _copies(there: Data) -> str:
    if there["count"] is None:
        return f"{there['where']}: cannot be looked at"
    missing = f", {there['missing']} missing" if there["missing"] else ""
    late = f" ({there['late']} of them late)" if there["late"] else ""
    return f"{there['where']}: {there['count']} ({size(there['bytes'])}){missing}{late}"


def _rehearsed(last: Data | None) -> str:
    if last is None:
        return "not yet: python -m worker drill latest"
    return f"{last['name']} on {last['at'][:10]}: {last['keys']:,} keys back in {last['seconds']:.1f} s"
