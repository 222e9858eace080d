"""`preview`: what a restore would do."""

from typing import Any

from worker.arguments.restore import PreviewArguments
from worker.cli.console import facts, notes, number, say, show, size, table
from worker.cli.options import or_moment, part_and_place, replacing, with_mode
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.cli.traces import read_at_shell
from worker.config.settings import load
from worker.restore.preview.preview import preview
from worker.restore.target.report import counts


@verb("preview")
@or_moment
@with_mode
@part_and_place
def command(as_json: bool, name: str, mode: str, **options: Any) -> None:
    """Say what a restore of NAME with the same options would do, key by key. Nothing is written."""
    arguments = checked(PreviewArguments, name=name, mode=mode, **options)
    result = performed("preview", arguments, lambda progress: preview(load(), arguments, progress))
    read_at_shell("preview shown", result, name=name)
    show(result, as_json=as_json, view=lambda data: previewed(data, replacing(arguments, data["name"])))


_KIND_WORDS = {
    "new": "not there",
    "identical": "the same",
    "differs": "of another value",
    "expiry": "of another expiry only",
    "expired": "expired since",
    "deleted": "only there",
}

_LONGEST_PREFIX = 40


def previewed(data: Data, replacing_those: str) -> None:
    """What a restore would do: what speaks against it, how many keys of which kind, and those that were named or some of
    each; `replacing_those` is the command that replaces the keys which differ and would be left alone.
    """
    origin = f" (of {data['source']})" if data["source"] not in (None, data["target"]) else ""
    say(f"{data['name']}{origin} beside {data['target']}, mode {data['mode']}, {data['seconds']:.1f} s")
    facts([(f"  {_KIND_WORDS[kind]}", f"{count:>12,}") for kind, count in data["counts"].items() if count])
    for group in ("by_db", "by_type", "by_prefix"):
        _counted(data[group], {"by_db": "DATABASE", "by_type": "TYPE", "by_prefix": "PREFIX"}[group])
    named = data["named"] or []
    for sample in named:
        sampled(sample["kind"], sample)
    shown = {(sample["kind"], sample["db"], sample["key"]) for sample in named}
    for kind in ("new", "differs", "expiry", "deleted"):
        for sample in data["samples"].get(kind, []):
            if (kind, sample["db"], sample["key"]) not in shown:
                sampled(kind, sample)
    memory = data["memory"]
    limit = f" of at most {size(memory['max_bytes'])} ({memory['eviction']})" if memory["max_bytes"] else ""
    say(f"Memory: about {size(memory['needed_bytes'])} more; {size(memory['used_bytes'])}{limit} are in use")
    forecast = data["forecast"]
    say(f"It would be refused: {data['refusal']}" if data["refusal"] else f"A restore would say: {counts(forecast)}")
    if differing := forecast["differing"]:
        words = "key differs and would stay as it is" if differing == 1 else "keys differ and would stay as they are"
        say(f"{number(differing)} {words}. What replaces those too: {replacing_those}")
    notes(data["warnings"])
    if data["run"] and not data["refusal"]:
        say(
            f"With --preview {data['run']} a restore goes on only if nothing has changed until then (where a broker runs)"
        )


def _counted(groups: dict[str, dict[str, int]], title: str) -> None:
    """Kinds as columns, where there is more than one row to compare."""
    if len(groups) < 2:
        return
    kinds = [kind for kind in _KIND_WORDS if any(kind in counts for counts in groups.values())]
    say("")
    table(
        (title, *(_KIND_WORDS[kind].upper() for kind in kinds)),
        [(_short(name), *(number(counts.get(kind)) for kind in kinds)) for name, counts in groups.items()],
    )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_PREFIX else f"{name[:_LONGEST_PREFIX]}…"


def sampled(kind: str, sample: Data) -> None:
    """One key with what differs."""
    say("")
    say(f"{_KIND_WORDS[kind].capitalize()}: database {sample['db']}, {sample['type']} {sample['key']}")
    for row in sample["rows"]:
        say(f"  {row['part']}")
        for side in ("backup", "live"):
            if row[side] is not None:
                say(f"    {side:6}  {row[side] or '(empty)'}")
    if sample["more"]:
        say(f"  and {sample['more']:,} more")
