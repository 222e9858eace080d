"""`list --repair`: damaged manifests made anew."""

from worker.arguments.backups import RepairArguments
from worker.backups.repair import check_complete, repair
from worker.cli.console import number, say, show
from worker.cli.recorded import performed
from worker.cli.runner import Data, confirm
from worker.config.settings import load
from worker.repository import catalogue
from worker.storage import open_storage


def repair_all(*, as_json: bool, yes: bool, max_size: int | None) -> None:
    """Make all of them anew, after a yes."""
    settings = load()
    damaged = catalogue.read(open_storage(settings.backup_storage)).damaged
    if damaged and not yes:
        confirm(f"Make the manifests of these anew: {', '.join(entry.name for entry in damaged)}?")

    def show_and_check(report: Data) -> None:
        show(report, as_json=as_json, view=repaired)
        check_complete(report)

    arguments = RepairArguments(max_size=max_size)
    performed("repair", arguments, lambda progress: repair(settings, progress, max_size), show_and_check)


def repaired(data: Data) -> None:
    """Manifests that were made anew."""
    if not data["repaired"] and not data["left"]:
        say("No manifest is damaged.")
    for entry in data["repaired"]:
        how = "as it was written" if entry["exactly"] else f"from its artifact, as {entry['kind']}, and signed now"
        say(f"repaired: {entry['name']} ({how}, {number(entry['keys'])} keys); its text was kept as {entry['aside']}")
    for entry in data["left"]:
        say(f"not repaired: {entry['name']} ({entry['error']})")
