"""Settings written back as TOML: what ``config show`` prints and child workers read."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from monitor.service.settings import Settings


def to_toml(settings: Settings) -> str:
    """Write all settings in force; what is not set becomes a comment.

    The text loads to equal settings. It names the files of secrets, not what they hold.
    """
    return "\n".join(_lines(settings)) + "\n"


def _lines(settings: Settings) -> Iterator[str]:
    content = settings.model_dump(mode="json")
    for name, value in content.items():
        if not isinstance(value, dict | list):
            yield _line(name, value)
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _section(name, value)
        elif isinstance(value, list):
            for table in value:
                yield from ("", f"[[{name}]]")
                yield from (_line(*pair) for pair in table.items())


def _section(name: str, content: Mapping[str, Any]) -> Iterator[str]:
    """One section, and then the sections within it, which must come last."""
    within = {key: value for key, value in content.items() if isinstance(value, dict)}
    yield from ("", f"[{name}]")
    yield from (_line(*pair) for pair in content.items() if pair[0] not in within)
    for key, value in within.items():
        yield from _section(f"{name}.{key}", value)


def _line(name: str, value: Any) -> str:
    if value is None:
        return f"# {name} is not set"
    # A JSON string is a TOML string, but for DEL, which JSON leaves bare.
    return f"{name} = {json.dumps(value, ensure_ascii=False)}".replace(
        "\x7f", "\\u007f"
    )
