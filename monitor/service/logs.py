"""Structured logs: one event a line on standard error, the libraries' too."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from monitor.service.settings_sections import LogSettings
from monitor.service.settings_types import LogFormat

#: Libraries that tell at `info` what only their authors need.
CHATTY = ("aiokafka", "faust", "mode", "aiohttp.access", "asyncio")

#: Fields that a careless call might add; a log must never hold one.
SECRET_FIELDS = frozenset({"password", "token", "secret", "authorization"})


#: A library that lost its broker repeats itself thousands of times a second. So many
#: lines of one kind are written in each span of so many seconds; the rest are not.
REPEATS = 5
REPEATS_SECONDS = 10.0

#: Kinds of lines remembered; past that the memory starts anew.
MAX_KINDS = 1_000


class Damper(logging.Filter):
    """Lets the libraries say the same thing only so often; our own lines all pass."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.name.startswith("monitor"):
            return True
        kind = (record.name, str(record.msg))
        since, count = self._said.get(kind, (record.created, 0))
        if record.created - since >= REPEATS_SECONDS:
            since, count = record.created, 0
        if len(self._said) >= MAX_KINDS:
            self._said.clear()
        self._said[kind] = (since, count + 1)
        return count < REPEATS


def configure_logs(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send every log line of this process to ``stream`` in the format that is set.

    Replaces earlier handlers, so that a library that set up its own cannot write a
    line of another shape. Chatty libraries speak from `warning` on unless the level is
    `debug`.

    Args:
        settings: level and format.
        stream: default: standard error.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(Damper())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendered(settings.format, handler.stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(level if level <= logging.DEBUG else logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Blank the fields that are secrets by their name."""
    for name in SECRET_FIELDS & event.keys():
        event[name] = "***"
    return event


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]


def _rendered(form: LogFormat, stream: TextIO) -> list[Processor]:
    match form:
        case LogFormat.JSON:
            return [
                structlog.processors.dict_tracebacks,
                structlog.processors.JSONRenderer(default=str),
            ]
        case LogFormat.CONSOLE:
            return [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
