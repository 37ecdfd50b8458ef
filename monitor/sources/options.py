"""What a user may choose about a source, and where its labels come from."""

from dataclasses import dataclass, field

import msgspec

from monitor.errors import ConfigError
from monitor.sources.fields import Scalar, name

#: A path names one place in a record; no known format nests its labels deeper.
MAX_PATH_PARTS = 8

#: Longer keys are refused by BLAKE2b itself.
MAX_KEY_BYTES = 64

_ANYTHING: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How one topic's records are read.

    ``campaign``, ``tenant`` and ``segment`` are dotted paths into the vendor's own
    event object (inside its envelope, if there is one); ``""`` takes the source's
    default place, and a path that leads nowhere gives ``""``. List positions are
    numbers, and a list at the end stands for its first element.

    >>> SourceOptions(campaign="mail.tags.newsletter.0").tenant
    ''

    Args:
        campaign: path of the campaign.
        tenant: path of the tenant.
        segment: path of the free tag; most sources have no default place for it.
        recipient_key: secret that keys the recipient hashes; empty makes none.
    """

    campaign: str = ""
    tenant: str = ""
    segment: str = ""
    recipient_key: bytes = field(default=b"", repr=False)


class Labels:
    """Reads campaign, tenant and segment of a record, by path or by default.

    Raises:
        ConfigError: a path is malformed, or the recipient key is too long.
    """

    __slots__ = ("_paths", "custom")

    def __init__(self, options: SourceOptions) -> None:
        if len(options.recipient_key) > MAX_KEY_BYTES:
            raise ConfigError(f"recipient key: use at most {MAX_KEY_BYTES} bytes")
        self._paths = (
            parse_path("campaign", options.campaign),
            parse_path("tenant", options.tenant),
            parse_path("segment", options.segment),
        )
        self.custom = any(self._paths)

    def tree(self, raw: bytes) -> object:
        """The record as plain objects; skipped (``None``) when no path needs it."""
        return _ANYTHING.decode(raw) if self.custom else None

    def of(
        self, tree: object, campaign: Scalar, tenant: Scalar, segment: Scalar = None
    ) -> tuple[str, str, str]:
        """Campaign, tenant and segment; the arguments are the source's defaults."""
        if not self.custom:
            return name(campaign), name(tenant), name(segment)
        defaults = (campaign, tenant, segment)
        found = [
            name(look_up(tree, path) if path else default)
            for path, default in zip(self._paths, defaults, strict=True)
        ]
        return found[0], found[1], found[2]


def parse_path(label: str, path: str) -> tuple[str, ...]:
    """Split a dotted path; ``""`` gives no parts.

    Raises:
        ConfigError: an empty part, white space around a part, or too many parts.
    """
    if not path:
        return ()
    parts = tuple(path.split("."))
    where = f"{label} path {path!r}"
    if len(parts) > MAX_PATH_PARTS:
        raise ConfigError(f"{where}: use at most {MAX_PATH_PARTS} parts")
    if not all(part and part == part.strip() and part.isprintable() for part in parts):
        raise ConfigError(f"{where}: write names joined by single dots")
    return parts


def look_up(tree: object, path: tuple[str, ...]) -> Scalar:
    """The scalar at a path of a decoded record; ``None`` where there is none."""
    for part in path:
        if isinstance(tree, dict):
            tree = tree.get(part)
        elif isinstance(tree, list) and part.isascii() and part.isdecimal():
            tree = tree[int(part)] if int(part) < len(tree) else None
        else:
            return None
    if isinstance(tree, list):
        tree = tree[0] if tree else None
    return tree if isinstance(tree, str | int | float | bool) else None
