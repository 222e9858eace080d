"""What replies say of the keys that were sent: each is counted in the report, and a value that was built gets its name."""

from itertools import islice
from typing import Any

from worker.formats.entries import Entry
from worker.restore.target.flow import Batch, Sent
from worker.restore.target.report import Report
from worker.restore.target.values import Values
from worker.server.wire import Wire

# Every further key would fail in the same way, millions of times over.
_FATAL = (
    "OOM",
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "NOREPLICAS",
    "MISCONF",
    "MOVED",
    "CLUSTERDOWN",
    "NOAUTH",
    "NOPERM",
)


class Settlement:
    """Reads replies batch by batch."""

    def __init__(self, wire: Wire, values: Values, report: Report) -> None:
        self._wire, self._values, self._report = wire, values, report
        self.fatal: Exception | None = None
        """An answer that every further key would get."""

    def settle(self, batch: Batch) -> None:
        """Read the replies to a batch, and count by them. Raises redis errors, with what came until then counted."""
        replies: list[Any] = []
        only_restores = set(map(type, batch)) == {Entry}
        expected = len(batch) if only_restores else sum(map(_replies_to, batch))
        try:
            self._wire.gather(expected, replies)
        finally:
            # Nearly always all went well, and this shows it without running Python for each key.
            if only_restores and replies.count(b"OK") == expected:
                self._report.restored += expected
            else:
                self._settle_each(batch, replies)

    def _settle_each(self, batch: Batch, replies: list[Any]) -> None:
        """Count by the replies that came; the last ones may be missing."""
        remaining = iter(replies)
        for place, sent in enumerate(batch):
            expected = _replies_to(sent)
            own = list(islice(remaining, expected))
            if len(own) < expected:
                self.leave(batch[place:])
                break
            if not isinstance(sent, Entry):
                self._count(sent, own)
            elif own[0] == b"OK":
                self._report.restored += 1
            else:
                self._refused(sent, own[0])

    def leave(self, unanswered: Batch) -> None:
        """Count what was sent and never answered: keys that may be there, and values that may have been built for one."""
        for sent in unanswered:
            entry = sent if isinstance(sent, Entry) else sent.entry
            if entry and (isinstance(sent, Entry) or sent.naming or not sent.temporary):
                self._report.await_in_vain(entry)
            if isinstance(sent, Sent) and sent.temporary:
                self._report.unfinished += 1

    def abandon(self, never_sent: Batch) -> None:
        """Count values that were built whole, and are not given their names any more."""
        self._report.unfinished += sum(isinstance(sent, Sent) and bool(sent.temporary) for sent in never_sent)

    def _count(self, sent: Sent, replies: list[Any]) -> None:
        """The outcome of a SELECT or DEL, of a value that was built, or of the name it was then given."""
        if sent.naming and isinstance(replies[-1], list):
            replies = replies[-1][:2]
        elif sent.temporary:
            # What EXEC answers is a list of replies, and any of them may be an error.
            replies = [part for reply in replies for part in (reply if isinstance(reply, list) else [reply])]
        error = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if sent.entry is None:
            self.fatal = self.fatal or error
        elif error is None and sent.temporary and not sent.naming:
            self._values.name(sent.entry, sent.temporary)
        elif error is None and replies[-1]:
            self._report.restored += 1
            self._report.built += sent.naming
        elif sent.naming and "no such key" in str(error):
            # It expired between the last look at the clock and its renaming.
            self._report.expired += 1
        else:
            self._refused(sent.entry, error)
            if sent.temporary:
                self._values.discard(sent.entry, sent.temporary)

    def _refused(self, entry: Entry, error: Exception | None) -> None:
        """A key that was not written: it exists (SET NX and RENAMENX say so without an error), or the server says why not."""
        words = str(error)
        if words.startswith(_FATAL):
            self.fatal = error
        elif error is None or words.startswith("BUSYKEY"):
            self._report.skip(entry)
        else:
            self._report.fail(entry, words)


def _replies_to(sent: Sent | Entry) -> int:
    return 1 if isinstance(sent, Entry) else sent.replies
