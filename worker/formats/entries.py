"""One key of a Redis, on its way: as the bytes that the server wrote, or as the value they stand for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


@dataclass(slots=True)
class Pending:
    """A stream entry that was delivered to a consumer and not yet acknowledged."""

    id: str
    delivered_at: int
    """Milliseconds since the epoch."""
    deliveries: int


@dataclass(slots=True)
class Consumer:
    """A member of a consumer group; the times are milliseconds since the epoch, None where the server keeps none."""

    name: bytes
    seen_at: int | None = None
    active_at: int | None = None
    pending: list[Pending] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """A consumer group of a stream; `entries_read` is None where the server does not know it."""

    name: bytes
    last_id: str
    entries_read: int | None = None
    consumers: list[Consumer] = field(default_factory=list)


@dataclass(slots=True)
class Stream:
    """A stream; ids are written `milliseconds-sequence`; what servers before 7.0 do not keep is None."""

    entries: list[tuple[str, list[tuple[bytes, bytes]]]]
    last_id: str
    max_deleted_id: str | None = None
    entries_added: int | None = None
    groups: list[Group] = field(default_factory=list)


class Element(NamedTuple):
    """One element of a vector set."""

    name: bytes
    vector: bytes
    """As it is stored, of length 1: floats of four bytes, integers of one, or bits in words of 64, one for each dimension."""
    length: float
    """What the vector was divided by to be of length 1."""
    spread: float
    """The number that the integer 127 stands for (q8)."""
    attributes: bytes
    """JSON; empty for none."""
    graph: bytes
    """Its place in the search graph, as the server writes it; empty where VADD has to find one."""


@dataclass(slots=True)
class VectorSet:
    """A vector set, built into Redis 8."""

    dimensions: int
    quantisation: str
    """`none`, `q8` or `binary`."""
    most_links: int
    """Links of an element in the graph: VADD's M."""
    projection: tuple[int, bytes] | None
    """How many dimensions vectors have before they are reduced, and the matrix that does it."""
    elements: list[Element]


@dataclass(slots=True)
class Opaque:
    """A value that only its own server can read (a module's): a whole DUMP payload, footer included."""

    dump: bytes


# A zset is (member, score); a hash is (field, value, when the field expires in ms since the epoch or None).
Value = (
    bytes
    | list[bytes]
    | list[tuple[bytes, float]]
    | list[tuple[bytes, bytes, int | None]]
    | Stream
    | VectorSet
    | Opaque
)


class Used(NamedTuple):
    """How much a key is used, by which a full server chooses what to evict: RESTORE's option, and its number."""

    word: str
    """`IDLETIME`: seconds since it was used last; `FREQ`: the counter of a server that goes by frequency, up to 255."""
    number: int


class Entry(NamedTuple):
    """One key. Either `payload` or `value` is there; a source or format may give one, and some give neither (counting).

    A NamedTuple and no dataclass: millions of these are made in a run, and it is made in half the time.
    """

    db: int
    key: bytes
    expires_at: int | None
    """Milliseconds since the epoch."""
    type: str
    """As in types.TYPES, or `unknown` where it is newer than this program."""
    payload: bytes | None = None
    """RDB type byte and RDB value: what DUMP answers, less its ten bytes of footer."""
    value: Value | None = None
    used: Used | None = None
    """None where the source does not say it: DUMP never does, nor does a server that evicts by other rules."""


class EntryStream(Protocol):
    """Entries on their way, in batches of a bounded size: what sources and format readers give, and writers take."""

    @property
    def rdb_version(self) -> int | None:
        """The version of the payloads, known once the first batch is there; None where entries carry values. 80 and more: Valkey."""
        ...

    @property
    def libraries(self) -> list[bytes]:
        """Source text of the server's function libraries; complete once `batches` has ended."""
        ...

    @property
    def modules(self) -> bool:
        """Whether modules have put something beside the keys: it is in the file's bytes, and in no entry."""
        ...

    @property
    def unreadable(self) -> str | None:
        """Why the walk ended early, as a clause, though the bytes behind it were whole; None where it did not."""
        ...

    def batches(self) -> Iterator[list[Entry]]:
        """Yield every entry, at least one batch (it may be empty) for each chunk that was read."""
        ...


class EntriesAlone:
    """A base for an EntryStream with nothing beside its entries, all of which can be read."""

    @property
    def modules(self) -> bool:
        """No."""
        return False

    @property
    def unreadable(self) -> str | None:
        """None."""
        return None


class Passing(EntriesAlone):
    """An EntryStream around another one, whose answers it hands on. `batches` is the child's.

    It does not hand on what modules have put beside the keys.
    """

    def __init__(self, stream: EntryStream) -> None:
        self._stream = stream

    @property
    def rdb_version(self) -> int | None:
        """As the stream says."""
        return self._stream.rdb_version

    @property
    def libraries(self) -> list[bytes]:
        """As the stream says."""
        return self._stream.libraries

    @property
    def unreadable(self) -> str | None:
        """As the stream says."""
        return self._stream.unreadable
