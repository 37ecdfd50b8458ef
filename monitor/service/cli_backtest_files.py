"""The files of a recording: plain or gzipped, or standard input; and how far we are."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from monitor.errors import ConfigError
from monitor.sources import MAX_RECORD_BYTES

#: Names standard input.
STDIN = "-"

#: The progress bar is moved once in so many lines.
LINES_A_STEP = 2_000

_CUT = MAX_RECORD_BYTES + 2


class Recording:
    """Some files, read side by side; to be entered.

    Args:
        names: paths, or ``-``; a path that ends in ``.gz`` is unpacked.
        console: shows the progress if it is a terminal.
    """

    def __init__(self, names: list[str], console: Console) -> None:
        self.names = names
        self._stack = ExitStack()
        self._raw: dict[str, IO[bytes]] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        """Open all files.

        Raises:
            ConfigError: one cannot be read.
        """
        for name in self.names:
            if name == STDIN:
                self._raw[name] = sys.stdin.buffer
                continue
            try:
                self._raw[name] = self._stack.enter_context(Path(name).open("rb"))
            except OSError as error:
                self._stack.close()
                raise _unread(name, error.strerror) from None
        self._task = self._progress.add_task("backtest", total=self._size())
        self._stack.enter_context(self._progress)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all files and leave the terminal in order."""
        self._stack.close()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the progress bar off the screen, which others want to write on."""
        if self._progress.disable:
            yield
            return
        self._progress.stop()
        yield
        self._progress.start()

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file; what is longer than any record is cut.

        Raises:
            ConfigError: it cannot be read to its end.
        """
        raw = self._raw[name]
        file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if _is_packed(name) else raw
        try:
            for number, line in enumerate(iter(lambda: file.readline(_CUT), b"")):
                if number % LINES_A_STEP == 0:
                    self._show()
                yield line
                rest = line
                while len(rest) == _CUT and not rest.endswith(b"\n"):
                    rest = file.readline(_CUT)
        except (OSError, EOFError, zlib.error) as error:
            raise _unread(name, error) from None

    def text(self, name: str) -> Iterator[str]:
        """The lines of a file as text.

        Raises:
            ConfigError: it cannot be read, or is not UTF-8.
        """
        encoding = "utf-8-sig"
        for number, line in enumerate(self.lines(name), 1):
            try:
                yield line.decode(encoding)
            except UnicodeDecodeError:
                raise ConfigError(
                    f"{name}: line {number} is not UTF-8 (save it as UTF-8 text)"
                ) from None
            encoding = "utf-8"

    def _size(self) -> int | None:
        """Bytes on disk; None if that is not known."""
        if STDIN in self.names:
            return None
        return sum(Path(name).stat().st_size for name in self.names)

    def _show(self) -> None:
        if not self._progress.disable and STDIN not in self.names:
            done = sum(file.tell() for file in self._raw.values())
            self._progress.update(self._task, completed=done)


def _unread(name: str, why: object) -> ConfigError:
    return ConfigError(f"{name}: cannot be read ({why})")


def _is_packed(name: str) -> bool:
    return name.endswith(".gz")
