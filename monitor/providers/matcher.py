"""The matcher, and the reader of its table."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files
from typing import NamedTuple

from monitor.errors import ConfigError
from monitor.events import DeliveryEvent

#: The provider of whatever no group claims; no group may be called so.
OTHER = "other"

#: A host name has at most 253 characters (RFC 1035); a longer one is in no group.
MAX_HOST = 253

#: Answers kept for the hot path, of domains and of hosts. A day's mail names fewer that
#: matter; a flood of made-up ones empties the cache now and then, at 1 us an answer
#: until it is warm.
MAX_CACHED = 50_000

_COLUMNS = ("group", "recipient_domains", "mx_suffixes")
_SEPARATOR = ";"
_GROUP = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)


class _Answers(dict[str, str]):
    """Remembers the answers to names of no absurd length, so many of them."""

    def __init__(self, ask: Callable[[str], str]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, name: str) -> str:
        answer = self._ask(name)
        if len(name) <= MAX_HOST:
            if len(self) >= MAX_CACHED:
                self.clear()
            self[name] = answer
        return answer


class ProviderMatcher:
    """Says which provider group a recipient belongs to.

    An MX host belongs to a group if it ends in one of the group's suffixes at a label
    boundary, the longest suffix winning; a recipient domain if the group names it.

    >>> ProviderMatcher.builtin().match("example.com", "mta5.am0.yahoodns.net.")
    'yahoo'

    Args:
        domains: group of each recipient domain, in lower case.
        suffixes: group of each MX suffix, in lower case, without leading dot.
    """

    __slots__ = ("_by_domain", "_by_host", "_domains", "_suffixes")

    def __init__(self, domains: Mapping[str, str], suffixes: Mapping[str, str]) -> None:
        self._domains = dict(domains)
        self._suffixes = dict(suffixes)
        self._by_host = _Answers(self._of_host)
        self._by_domain = _Answers(self._of_domain)

    @classmethod
    def builtin(cls) -> "ProviderMatcher":
        """The table that comes with the package."""
        table = files("monitor.providers").joinpath("groups.csv")
        return cls.from_csv(table.read_text("utf-8"))

    @classmethod
    def from_csv(cls, text: str) -> "ProviderMatcher":
        """A table of the columns group, recipient_domains and mx_suffixes.

        Lists are separated by semicolons; other columns are for readers only. A group
        may have several rows.

        Raises:
            ConfigError: a missing column or field, a malformed name, or a domain or
                suffix that has a group already; the text starts with the line.
        """
        domains: dict[str, str] = {}
        suffixes: dict[str, str] = {}
        for row in _rows(text):
            for domain in _split(row.domains):
                _claim(domains, domain, row)
            for suffix in _split(row.suffixes):
                _claim(suffixes, suffix.removeprefix("."), row)
        return cls(domains, suffixes)

    @property
    def groups(self) -> frozenset[str]:
        """The groups that ``match`` may answer, besides ``OTHER``."""
        return frozenset(self._domains.values()) | frozenset(self._suffixes.values())

    def match(self, recipient_domain: str, mx_host: str = "") -> str:
        """The group of a mail; ``OTHER`` for any text that none claims."""
        return self._by_host[mx_host] or self._by_domain[recipient_domain]

    def match_all(self, events: Iterable[DeliveryEvent]) -> list[str]:
        """The groups of several mails, in order."""
        by_host, by_domain = self._by_host, self._by_domain
        return [
            (event.mx_host and by_host[event.mx_host])
            or by_domain[event.recipient_domain]
            for event in events
        ]

    def _of_host(self, mx_host: str) -> str:
        """The group of a receiving host; ``""`` if none claims it."""
        host = _normal(mx_host)
        while host:
            group = self._suffixes.get(host)
            if group is not None:
                return group
            host = host.partition(".")[2]
        return ""

    def _of_domain(self, recipient_domain: str) -> str:
        return self._domains.get(_normal(recipient_domain), OTHER)


class _Row(NamedTuple):
    line: int
    group: str
    domains: str
    suffixes: str


def _normal(host: str) -> str:
    return host.removesuffix(".").lower() if len(host) <= MAX_HOST else ""


def _rows(text: str) -> Iterator[_Row]:
    """The rows below the header, checked for their columns and group."""
    # Spreadsheets put a byte order mark before the header.
    reader = csv.DictReader(text.removeprefix("\ufeff").splitlines(), strict=True)
    try:
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ConfigError(f"line 1: add the columns {', '.join(missing)}")
        for fields in reader:
            if None in fields or None in fields.values():
                raise ConfigError(f"line {reader.line_num}: as many fields as columns")
            row = _Row(reader.line_num, *(fields[name].strip() for name in _COLUMNS))
            if not _GROUP.fullmatch(row.group) or row.group == OTHER:
                raise ConfigError(f"line {row.line}: {row.group!r} cannot name a group")
            yield row
    except csv.Error as problem:
        raise ConfigError(f"line {reader.reader.line_num}: {problem}") from None


def _split(names: str) -> Iterator[str]:
    return (name.strip().lower() for name in names.split(_SEPARATOR) if name.strip())


def _claim(taken: dict[str, str], name: str, row: _Row) -> None:
    """Give a domain or suffix to the row's group.

    Raises:
        ConfigError: it is no host name, or taken.
    """
    if len(name) > MAX_HOST or not _HOST.fullmatch(name):
        raise ConfigError(f"line {row.line}: {name!r} is no host name")
    if name in taken:
        raise ConfigError(f"line {row.line}: {name!r} already is in {taken[name]!r}")
    taken[name] = row.group
