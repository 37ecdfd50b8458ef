"""Real Prometheus and Alertmanager binaries for the tests: from PATH, else unpacked.

Debian's packages hold four programs that need the C library only, so unpacking
them into the user's cache is all the installing there is; no root, no daemon. Run as a
script it prints the four versions.
"""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("prometheus", "prometheus-alertmanager")

#: A download on a slow line; the packages are 30 MB together.
DOWNLOAD_SECONDS = 300

#: Debian renames one of the four.
_NAMES = {
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "amtool": ("amtool",),
}

#: Debian's Alertmanager reads its templates below an absolute path, which only root can
#: fill. The unpacked copy gets a relative path of the same length in its place, so that
#: whoever starts it puts the templates into the working directory.
_DEBIAN_TEMPLATES = b"/usr/share/prometheus/alertmanager"
TEMPLATES_FOLDER = "alertmanager-templates"

_HINT = (
    "Prometheus and Alertmanager are needed: put prometheus, promtool, alertmanager "
    "and amtool on PATH, or run on Debian or Ubuntu with filled package lists "
    "(apt-get update, as root)"
)


class ToolsMissing(Exception):
    """The programs are not on PATH and cannot be unpacked; the text says what to do."""


class Tools(NamedTuple):
    """Paths of the four programs."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path

    @property
    def templates(self) -> Path:
        """The folder of Alertmanager's templates; absent where it carries them."""
        return self.alertmanager.parents[1] / "share" / "prometheus" / "alertmanager"

    def versions(self) -> list[str]:
        """The first line that each program says of itself."""
        return [_version(program) for program in self]


def find_tools() -> Tools:
    """Return the programs on PATH, else those in the cache, filling it if needed.

    Raises:
        ToolsMissing: neither worked.
    """
    on_path = _tools_in(None)
    if on_path:
        return on_path
    cache = cache_folder()
    return _tools_in(cache / "usr" / "bin") or _unpack(cache)


def cache_folder() -> Path:
    """Where the packages of this distribution and processor are unpacked."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    system = _system_name()
    return Path(home) / "bouncemon" / f"prometheus-{system}-{platform.machine()}"


def _system_name() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "unknown"
    return f"{release.get('ID', 'unknown')}{release.get('VERSION_ID', '')}"


def _tools_in(folder: Path | None) -> Tools | None:
    found = {
        tool: next(
            (hit for name in names if (hit := shutil.which(name, path=folder))), None
        )
        for tool, names in _NAMES.items()
    }
    if not all(found.values()):
        return None
    return Tools(**{tool: Path(hit) for tool, hit in found.items() if hit})


def _unpack(cache: Path) -> Tools:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ToolsMissing(f"{_HINT}; there is no apt-get here")
    cache.parent.mkdir(parents=True, exist_ok=True)
    # Two test runs may start at once: each fills a folder of its own, the first
    # to finish gives it the name, and nobody ever sees a half-filled one.
    with tempfile.TemporaryDirectory(dir=cache.parent) as scratch:
        root = Path(scratch) / "root"
        for package in _download(Path(scratch)):
            _run(["dpkg-deb", "-x", str(package), str(root)], Path(scratch))
        _make_movable(root / "usr" / "bin" / "prometheus-alertmanager")
        with contextlib.suppress(OSError):
            root.rename(cache)
    tools = _tools_in(cache / "usr" / "bin")
    if tools is None:
        raise ToolsMissing(f"{_HINT}; {cache} lacks a program: remove it, try again")
    return tools


def _make_movable(alertmanager: Path) -> None:
    name = TEMPLATES_FOLDER.encode()
    slashes = b"/" * (len(_DEBIAN_TEMPLATES) - len(name) - 1)
    program = alertmanager.read_bytes()
    alertmanager.write_bytes(program.replace(_DEBIAN_TEMPLATES, b"." + slashes + name))


def _download(folder: Path) -> list[Path]:
    """Fetch the packages; root may fill empty or outdated package lists first."""
    command = ["apt-get", "download", *PACKAGES]
    try:
        _run(command, folder)
    except ToolsMissing:
        if os.geteuid() != 0:
            raise
        _run(["apt-get", "update"], folder)
        _run(command, folder)
    return sorted(folder.glob("*.deb"))


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolsMissing(f"{_HINT}; {error}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        last = said[-1] if said else f"exit {done.returncode}"
        raise ToolsMissing(f"{_HINT}; {command[0]} said: {last}")
    return done.stdout + done.stderr


def _version(program: Path) -> str:
    return _run([str(program), "--version"], program.parent).splitlines()[0]


def main() -> int:
    """Print where the programs are and what they are."""
    try:
        tools = find_tools()
        for program, version in zip(tools, tools.versions(), strict=True):
            print(f"{program}: {version}")
    except ToolsMissing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
