"""Entries of adopted files: each is examined before a server gets it, because a damaged value can crash that server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from worker.errors import FormatError
from worker.formats.allowance import Allowance
from worker.formats.entries import Entry, EntryStream, Passing
from worker.formats.key_text import key_text
from worker.formats.rdb.reader.soundness import examine
from worker.formats.tally import Tally
from worker.repository.manifest import Manifest

SHOWN = 20
LONGEST_KEY = 80

Refused = Callable[[Entry, str], None]
"""Called for each damaged entry, with what is wrong with it."""


class Sound(Passing):
    """An EntryStream without damaged entries, which go to `refused`, and without empty collections.

    A server leaves those out when it loads a file: to it they are no keys at all.
    """

    def __init__(self, stream: EntryStream, refused: Refused, allowance: Allowance) -> None:
        super().__init__(stream)
        self._refused, self._allowance = refused, allowance
        self.empty = 0
        """Empty collections that were left out."""

    def batches(self) -> Iterator[list[Entry]]:
        """Yield the stream's batches, less what is not sound."""
        for batch in self._stream.batches():
            with self._allowance.at_hand():
                vouched = [entry for entry in batch if self._is_sound(entry)]
            yield vouched

    def _is_sound(self, entry: Entry) -> bool:
        try:
            is_key = examine(entry, self.rdb_version)
        except FormatError as error:
            self._refused(entry, str(error))
            return False
        self.empty += not is_key
        return is_key


def sound(stream: EntryStream, manifest: Manifest, refused: Refused) -> EntryStream:
    """The stream of a backup; of an adopted one without what is damaged."""
    adopted = manifest.kind == "adopted"
    return Sound(stream, refused, Allowance.adopted(manifest.bytes.raw, manifest.max_size)) if adopted else stream


@dataclass
class Damage:
    """Damaged entries: how many, and the first ones, each with db, key, type and error."""

    number: int = 0
    shown: list[dict[str, Any]] = field(default_factory=list)

    def add(self, entry: Entry, why: str) -> None:
        """Count one."""
        self.number += 1
        if len(self.shown) < SHOWN:
            self.shown.append({"db": entry.db, "key": named(entry), "type": entry.type, "error": why})

    @property
    def first(self) -> str:
        """The first one, in words."""
        first = self.shown[0]
        return f"the {first['type']} {first['key']!r} of database {first['db']} ({first['error'].rstrip('.')})"

    @property
    def words_without_keys(self) -> str:
        """How many, in half a sentence."""
        if self.number == 1:
            return "one of its values is damaged, or of a kind that this program does not know"
        return f"{self.number:,} of its values are damaged, or of a kind that this program does not know"

    @property
    def words(self) -> str:
        """All of them, in half a sentence."""
        return f"{self.words_without_keys}{':' if self.number == 1 else ', the first'} {self.first}"


@dataclass
class Survey:
    """What is in a foreign file, with every value decoded."""

    tally: Tally = field(default_factory=Tally)
    """Its keys, the damaged ones among them."""
    damage: Damage = field(default_factory=Damage)
    empty: int = 0
    """Empty collections, which are no keys."""


def survey(reader: EntryStream, allowance: Allowance) -> Survey:
    """Read it to its end. FormatError where its structure is broken, or a value of it cannot be read at all."""
    result = Survey()

    def damaged(entry: Entry, why: str) -> None:
        result.tally.add([entry])
        result.damage.add(entry, why)

    stream = Sound(reader, damaged, allowance)
    for batch in stream.batches():
        result.tally.add(batch)
    result.empty = stream.empty
    return result


def named(entry: Entry) -> str:
    """Its key, fit to be shown."""
    return key_text(entry.key)[:LONGEST_KEY]
