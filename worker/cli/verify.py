"""`verify`: is a backup whole?"""

from worker.arguments.backups import VerifyArguments
from worker.arguments.moments import is_moment
from worker.backups.verify import verify
from worker.cli.console import notes, number, say, show, size
from worker.cli.options import or_moment, with_from
from worker.cli.recorded import performed
from worker.cli.runner import Data, checked, verb
from worker.config.settings import load

_SIGNATURES = {
    "own": "signed by this machine: {signer}",
    "trusted": "signed by a key that is trusted here: {signer}",
    "unknown": "signed by a key that this machine cannot know: {signer}",
    "none": "not signed, as it is older than signatures",
}


@verb("verify")
@or_moment
@with_from
def command(as_json: bool, name: str, storage: str | None) -> None:
    """Read the backup NAME to its end and compare it with its manifest.

    Of a moment (`--at -1s`: as near as there is) the chain is played in a server that is started for it, and its keys counted.
    """
    arguments = checked(VerifyArguments, name=name, storage=storage)
    result = performed("verify", arguments, lambda progress: verify(load(), arguments, progress))
    show(result, as_json=as_json, view=verified)


def verified(data: Data) -> None:
    """A backup that is whole, as far as it could be read."""
    if not data["contents"]:
        say(f"{data['name']} lies there as it was written: {size(data['bytes'])}, sha256 {data['sha256']}")
        notes(data["warnings"])
        return
    what = f"The chain up to {data['name']}" if is_moment(data["name"]) else data["name"]
    say(f"{what} is whole: {number(data['keys'])} keys, {size(data['bytes'])}, sha256 {data['sha256']}")
    say(_SIGNATURES[data["signature"]].format(signer=data["signer"]))
    notes(data["warnings"])
