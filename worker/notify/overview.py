"""What waits for whom, and how it stands with each channel: for the shell, the statistics and the System page."""

from typing import Any

from worker.config.settings import Settings
from worker.notify import outbox
from worker.notify.channels import channels
from worker.notify.standing import Standing, standings


def overview(settings: Settings) -> dict[str, Any]:
    """By `channel` its `state`, a sentence, what is `waiting`, the numbers, and whether messages have `links`.

    Raises BrokerUnavailableError.
    """
    those = channels(settings)
    known = standings(settings) if those else {}
    rows = []
    for channel in those:
        waiting, standing = outbox.waiting(settings, channel), known.get(channel.name, Standing())
        messages = [each.message.model_dump(mode="json") | {"id": each.id, "tries": each.tries} for each in waiting]
        state = {"state": sentence(standing, len(waiting)), "level": channel.level, "waiting": messages}
        rows.append({"channel": channel.name, **state, **standing.model_dump(mode="json")})
    return {"channels": rows, "links": settings.public_url is not None}


def sentence(standing: Standing, waiting: int) -> str:
    """How it stands, in words."""
    if standing.why is not None:
        next_at = f" It is tried again at {standing.next_at:%Y-%m-%d %H:%M} UTC." if standing.next_at else ""
        said = f"does not work: {standing.why}{next_at}"
    elif standing.sent_at is not None:
        said = f"works: the last message was taken at {standing.sent_at:%Y-%m-%d %H:%M} UTC."
    else:
        said = "has not been sent anything yet."
    if waiting:
        said += f" {waiting:,} {'message waits' if waiting == 1 else 'messages wait'}."
    if standing.lost:
        said += f" {standing.lost:,} {'was' if standing.lost == 1 else 'were'} never delivered."
    return said
