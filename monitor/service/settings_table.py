"""Every setting as a row: the table in README, ``config reference``, the tidy test."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from monitor.service.settings import ENV_PREFIX, Settings
from monitor.service.settings_words import section_of


class SettingRow(NamedTuple):
    """One setting: its dotted name, default, what is allowed, and what it means."""

    name: str
    default: str
    allowed: str
    meaning: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it; lists of tables are one variable."""
        path = self.name.split("[].")[0]
        return ENV_PREFIX + path.replace(".", "__").upper()


def setting_rows() -> tuple[SettingRow, ...]:
    """Return all settings in the order of the model."""
    return tuple(_rows(Settings, ""))


def settings_markdown() -> str:
    """Return the table for README, one row a setting."""
    lines = ["| setting | default | allowed | meaning |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{row.name}` | {row.default} | {row.allowed} | {row.meaning} |"
        for row in setting_rows()
    ]
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[SettingRow]:
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is None:
            yield SettingRow(
                prefix + name, _default(field), _allowed(field), field.description or ""
            )
        else:
            many = get_origin(field.annotation) is tuple
            yield from _rows(section, f"{prefix}{name}{'[]' if many else ''}.")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "host name"
    value = field.default
    if value is None or value == "" or value == ():
        return "none"
    if isinstance(value, tuple):
        return f"`{', '.join(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _allowed(field: FieldInfo) -> str:
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return ", ".join(f"`{member}`" for member in kind)
    bounds: dict[str, Any] = {}
    for rule in field.metadata:
        for side in ("gt", "ge", "le"):
            if getattr(rule, side, None) is not None:
                bounds[side] = getattr(rule, side)
    if not bounds:
        return "path" if "Path" in str(field.annotation) else "text"
    low = f"over {bounds['gt']:,}" if "gt" in bounds else f"{bounds['ge']:,}"
    return f"{low} to {bounds['le']:,}"
