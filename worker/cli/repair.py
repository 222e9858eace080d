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
        confirm(f"Make the manifests of these anew: {', '.join(one.name for one in damaged)}?")

    def show_and_check(report: Data) -> None:
        show(report, as_json=as_json, view=repaired)
        check_complete(report)

    arguments = RepairArguments(max_size=max_size)
    performed("repair", arguments, lambda progress: repair(settings, progress, max_size), show_and_check)


def repaired(data: Data) -> None:
    """Manifests that were made anew."""
    if not data["repaired"] and not data["left"]:
        say("No manifest is damaged.")
    for one in data["repaired"]:
        how = "as it was written" if one["exactly"] else f"from its artifact, as {one['kind']}"
        say(f"repaired: {one['name']} ({how}, {number(one['keys'])} keys); its text was kept as {one['aside']}")
    for one in data["left"]:
        say(f"not repaired: {one['name']} ({one['error']})")
