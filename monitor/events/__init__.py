"""The nouns that flow through the river, and nothing else.

Everything here is frozen. Times are epoch seconds (UTC) as ``float`` unless a name
says otherwise. Structs are written to JSON with ``"v": 1`` by ``service.codecs``;
readers ignore unknown fields.
"""

from monitor.events.counts import (
    BLOCK_REASONS,
    COLUMNS,
    CONFIG_REASONS,
    SCOPE_DIMENSIONS,
    Cell,
    CellRows,
    Cells,
    Channel,
    CountDelta,
    Ledger,
    LedgerTally,
    Prefix,
    ReasonCount,
    Scope,
    Tally,
    feeds,
)
from monitor.events.decisions import (
    Action,
    Command,
    Directive,
    Incident,
    IncidentKind,
    IncidentState,
    Mode,
    ReasonShare,
    Severity,
)
from monitor.events.delivery import (
    Advice,
    BounceClass,
    Decoded,
    DeliveryEvent,
    Outcome,
    Permanence,
    Reason,
    Stage,
    Verdict,
)

__all__ = [
    "BLOCK_REASONS",
    "COLUMNS",
    "CONFIG_REASONS",
    "SCOPE_DIMENSIONS",
    "Action",
    "Advice",
    "BounceClass",
    "Cell",
    "CellRows",
    "Cells",
    "Channel",
    "Command",
    "CountDelta",
    "Decoded",
    "DeliveryEvent",
    "Directive",
    "Incident",
    "IncidentKind",
    "IncidentState",
    "Ledger",
    "LedgerTally",
    "Mode",
    "Outcome",
    "Permanence",
    "Prefix",
    "Reason",
    "ReasonCount",
    "ReasonShare",
    "Scope",
    "Severity",
    "Stage",
    "Tally",
    "Verdict",
    "feeds",
]
