"""Kinds of keys, and the integers that stand for keys in look-ups."""

from typing import TypeVar

import numpy as np

from monitor.events import Cell, Scope
from monitor.observe.arrays import NOWHERE, Array, Ints
from monitor.observe.names import UNKNOWN

#: Kinds of keys, parents first.
KINDS = (
    "fleet",
    "provider",
    "ip",
    "campaign",
    "tenant",
    "segment",
    "ip_provider",
    "campaign_provider",
)
FLEET, PROVIDER, IP, CAMPAIGN, TENANT, SEGMENT, IP_PROVIDER, CAMPAIGN_PROVIDER = range(
    len(KINDS)
)

#: Fields of a cell by short dimension name, in the order of ``Cell``.
FIELDS = {
    "provider": "provider",
    "ip": "source_ip",
    "campaign": "campaign",
    "tenant": "tenant",
    "segment": "segment",
}

#: The two halves of a pair: its own single kind; the other half is the provider.
PAIRS = {IP_PROVIDER: IP, CAMPAIGN_PROVIDER: CAMPAIGN}

#: Bits of a key's integer: its provider's number, its own, its kind.
_OWN_BIT, _KIND_BIT = 30, 60

#: Column of a cell that holds a kind's own name; a pair has the provider's beside it.
_OWN_COLUMN = {PROVIDER: 0, IP: 1, CAMPAIGN: 2, TENANT: 3, SEGMENT: 4}
_OWN_COLUMN |= {pair: _OWN_COLUMN[single] for pair, single in PAIRS.items()}

#: Field of a scope that holds a kind's own name.
_FIELDS = Scope.__struct_fields__
_SCOPE_FIELD = {
    kind: _FIELDS.index(Cell._fields[column]) for kind, column in _OWN_COLUMN.items()
}

_Number = TypeVar("_Number", int, Ints)


def code_of(kind: int, own: _Number, provider: _Number | int = 0) -> _Number:
    """The integer of a key, or of many of a kind, from the numbers of its names."""
    return (kind << _KIND_BIT) + (own << _OWN_BIT) + provider


def parts_of(codes: Ints) -> tuple[Ints, Ints, Ints]:
    """Kinds, numbers of own names, and numbers of providers; 0 where there is none.

    >>> parts_of(np.array([code_of(IP_PROVIDER, 7, 9)]))
    (array([6]), array([7]), array([9]))
    """
    rest = codes & (1 << _KIND_BIT) - 1
    return codes >> _KIND_BIT, rest >> _OWN_BIT, rest & (1 << _OWN_BIT) - 1


def renamed(codes: Ints, numbers: Ints) -> Ints:
    """The integers of the same keys when their names get other numbers."""
    kinds, owns, providers = parts_of(codes)
    own, provider = numbers[owns], numbers[providers]
    return (kinds << _KIND_BIT) + (own << _OWN_BIT) + provider


def codes_of(rows: Array) -> Ints:
    """The integers of all keys of cells, ``[cells, kinds]``; ``NOWHERE`` for none."""
    codes = np.zeros((len(rows), len(KINDS)), np.int64)
    providers = rows[:, _OWN_COLUMN[PROVIDER]].astype(np.int64)
    for kind, column in _OWN_COLUMN.items():
        own = rows[:, column].astype(np.int64)
        known = own != UNKNOWN
        code = code_of(kind, own)
        if kind in PAIRS:
            known &= providers != UNKNOWN
            code += providers
        codes[:, kind] = np.where(known, code, NOWHERE)
    return codes


def halves_of(scope: Scope) -> tuple[str, str]:
    """A scope's own name and its provider's, if it is a pair."""
    values = [value for value in scope.values if value is not None]
    own, provider = [*values, "", ""][:2]
    return own, provider


def scope_of(kind: int, own: str, provider: str) -> Scope:
    """The scope of a key; only a pair looks at its provider."""
    fields: list[str | None] = [None] * len(_FIELDS)
    if kind != FLEET:
        fields[_SCOPE_FIELD[kind]] = own
    if kind in PAIRS:
        fields[_SCOPE_FIELD[PROVIDER]] = provider
    return Scope(*fields)
