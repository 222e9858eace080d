"""Function libraries, which are no keys: what a restore did to them, undone by the same rule as keys are."""

import re
from dataclasses import dataclass

from worker.engines.scan import Scan
from worker.server.endpoint import Endpoint
from worker.server.fence import Fence

_NAME = re.compile(rb"#![^\n]*?\bname=(\S+)")

Libraries = dict[bytes, bytes]
"""Source text by name."""


@dataclass(frozen=True)
class Change:
    """What a restore did: libraries that were there before, those it brought, and the names it may have touched."""

    before: list[bytes]
    wrote: list[bytes]
    mode: str

    @property
    def touched(self) -> list[bytes]:
        """Names, in a fixed order."""
        before, wrote = named(self.before), named(self.wrote)
        if self.mode == "skip":
            return sorted(wrote.keys() - before.keys())
        return sorted(wrote) if self.mode == "overwrite" else sorted(before.keys() | wrote.keys())


def named(libraries: list[bytes]) -> Libraries:
    """Libraries by the names in their first lines; one without a name is left alone."""
    return {match[1]: code for code in libraries if (match := _NAME.match(code))}


def undo(fence: Fence, change: Change, *, force: bool) -> tuple[int, list[str]]:
    """Put back what was replaced, delete what came; how many, and sentences on what could not or must not be.

    Raises the endpoint's errors.
    """
    if not change.touched:
        return 0, []
    before, wrote, live = named(change.before), named(change.wrote), named(_live(fence.endpoint))
    done, warnings = 0, []
    with fence.endpoint.translated("putting functions back"), fence.wire() as wire:
        for name in change.touched:
            shown = name[:64].decode("utf-8", "backslashreplace")
            if live.get(name) == before.get(name):
                continue
            if live.get(name) != wrote.get(name) and not force:
                warnings.append(f"The function library {shown} was changed by others since, and is left alone.")
                continue
            how = (b"LOAD", b"REPLACE", before[name]) if name in before else (b"DELETE", name)
            answer = wire.try_(b"FUNCTION", *how)
            if isinstance(answer, Exception):
                warnings.append(f"The function library {shown} could not be put back: {answer}.")
            else:
                done += 1
    return done, warnings


def _live(endpoint: Endpoint) -> list[bytes]:
    """The live libraries. A scan of no databases reads only them."""
    scan = Scan(endpoint, [])
    for _ in scan.batches():
        pass
    return scan.libraries
