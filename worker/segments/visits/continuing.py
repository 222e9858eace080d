"""Whether a source can still give what has come since a place in its stream.

Source of the rules: replication.c of Redis (masterTryPartialResynchronization): the place is within the backlog, under the id of
now, or under the one before up to where that ended.
"""

from dataclasses import dataclass

from worker.server.info import number


@dataclass(frozen=True)
class Backlog:
    """What INFO says of a server's stream; offsets and sizes in bytes."""

    history: str
    before: str
    """The replication id that it had before the last change."""
    before_until: int
    """How far the stream of that is its own; -1 where there is none."""
    offset: int
    first: int
    """The offset of the oldest byte that it holds."""
    held: int
    size: int
    active: bool

    def refusal(self, history: str, offset: int) -> str | None:
        """Why the stream cannot go on behind that offset, in a sentence; None where it can."""
        if history not in (self.history, self.before):
            return (
                "the source has begun another history: it was restarted, or another server took its place, or it had "
                "nobody who followed it for so long that it forgot"
            )
        if history == self.before != self.history and offset + 1 > self.before_until:
            return "the source was replaced by a replica that had not got all that we have seen"
        if offset > self.offset:
            return "the source has less than it had: it was set back"
        if not self.active:
            return "the source keeps no replication backlog any more: nobody has followed it for too long"
        if offset + 1 < self.first:
            return f"the source has written more than its replication backlog of {self.size:,} bytes holds since the last visit"
        return None


def backlog_of(info: dict[str, str]) -> Backlog:
    """What INFO says. Raises redis' ConnectionError where that is no number."""
    # Of a replica, and of those that feed others, it is their own offset: they pass on the same bytes.
    replica = info.get("role") == "slave"
    return Backlog(
        history=info.get("master_replid", ""),
        before=info.get("master_replid2", ""),
        before_until=number(info, "second_repl_offset") if "second_repl_offset" in info else -1,
        offset=number(info, "slave_repl_offset" if replica else "master_repl_offset"),
        first=number(info, "repl_backlog_first_byte_offset"),
        held=number(info, "repl_backlog_histlen"),
        size=number(info, "repl_backlog_size"),
        active=info.get("repl_backlog_active") == "1",
    )
