"""What is counted, of what, and over which prefix of which log.

Counts travel as rows of little-endian 32-bit integers, one row a cell, one column for
each name in ``COLUMNS``; ``counts`` fields below are such matrices as ``bytes``.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from monitor.events.delivery import Reason


class Channel(StrEnum):
    """What a spike can be about; each has its own numerator and baseline."""

    HARD = "hard"
    BLOCK = "block"
    CONFIG = "config"
    TECHNICAL = "technical"
    DEFERRAL = "deferral"
    COMPLAINT = "complaint"
    BOUNCE = "bounce"


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

    ``sample`` is one reply, scrubbed of everything personal.
    """

    provider: str
    source_ip: str
    campaign: str
    reason: Reason
    count: int
    sample: str = ""


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
    cells: tuple[Cell, ...]
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
    cells: tuple[Cell, ...]
    counts: bytes
    reasons: tuple[ReasonCount, ...] = ()
