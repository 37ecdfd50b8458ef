"""Tables in the documents that are made from code.

A table stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``, each alone on a line.
``make docs`` (``python -m tests.docs_tables``) renews every one of them; the tidy test
fails when a table is missing or differs from the code.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from monitor.service.cli_exits import exit_codes_markdown
from monitor.service.metrics import metrics_table
from monitor.service.settings_table import settings_markdown
from monitor.sources import SOURCES

ROOT = Path(__file__).parents[1]


def sources_markdown() -> str:
    """Every source, with the first sentence of its module."""
    rows = []
    for name, factory in SOURCES.items():
        words = sys.modules[factory.__module__].__doc__ or ""
        rows.append((f"`{name}`", " ".join(words.split("\n\n")[0].split())))
    return table(("source", "reads"), rows)


def metrics_markdown() -> str:
    """Every metric, with type and labels."""
    rows = [
        (f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), text)
        for name, kind, labels, text in metrics_table()
    ]
    return table(("metric", "type", "labels", "meaning"), rows)


#: Every table that the documents must hold, once.
TABLES: Mapping[str, Callable[[], str]] = {
    "exit-codes": exit_codes_markdown,
    "metrics": metrics_markdown,
    "settings": settings_markdown,
    "sources": sources_markdown,
}


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Markdown of a table; a bar inside a cell is escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n"
        for line in lines
    )


def documents() -> list[Path]:
    """The documents that may hold tables."""
    return [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]


def tables_in(text: str) -> list[str]:
    """Names of the tables that a document has a place for."""
    return [name for name in TABLES for _ in _place(name).finditer(text)]


def renewed(text: str) -> str:
    """The document with each of its tables as the code has it now."""
    for name, make in TABLES.items():
        fresh = f"<!-- {name} -->\n\n{make().strip()}\n\n<!-- /{name} -->"
        text = fresh.join(_place(name).split(text))
    return text


def _place(name: str) -> re.Pattern[str]:
    return re.compile(rf"^<!-- {name} -->$.*?^<!-- /{name} -->$", re.MULTILINE | re.S)


def main() -> None:
    """Renew the tables; say which documents changed and which tables have no place."""
    held: list[str] = []
    for path in documents():
        old = path.read_text(encoding="utf-8")
        new = renewed(old)
        held += tables_in(new)
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: renewed")
    for name in TABLES.keys() - held:
        print(f"no document has a place for it: <!-- {name} --> ... <!-- /{name} -->")


if __name__ == "__main__":
    main()
