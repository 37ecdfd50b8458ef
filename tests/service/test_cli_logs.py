import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from monitor.service.logs import CHATTY, REPEATS, configure_logs
from monitor.service.settings_sections import LogSettings
from monitor.service.settings_types import LogFormat, LogLevel


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET)


def configured(**settings: str) -> io.StringIO:
    stream = io.StringIO()
    configure_logs(LogSettings.model_validate(settings), stream)
    return stream


def test_ours_and_the_libraries_lines_have_one_shape() -> None:
    stream = configured()
    structlog.get_logger("monitor.x").warning("tally refused", partition=3)
    logging.getLogger("aiokafka.y").warning("lost %s", "it", extra={"node": 1})
    ours, theirs = map(json.loads, stream.getvalue().splitlines())
    assert (ours["event"], ours["partition"]) == ("tally refused", 3)
    assert (ours["level"], ours["logger"]) == ("warning", "monitor.x")
    assert (theirs["event"], theirs["node"]) == ("lost it", 1)
    assert theirs.keys() >= {"timestamp", "level", "logger"}


def test_levels() -> None:
    stream = configured(level=LogLevel.INFO)
    structlog.get_logger("monitor").debug("no")
    logging.getLogger("aiokafka").info("no")
    structlog.get_logger("monitor").info("yes")
    assert len(stream.getvalue().splitlines()) == 1
    stream = configured(level=LogLevel.DEBUG)
    logging.getLogger("aiokafka").debug("yes")
    assert "yes" in stream.getvalue()


def test_secrets_are_blanked() -> None:
    stream = configured()
    structlog.get_logger("monitor").info("hello", token="abc", password="def")
    assert "abc" not in stream.getvalue()
    assert json.loads(stream.getvalue())["token"] == "***"


def test_exceptions_stay_on_one_line() -> None:
    stream = configured()
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger("monitor").exception("broken")
    (line,) = stream.getvalue().splitlines()
    assert "ZeroDivisionError" in line


def test_console_lines_are_for_people() -> None:
    stream = configured(format=LogFormat.CONSOLE)
    structlog.get_logger("monitor").info("hello", port=1)
    assert "hello" in stream.getvalue()
    assert "port=1" in stream.getvalue()


def test_a_second_call_replaces_the_first() -> None:
    first = configured()
    second = configured()
    structlog.get_logger("monitor").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_a_library_that_repeats_itself_is_damped() -> None:
    stream = io.StringIO()
    configure_logs(LogSettings(), stream)
    for number in range(50):
        logging.getLogger("aiokafka").error("no node %s", number)
        logging.getLogger("monitor.service.app").warning("ours %s", number)
    lines = stream.getvalue().splitlines()
    assert sum("no node" in line for line in lines) == REPEATS
    assert sum("ours" in line for line in lines) == 50
