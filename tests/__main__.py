"""``python -m tests``: all tests, in two sessions of pytest beside each other.

Tests that run whole workers or a real Kafka mostly wait, and some of them judge how
long a thing took: they have the machine, and are shown as they run. All others work
without a pause: they get what the first ones leave over, and are shown at the end.
Arguments go to both; with ``-k`` a session may find nothing to do, but not both.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from types import FrameType
from typing import IO

import pytest

from monitor.service.embedded import die_with_parent
from tests.parts import OPTION, Part

#: Added to the niceness of the tests without workers: beside a program that wants all
#: of a core they have a tenth of it.
NICE = 10

_NOTHING_FOUND = pytest.ExitCode.NO_TESTS_COLLECTED


def main(arguments: list[str]) -> int:
    """Run both sessions; the status is that of the first that is not well."""
    with tempfile.TemporaryFile() as kept:
        alone = start(Part.ALONE, arguments, NICE, kept)
        live = start(Part.LIVE, arguments)
        both = live, alone

        def hand_on(number: int, frame: FrameType | None) -> None:
            for one in both:
                one.send_signal(number)

        # Ctrl-C reaches them by itself; either way they decide how to end, we wait.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, hand_on)
        first, second = [one.wait() for one in both]
        kept.seek(0)
        shutil.copyfileobj(kept, sys.stdout.buffer)
        sys.stdout.flush()
    print(f"with workers or Kafka: exit {first}; all other tests: exit {second}")
    return worse(first, second)


def start(
    part: Part, arguments: list[str], nice: int = 0, shown: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start the session of a part; it never outlives this process."""
    command = [sys.executable, "-m", "pytest", f"{OPTION}={part}", *arguments]
    return subprocess.Popen(
        ["nice", f"-n{nice}", *command],
        stdout=shown,
        stderr=shown,
        preexec_fn=die_with_parent(),
    )


def worse(first: int, second: int) -> int:
    """The status of both: to find nothing is no fault where the other found some."""
    if first == _NOTHING_FOUND:
        return second
    if second == _NOTHING_FOUND:
        return first
    return first or second


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
