"""What is missing in a storage, and what was put back there, by what was signed. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from worker.repository.manifest import Manifest
from worker.repository.signing.journal import Journal
from worker.repository.signing.ledger import Ledger, is_ahead, ledger_of

Present = Mapping[str, Manifest | None]
"""By its name each backup that has a manifest; None where that cannot be read, so that nobody knows its number."""


@dataclass(frozen=True)
class Records:
    """What this machine and others have said of a storage."""

    own: Journal | None
    told: tuple[Ledger, ...]
    """Of those who are trusted here."""

    @property
    def books(self) -> list[Ledger]:
        """One for each chain: our own as we remember it, unless we were set back, and have told more than that."""
        books = {ledger.chain: ledger for ledger in self.told}
        if self.own is not None:
            there = books.get(self.own.chain)
            if there is None or not is_ahead(there, self.own):
                books[self.own.chain] = ledger_of(self.own)
        return [*books.values()]

    def gave_up(self, chain: str, number: int) -> bool:
        """Whether another machine than the chain's own has deleted it."""
        rows = [book.elsewhere.get(chain, []) for book in self.books]
        return any(first <= number <= last for row in rows for first, last in row)


def amiss(present: Present, records: Records) -> dict[str, str]:
    """By its name what is wrong with each backup that is missing or was put back, in a sentence."""
    books = records.books
    missing = {name: _gone(name) for book in books for name in _missing(book, present, records)}
    by_chain = {book.chain: book for book in books}
    return missing | {name: _back(name) for name in _put_back(present.items(), by_chain)}


def _missing(book: Ledger, present: Present, records: Records) -> Iterator[str]:
    for number, name in book.live.items():
        if name not in present and not records.gave_up(book.chain, number):
            yield name


def _put_back(present: Iterable[tuple[str, Manifest | None]], books: Mapping[str, Ledger]) -> Iterator[str]:
    for name, manifest in present:
        book = books.get(manifest.chain or "") if manifest else None
        if manifest is None or book is None or manifest.signer != book.signer or manifest.sequence is None:
            continue
        if manifest.sequence <= book.head and manifest.sequence not in book.live and manifest.sequence not in book.open:
            yield name


def _gone(name: str) -> str:
    return (
        f"{name} was stored here and is gone, and none of us has deleted it: somebody else did who can write there. Should that "
        f"have been you, `python -m worker delete --now {name}` puts it on record."
    )


def _back(name: str) -> str:
    return (
        f"{name} was deleted by us and is here again: somebody has put it back, or the whole storage as it was then. It is "
        "genuine, and old: see what is newer, and delete it again where it is not wanted."
    )
