"""What is counted, of what, and over which prefix of which log.

Counts travel as rows of little-endian 32-bit integers, one row a cell, one column for
each name in ``COLUMNS``; ``counts`` fields below are such matrices as ``bytes``.
"""

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple, TypeAlias

import msgspec

from monitor.events.delivery import Reason
from monitor.events.words import Word


class Channel(Word):
    """What a spike can be about; each has its own numerator and baseline."""

    HARD = "hard"
    BLOCK = "block"
    CONFIG = "config"
    TECHNICAL = "technical"
    DEFERRAL = "deferral"
    COMPLAINT = "complaint"
    BOUNCE = "bounce"


#: Faults of our own set-up: one is already news, so they have a channel of their own.
CONFIG_REASONS = frozenset(
    {
        Reason.AUTH_FAILED,
        Reason.RDNS_MISSING,
        Reason.SENDER_REJECTED,
        Reason.RFC_VIOLATION,
    }
)

#: Refused for reputation, content or policy. A receiver may say so with a 4xx as well,
#: so these count as blocks in deferrals too.
BLOCK_REASONS = frozenset(
    {
        Reason.IP_REPUTATION,
        Reason.DOMAIN_REPUTATION,
        Reason.SPAM_CONTENT,
        Reason.CONTENT_SECURITY,
        Reason.POLICY,
    }
)


#: Replies with other reasons never count in these channels.
_FEEDING = {
    Channel.CONFIG: CONFIG_REASONS,
    Channel.BLOCK: BLOCK_REASONS | {Reason.THROTTLED},
    Channel.HARD: frozenset(Reason) - CONFIG_REASONS - BLOCK_REASONS,
    Channel.TECHNICAL: frozenset(Reason) - CONFIG_REASONS - BLOCK_REASONS,
}


def feeds(reason: Reason, channel: Channel) -> bool:
    """True if replies with this reason may count in the channel.

    >>> feeds(Reason.IP_REPUTATION, Channel.BLOCK), feeds(Reason.POLICY, Channel.HARD)
    (True, False)
    """
    reasons = _FEEDING.get(channel)
    return reasons is None or reason in reasons


#: Columns of every count matrix: two denominators, then one numerator a channel.
COLUMNS: tuple[str, ...] = (
    "attempts",
    "delivered",
    *(channel.value for channel in Channel),
)


class Cell(NamedTuple):
    """The leaf that ingest counts; ``""`` means not known."""

    provider: str
    source_ip: str
    campaign: str
    tenant: str
    segment: str


_CODES = Struct("<5I")


class Cells(msgspec.Struct, frozen=True, eq=False):
    """Cells in columns; reads like a tuple of ``Cell``, each made when asked for.

    ``names`` are distinct and in the order of their first use; ``codes`` holds five
    indexes into them a cell, little-endian 32-bit, in the order of ``Cell``. So what a
    slot's cells were a while ago is a prefix of what they are now, in both.

    >>> list(Cells.of([Cell("yahoo", "192.0.2.1", "spring", "", "")]))[0].source_ip
    '192.0.2.1'
    """

    names: list[str]
    codes: bytes

    @classmethod
    def of(cls, cells: "Iterable[Cell] | Cells") -> "Cells":
        """The same cells in columns."""
        if isinstance(cells, Cells):
            return cells
        table: dict[str, int] = {}
        code = table.setdefault
        rows = [
            _CODES.pack(*[code(name, len(table)) for name in cell]) for cell in cells
        ]
        return cls(list(table), b"".join(rows))

    def __len__(self) -> int:
        return len(self.codes) // _CODES.size

    def __iter__(self) -> Iterator[Cell]:
        names = self.names
        for row in _CODES.iter_unpack(self.codes):
            yield Cell(*[names[code] for code in row])

    def __getitem__(self, place: int) -> Cell:
        codes = _CODES.unpack_from(self.codes, range(len(self))[place] * _CODES.size)
        return Cell(*[self.names[code] for code in codes])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Cells, tuple)):
            return len(self) == len(other) and tuple(self) == tuple(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))


