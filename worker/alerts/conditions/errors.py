"""Why something failed, as somebody elsewhere may hear of it: in words that whoever raised the error gave for that."""

from worker.runs import operations
from worker.runs.run import Run

LONGEST = 500
UNSAID = "The page has the reason."


def why(run: Run) -> str:
    """A sentence without the name of a key."""
    return one_line(run.outside or UNSAID)


def one_line(words: str) -> str:
    """The same in one line of bounded length, with nothing in it that steers how it is shown."""
    line = " ".join("".join(character if character.isprintable() else " " for character in words).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def advice_for(run: Run) -> str:
    """What to do after it failed."""
    return operations.of(run.operation).advice.get("failed", "Mend what the sentence names, and start it again.")
