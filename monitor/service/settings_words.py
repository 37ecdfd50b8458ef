"""How a refused setting is worded: where, what was given, what is allowed, one line."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from monitor.errors import ConfigError

#: Longer values are cut in messages; a message stays one readable line.
MAX_SHOWN = 60

#: How many faults one message names; the rest are counted.
MAX_FAULTS = 3

Location = tuple[int | str, ...]


def refused(text: str) -> ConfigError:
    """Return the error for ``text``, which may hold a user's own line breaks."""
    return ConfigError(" ".join(text.split()))


def dotted(location: Location) -> str:
    """Write a place in the settings as users know it.

    >>> dotted(("inputs", 0, "topic"))
    'inputs[0].topic'
    """
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def nearest(wrong: str, names: Sequence[str]) -> str:
    """Return a hint that names the valid setting closest to ``wrong``."""
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(sorted(names))}"


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model behind a section or a list of sections, None for a value."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def word_faults(
    root: type[BaseModel], error: ValidationError, places: Mapping[str, str], file: str
) -> str:
    """Word all faults of one validation as one line.

    Args:
        root: the settings model.
        error: what the model refused.
        places: environment variable by dotted setting, for those that came from there.
        file: name of the settings file, for all others.
    """
    faults = error.errors(include_url=False)
    shown = [_word_fault(root, fault, places, file) for fault in faults[:MAX_FAULTS]]
    if len(faults) > MAX_FAULTS:
        shown.append(f"and {len(faults) - MAX_FAULTS} more")
    return "; ".join(shown)


def _word_fault(
    root: type[BaseModel], fault: ErrorDetails, places: Mapping[str, str], file: str
) -> str:
    path = dotted(fault["loc"])
    place = places.get(path, file)
    if fault["type"] == "extra_forbidden":
        return f"{place}: {_unknown(root, fault['loc'])}"
    if fault["type"] == "missing":
        return f"{place}: {path} is missing"
    message = fault["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "must be")
    if not path or isinstance(fault["input"], dict):
        return f"{place}: {path}: {message}" if path else f"{place}: {message}"
    return f"{place}: {path} = {_shown(fault['input'])}: {message}"


def _unknown(root: type[BaseModel], location: Location) -> str:
    """Name the unknown setting and the valid one next to it."""
    model, known = root, []
    for step in location[:-1]:
        if isinstance(step, str):
            known.append(step)
            model = section_of(model.model_fields[step]) or model
    prefix = "".join(f"{step}." for step in known)
    wrong = str(location[-1])
    hint = nearest(
        f"{prefix}{wrong}", [f"{prefix}{name}" for name in model.model_fields]
    )
    return f"{dotted(location)} is not a setting; {hint}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