#: Cells by themselves or in columns; thousands of them should be in columns.
CellRows: TypeAlias = tuple[Cell, ...] | Cells


class Scope(msgspec.Struct, frozen=True, omit_defaults=True):
    """A roll-up: the cells whose named dimensions equal the given ones.

    A dimension left at ``None`` takes any value; no dimension at all is the fleet.

    >>> Scope(source_ip="203.0.113.7", provider="yahoo").kind
    'ip_provider'
    """

    source_ip: str | None = None
    campaign: str | None = None
    tenant: str | None = None
    segment: str | None = None
    provider: str | None = None

    @property
    def values(self) -> tuple[str | None, ...]:
        """The five dimensions in the order of ``kind``."""
        return (
            self.source_ip,
            self.campaign,
            self.tenant,
            self.segment,
            self.provider,
        )

    @property
    def kind(self) -> str:
        """Short names of the fixed dimensions, joined; ``fleet`` when there is none."""
        named = zip(SCOPE_DIMENSIONS, self.values, strict=True)
        return "_".join(name for name, value in named if value is not None) or "fleet"

    @property
    def key(self) -> str:
        """Values of the fixed dimensions, joined by ``|``, in the order of ``kind``."""
        return "|".join(value for value in self.values if value is not None)

    def contains(self, cell: Cell) -> bool:
        """True when every fixed dimension equals the cell's."""
        provider, source_ip, campaign, tenant, segment = cell
        leaf = (source_ip, campaign, tenant, segment, provider)
        pairs = zip(self.values, leaf, strict=True)
        return all(want is None or want == have for want, have in pairs)


#: Short names of a scope's dimensions, in the order of ``Scope.values``.
SCOPE_DIMENSIONS = ("ip", "campaign", "tenant", "segment", "provider")


class Ledger(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What became of the records of one span of log time.

    ``events == counted + duplicates + late + excluded`` (invariant I5), and the cells
    hold ``counted`` events in all. ``future`` events are counted at a clamped time and
    ``folded`` ones in the cell ``other``; both are part of ``counted``.
    """

    records: int = 0
    ignored: int = 0
    invalid: int = 0
    events: int = 0
    counted: int = 0
    duplicates: int = 0
    late: int = 0
    excluded: int = 0
    future: int = 0
    folded: int = 0


class ReasonCount(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How often one reason was given to one (provider, IP, campaign) in a slot.

    ``sample`` is one reply, scrubbed of everything personal; ``template`` is the stable
    id of its text, if it is known. One reason has a row for each of its texts; IP and
    campaign are ``other`` in rows that stand for several.
    """

    provider: str
    source_ip: str
    campaign: str
    reason: Reason
    count: int
    sample: str = ""
    template: str = ""


class Prefix(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Which part of which log a count covers.

    Every record with ``first <= offset < to`` that touches ``slot`` is in, and
    ``first`` is the first one that ever touched it. ``watermark`` is the log time (the
    largest Kafka timestamp before the flush), epoch seconds.
    """

    fleet: str
    topic: str
    partition: int
    slot: int
    first: int
    to: int
    watermark: float


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Cumulative counts of one input partition and slot of event time.

    ``cells`` and the rows of ``counts`` belong together, and cells are unique.
    """

    prefix: Prefix
    cells: CellRows
    counts: bytes
    reasons: tuple[ReasonCount, ...] = ()


class LedgerTally(msgspec.Struct, frozen=True, kw_only=True):
    """The cumulative ledger of one input partition and slot of *log* time."""

    prefix: Prefix
    ledger: Ledger


class CountDelta(msgspec.Struct, frozen=True, kw_only=True):
    """What one accepted tally added to one slot; no row is negative."""

    slot: int
    watermark: float
    cells: CellRows
    counts: bytes
    reasons: tuple[ReasonCount, ...] = ()
