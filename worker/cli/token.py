"""`token`: what a script may use the API with."""

from datetime import datetime

import click

from worker.alerts import events
from worker.broker import audit, tokens
from worker.broker.scopes import SCOPES
from worker.cli.console import notes, say, show, table
from worker.cli.runner import Data, verb
from worker.config.settings import load
from worker.repository.behalf import at_shell
from worker.runs.run import here


@click.group("token")
def command() -> None:
    """Make, list and revoke tokens, with which a script may use the API. They are kept in the broker's Redis."""


@verb("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([*SCOPES]),
    help=f"{'; '.join(f'{scope}: {allows}' for scope, allows in SCOPES.items())}. May be given again.",
)
@click.option("--days", type=int, help="Until it expires; it stays until it is revoked without this.")
@click.option(
    "--address",
    "addresses",
    multiple=True,
    help="From where alone it may be used, such as 192.0.2.7 or 192.0.2.0/24. May be given again.",
)
def create_token(
    as_json: bool, name: str, scopes: tuple[str, ...], days: int | None, addresses: tuple[str, ...]
) -> None:
    """Make the token NAME. Its secret is shown this once."""
    settings, who = load(), str(at_shell(here()))
    secret = tokens.create(settings, name, [*scopes], who, tokens.Bounds(days, addresses))
    bounds = {"days": days, "addresses": addresses}
    audit.record(settings, who, "token created", "ok", name=name, scopes=scopes, **bounds)
    events.token_made(settings, name, [*scopes], who)
    show({"name": name, "scopes": scopes, "secret": secret} | bounds, as_json=as_json, view=created)


@verb("list")
def list_tokens(as_json: bool) -> None:
    """Show the tokens, without their secrets."""
    data = {"tokens": [token.model_dump(mode="json") for token in tokens.tokens(load())]}
    show(data, as_json=as_json, view=listed)


@verb("revoke")
@click.argument("name")
def revoke_token(as_json: bool, name: str) -> None:
    """Make the token NAME worth nothing from now on."""
    settings = load()
    tokens.revoke(settings, name)
    audit.record(settings, str(at_shell(here())), "token revoked", "ok", name=name)
    show({"revoked": name}, as_json=as_json, view=revoked)


def created(data: Data) -> None:
    """A new token: its secret alone on standard output, so that a script can catch it."""
    say(data["secret"])
    notes([f"This is the secret of the token {data['name']}; it is shown this once."])


def listed(data: Data) -> None:
    """All tokens."""
    if not data["tokens"]:
        say("There is no token yet. Make one: python -m worker token create ci --scope read")
        return
    rows = [
        (
            token["name"],
            ",".join(token["scopes"]),
            token["created_by"],
            _day(token["created_at"]),
            _day(token["last_used_at"]),
            _day(token["expires_at"]),
            ",".join(token["networks"]) or "everywhere",
        )
        for token in data["tokens"]
    ]
    table(("NAME", "SCOPES", "MADE BY", "MADE", "LAST USED", "EXPIRES", "FROM"), rows)


def _day(moment: str | None) -> str:
    return "never" if moment is None else f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"


def revoked(data: Data) -> None:
    """A token that is gone."""
    say(f"The token {data['revoked']} is revoked")


for _verb in (create_token, list_tokens, revoke_token):
    command.add_command(_verb)
