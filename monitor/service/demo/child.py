"""The demo's worker: a child process with settings and a log file of its own."""

import os
import subprocess
import sys
from pathlib import Path

import aiohttp

from monitor.errors import MonitorError
from monitor.service.embedded import LOOPBACK, die_with_parent
from monitor.service.settings import ENV_PREFIX, Settings
from monitor.service.settings_toml import to_toml

#: From SIGTERM to SIGKILL; the worker allows itself a little less.
STOP_SECONDS = 15.0

#: How much of a failed worker's log is shown.
LOG_LINES = 15

#: One question to the worker's HTTP server may take so long.
ANSWER_SECONDS = 2.0


class ChildWorker:
    """One worker in a child process.

    Args:
        settings: its settings; the HTTP port must be a real one.
        folder: where its settings and its log are kept.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._url = f"http://{LOOPBACK}:{settings.http.port}"
        self._log = folder / "worker.log"
        file = folder / "worker.toml"
        file.write_text(to_toml(settings), encoding="utf-8")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "monitor", "worker", "--config", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(),
                # Ctrl-C is for us; we then stop the worker politely.
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )

    def check(self) -> None:
        """Do nothing while the worker runs.

        Raises:
            MonitorError: it has ended; the end of its log is the error's note.
        """
        status = self._process.poll()
        if status is not None:
            raise self.failure(f"the worker ended with status {status}")

    def failure(self, text: str) -> MonitorError:
        """Return an error about this worker, with the end of its log as a note."""
        error = MonitorError(f"{text}; the end of its log is above")
        log = self._log.read_text(encoding="utf-8", errors="replace")
        error.add_note("\n".join(log.splitlines()[-LOG_LINES:]))
        return error

    async def ready(self, session: aiohttp.ClientSession) -> bool:
        """Return true once the worker is assigned and has caught up."""
        return await self._ask(session, "/readyz") is not None

    async def metrics(self, session: aiohttp.ClientSession) -> str:
        """Return its metrics page; ``""`` if it does not answer."""
        return await self._ask(session, "/metrics") or ""

    def stop(self) -> int:
        """Ask the worker to end, insist if it does not; returns its exit status."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    async def _ask(self, session: aiohttp.ClientSession, path: str) -> str | None:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            async with session.get(self._url + path, timeout=timeout) as answer:
                return await answer.text() if answer.ok else None
        except (aiohttp.ClientError, TimeoutError):
            return None


def _environment() -> dict[str, str]:
    """Ours without bouncemon's variables: the file alone says what to do."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ENV_PREFIX)
    }
