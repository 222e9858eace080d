"""Whose signature counts, by the settings and by what this machine remembers of a storage."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from worker.config.settings import Settings
from worker.repository.manifest import Manifest, named_moment
from worker.repository.signing import journal, keys
from worker.repository.signing.journal import Journal
from worker.storage import Storage, open_storage


@dataclass(frozen=True)
class Trust:
    """What is taken for a backup of ours; what is not is neither read nor pruned, and counts for nothing."""

    signers: frozenset[str] | None
    """The public keys that count; None where this machine knows nobody yet, and takes anybody's."""
    since: datetime | None
    """What is named later must be signed; None where that does not matter."""
    is_strict: bool = False
    """Whether all must be signed."""
    own: str | None = None
    signed: frozenset[str] = field(default=frozenset(), compare=False)
    """The names of what this machine has signed there: in their place nothing unsigned counts."""

    def objection(self, manifest: Manifest) -> str | None:
        """Why it is not relied on, in sentences; None where it is."""
        if manifest.signer is None:
            return self._unsigned(manifest)
        if self.signers is None or manifest.signer in self.signers:
            return None
        return (
            f"{manifest.name} is signed by {manifest.signer}, which is not trusted here: it is not read. If that key is one of "
            "yours (the recovery sheet tells them), add it to BACKUP_TRUSTED_KEYS; to take in this backup alone, say "
            f"`python -m worker adopt --trust {manifest.name}`."
        )

    def _unsigned(self, manifest: Manifest) -> str | None:
        if self.is_strict:
            why = "and BACKUP_TRUSTED_KEYS is set"
        elif manifest.name in self.signed:
            why = "and the one of that name that was stored here was"
        elif self.since is not None and named_moment(manifest.name) > self.since:
            why = f"though what is stored here is signed since {self.since:%Y-%m-%d %H:%M} UTC"
        else:
            return None
        return (
            f"{manifest.name} is not signed, {why}: it is not read. If you know where it comes from, say "
            f"`python -m worker adopt --trust {manifest.name}`."
        )

    def strangers(self, manifests: Iterable[Manifest]) -> list[str]:
        """What is to be known where nobody is known yet: whose signatures are taken at their word."""
        if self.signers is not None:
            return []
        signers = sorted({manifest.signer for manifest in manifests if manifest.signer})
        return [
            f"It is signed by {signer}, which this machine cannot know: compare it with the recovery sheet, and set "
            f"BACKUP_TRUSTED_KEYS={signer} to have nobody else's read."
            for signer in signers
        ]

    def word(self, manifest: Manifest) -> str:
        """What its signature is: `own`, `trusted`, `unknown` where nobody is known here, `none`."""
        if manifest.signer is None:
            return "none"
        if manifest.signer == self.own:
            return "own"
        return "unknown" if self.signers is None else "trusted"


ANYBODY = Trust(None, None)
"""Where nobody is known."""


def _remembered(settings: Settings, storage: Storage) -> Journal | None:
    """The journal of that storage; of one that holds copies that of the storage which they come from."""
    kept = journal.known(settings, storage)
    return kept or journal.known(settings, open_storage(settings.backup_storage))


def trust_of(settings: Settings, storage: Storage) -> Trust:
    """Whose word counts in that storage. Who cannot read what this machine remembers knows nobody."""
    kept, own = _remembered(settings, storage), keys.own_public(settings)
    ours = {own} if own else set[str]()
    if settings.backup_trusted_keys:
        return Trust(frozenset({*settings.backup_trusted_keys, *ours}), None, True, own)
    if kept is None:
        return Trust(None, None, False, own)
    names = frozenset(entry.name for entry in kept.live.values())
    return Trust(frozenset({kept.signer, *kept.found, *ours}), kept.since, False, own, names)
