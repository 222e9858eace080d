"""Which backups another storage lacks: pure."""

from worker.repository.contents import Catalogue
from worker.repository.copies.places import is_copied
from worker.repository.manifest import Manifest


def lacking(home: Catalogue, there: Catalogue) -> list[Manifest]:
    """The good backups at home that are not whole there, newest first. What has their name there and is something else, or
    was deleted there, is not among them: nothing is written over that.
    """
    taken = {backup.name for backup in there.listed} | {trashed.name for trashed in there.trash}
    return [backup for backup in home.backups if is_copied(backup) and backup.name not in taken]


def without_a_note(home: Catalogue, place: str) -> list[Manifest]:
    """The same by what is noted at home, where nobody can look there: those that were never seen whole in that place."""
    return [backup for backup in home.backups if is_copied(backup) and place not in backup.copies]
