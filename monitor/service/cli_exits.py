"""What the exit status of ``bouncemon`` says, and how an error is worded."""

from enum import IntEnum

import typer

from monitor.errors import BrokerError, ConfigError, FencedError, MonitorError


class ExitCode(IntEnum):
    """Exit status; the values are a promise to scripts and service managers."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BROKER = 3
    STALLED = 4
    FENCED = 5
    BUG = 70
    INTERRUPTED = 130
    CLOSED_PIPE = 141


#: One line a status, for ``--help`` and README.
MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "all is well",
    ExitCode.FAILED: "a check failed, counts do not add up, or the demo went wrong",
    ExitCode.USAGE: "wrong command line or settings",
    ExitCode.BROKER: "Kafka cannot be reached or refuses",
    ExitCode.STALLED: "the worker made no progress with input waiting, or could not "
    "commit",
    ExitCode.FENCED: "another worker runs with this instance id",
    ExitCode.BUG: "a bug in bouncemon; the traceback is above the message",
    ExitCode.INTERRUPTED: "interrupted from the keyboard",
    ExitCode.CLOSED_PIPE: "nobody reads the output any more, as with `| head`",
}


def exit_codes_markdown() -> str:
    """Return the table of exit statuses for README."""
    lines = ["| exit status | meaning |", "| --- | --- |"]
    lines += [f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(lines) + "\n"


def exit_codes_help() -> str:
    """Return the exit statuses as one paragraph for ``--help``."""
    parts = [f"{code.value} {meaning}" for code, meaning in MEANINGS.items()]
    return f"Exit status: {'; '.join(parts)}."


def word_error(error: MonitorError | typer.TyperException) -> tuple[ExitCode, str]:
    """Return the exit status for an error and its one line, with what to do."""
    match error:
        case ConfigError():
            code, hint = ExitCode.USAGE, "all settings: bouncemon config reference"
        case FencedError():
            code, hint = ExitCode.FENCED, "give each worker its own kafka.instance_id"
        case BrokerError():
            code, hint = ExitCode.BROKER, "is Kafka up, and is kafka.brokers right?"
        case typer.TyperException():
            code, hint = ExitCode.USAGE, "see bouncemon --help"
        case _:
            code, hint = ExitCode.FAILED, ""
    text = error.format_message() if isinstance(error, typer.TyperException) else ""
    line = " ".join((text or str(error)).split()).rstrip(".")
    # An error that already says in brackets what to do needs no second advice.
    advice = f" ({hint})" if hint and not line.endswith(")") else ""
    return code, f"bouncemon: error: {line}{advice}"
