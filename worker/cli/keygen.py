"""`keygen`: a key to encrypt backups to, and the sheet of paper for the day when the machine is gone."""

from datetime import UTC, datetime
from pathlib import Path

import click

from worker.cli.console import notes, say, show
from worker.cli.runner import Data, verb
from worker.config import recovery_sheet
from worker.config.settings import Settings, load
from worker.errors import RefusedError, UsageError
from worker.formats.encryption import keys
from worker.repository.scope import scope_of
from worker.repository.signing import keys as signing
from worker.storage import write_new


@verb("keygen")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(recovery_sheet.KEY),
    show_default=True,
    help="The file for the secret key, which nobody else may read. It must be a new one.",
)
@click.option(
    "--passphrase",
    "is_protected",
    is_flag=True,
    help="Protect that file with a passphrase: BACKUP_AGE_PASSPHRASE, else it is asked for.",
)
def command(as_json: bool, out: Path, *, is_protected: bool) -> None:
    """Make a key to encrypt backups to, and print the recovery sheet.

    The secret key goes into a file, and nowhere else. Backups need the public key alone.
    """
    settings = load()
    if not out.parent.is_dir():
        raise UsageError(f"There is no folder {out.parent}: make it first, or name another file with --out.")
    if out.exists():
        raise UsageError(f"{out} exists already, and is not overwritten: name another file with --out.")
    # The sheet tells by which key genuine backups are known: so there must be one.
    signer = signing.own(settings).public
    made = keys.make(_passphrase(settings) if is_protected else None)
    write_new(out, [made.content])
    recipients = tuple(dict.fromkeys((*settings.backup_age_recipients, made.public)))
    then = settings.model_copy(update={"backup_age_recipients": recipients})
    sheet = recovery_sheet.lines(then, scope_of(settings).address, datetime.now(UTC), signer, str(out))
    result = {"file": str(out), "public_key": made.public, "recipients": ",".join(recipients), "sheet": sheet}
    show(result, as_json=as_json, view=generated)


def _passphrase(settings: Settings) -> str:
    if settings.backup_age_passphrase:
        return settings.backup_age_passphrase
    try:
        asked: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    except click.Abort:
        raise RefusedError("Nobody answered, so no key was made: set BACKUP_AGE_PASSPHRASE, or answer.") from None
    return asked


def generated(data: Data) -> None:
    """The sheet on standard output, for a printer; what to do next besides."""
    for line in data["sheet"]:
        say(line)
    notes(
        [
            f"The secret key is in {data['file']}: keep a copy away from the servers, for without it nobody can read the backups.",
            f"From now on backups are encrypted once every process has BACKUP_AGE_RECIPIENTS={data['recipients']}",
        ]
    )
