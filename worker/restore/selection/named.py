"""Keys that were asked for by name: which of them the backup does not have."""

from collections.abc import Iterator

from worker.arguments.restore import Request
from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.key_text import key_bytes

_SHOWN, _LONGEST_NAME = 10, 80
_GLOB = frozenset("*?[")


class Named:
    """The keys that a request names, and that have not been seen so far."""

    def __init__(self, request: Request) -> None:
        prefix, strip = request.prefix.encode(), request.strip_prefix.encode()
        named = {text: key_bytes(text) for text in request.keys or ()}
        self._left_out = [text for text, key in named.items() if not key.startswith(strip)]
        # By their names at the target.
        self._unseen = {prefix + key[len(strip) :]: text for text, key in named.items() if key.startswith(strip)}

    def watching(self, stream: EntryStream) -> EntryStream:
        """The same stream; its keys are noted as they pass."""
        return _Watched(stream, self) if self._unseen else stream

    def see(self, entry: Entry) -> None:
        """Note a key that the backup has."""
        self._unseen.pop(entry.key, None)

    @property
    def missing(self) -> str | None:
        """Which have not been seen, in sentences; None where all have been."""
        missing = sorted([*self._left_out, *self._unseen.values()])
        if not missing:
            return None
        shown = ", ".join(name[:_LONGEST_NAME] for name in missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        several = "keys that were named are" if len(missing) > 1 else "key that was named is"
        globs = any(_GLOB & set(name) for name in missing)
        hint = " A name is taken to the letter: a pattern goes to --match (`match` in a call)." if globs else ""
        return f"{len(missing):,} {several} not in the part of the backup that is asked for: {shown}.{hint}"


class _Watched(Passing):
    def __init__(self, stream: EntryStream, named: Named) -> None:
        super().__init__(stream)
        self._named = named

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches."""
        for batch in self._stream.batches():
            for entry in batch:
                self._named.see(entry)
            yield batch
