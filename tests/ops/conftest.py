"""Real tools for the tests of what operators load."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

#: All rule tests together take 5 s.
TIMEOUT_SECONDS = 120

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the project."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a program and return what it said; the test judges the status."""

    def run_it(
        program: Path, *arguments: str | Path, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program), *map(str, arguments)],
            input=stdin.decode(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    return run_it
