"""What all figures of ``bouncemon lab plots`` share: the library, colours, a caption.

Colours are those of Okabe and Ito, which people with any colour vision tell apart;
nothing is said by colour alone.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from monitor.errors import ConfigError

#: The optional library, and the extra of ours that brings it.
LIBRARY, EXTRA = "matplotlib", "plot"

OURS, OTHER, MARK = "#0072B2", "#D55E00", "#000000"
THIRD, FOURTH, QUIET = "#E69F00", "#CC79A7", "#767676"

#: Inches of width, and dots an inch.
WIDTH, DOTS = 9.6, 110

SMALL, NORMAL, LARGE = 9, 10, 12


class Canvas:
    """Makes figures, and writes them to a folder.

    Args:
        folder: where they go; it must exist.

    Raises:
        ConfigError: the library is not installed, or there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        # By name, and only when it is asked for: it is optional, and slow to load.
        try:
            self._figure: Any = import_module(f"{LIBRARY}.figure")
        except ImportError:
            raise ConfigError(
                f"lab plots needs {LIBRARY} (install bouncemon[{EXTRA}])"
            ) from None
        if not folder.is_dir():
            raise ConfigError(f"--out {folder}: there is no such folder")
        self._folder = folder

    def figure(self, height: float) -> Any:
        """An empty figure so many inches high."""
        return self._figure.Figure(figsize=(WIDTH, height), layout="constrained")

    def write(self, figure: Any, name: str, caption: str) -> Path:
        """Write a figure with its caption line.

        Raises:
            ConfigError: the file cannot be written.
        """
        figure.supxlabel(caption, fontsize=SMALL - 1, color=QUIET, x=0.01, ha="left")
        path = self._folder / f"{name}.png"
        try:
            figure.savefig(path, dpi=DOTS, metadata={"Software": None})
        except OSError as error:
            raise ConfigError(f"--out {path}: {error}") from None
        return path


def plain(axes: Any, title: str) -> None:
    """Take away what tells nothing, and write the title on the left."""
    axes.set_title(title, fontsize=LARGE, loc="left")
    axes.tick_params(labelsize=SMALL)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
