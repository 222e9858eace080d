"""Why something failed, as somebody elsewhere may hear of it."""

import re

from worker.runs import operations
from worker.runs.run import Run

LONGEST = 500


def fit_to_leave(error: str | None) -> str:
    """An error as it may leave the house: what it quotes may be the name of a key, and goes."""
    words = (error or "It was killed.").strip()
    quotes = [at for at, character in enumerate(words) if character in "'\"`" and not _is_apostrophe(words, at)]
    if len(quotes) > 1:
        words = f"{words[: quotes[0]]}...{words[quotes[-1] + 1 :]}"
    words = re.sub(r"\s+", " ", words)
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."


def _is_apostrophe(words: str, at: int) -> bool:
    return words[at] == "'" and 0 < at < len(words) - 1 and words[at - 1].isalpha() and words[at + 1].isalpha()


def advice_for(run: Run) -> str:
    """What to do after it failed."""
    return operations.of(run.operation).advice.get("failed", "Mend what the sentence names, and start it again.")
