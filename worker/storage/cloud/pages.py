"""What lies in a bucket, listed in pages of a thousand: side by side, once it is known where they may begin.

A listing tells where its next page begins only with the page before, so the first one takes its pages one after the other. S3 lists
in the order of names and begins behind any name that it is told; so the next time many pages are asked for at once, each behind a
name that was seen, up to the next of these. Where a place does not do that, or objects lie deeper, it is listed as before.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, S3Store

PAGE = 1000
"""Objects, as many as a server gives at once."""
_APART = 900
"""Objects between two beginnings: what has come since has room in the page."""
_AT_ONCE = 16


class _OtherwiseError(Exception):
    """The place does not list like that."""


class Pages:
    """The listing of one bucket, from one look to the next."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._may_begin = isinstance(store, S3Store)
        self._begins: list[str] = []

    def look(self) -> Sequence[Any]:
        """All objects that lie in no deeper folder, as obstore describes them. Raises what obstore does."""
        begins = self._begins
        if begins:
            try:
                return self._learnt(self._side_by_side(begins), is_flat=True)
            except _OtherwiseError:
                self._may_begin = False
            except (BaseError, OSError):
                # Whether it is the server, or only this way to ask, the usual way tells.
                self._begins = []
        whole = obstore.list_with_delimiter(self._store)
        return self._learnt(whole["objects"], is_flat=not whole["common_prefixes"])

    def _learnt(self, objects: Sequence[Any], *, is_flat: bool) -> Sequence[Any]:
        may_begin = self._may_begin and is_flat and len(objects) > PAGE
        self._begins = sorted(one["path"] for one in objects)[_APART::_APART] if may_begin else []
        return objects

    def _side_by_side(self, begins: list[str]) -> list[Any]:
        ranges = [*pairwise(["", *begins]), (begins[-1], None)]
        with ThreadPoolExecutor(min(len(ranges), _AT_ONCE)) as threads:
            return [*chain.from_iterable(threads.map(lambda ends: self._between(*ends), ranges))]

    def _between(self, after: str, last: str | None) -> list[Any]:
        """What has a name behind the one, up to the other."""
        objects: list[Any] = []
        for page in obstore.list(self._store, offset=after or None, chunk_size=PAGE):
            for listed in page:
                name = listed["path"]
                if "/" in name or name <= (objects[-1]["path"] if objects else after):
                    raise _OtherwiseError
                if last is not None and name > last:
                    return objects
                objects.append(listed)
        return objects
