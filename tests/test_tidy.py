"""House rules as a test: sizes, words, data that loads, documents that are true."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import monitor
from tests.docs_tables import TABLES, documents, renewed, tables_in

ROOT = Path(__file__).parents[1]

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 5

#: Made by tools, or not ours.
SKIPPED = {"build", "dist", "LICENSE"}

#: Dotted names are tools' own but for this one.
OUR_DOTTED = {".ci"}

UNFINISHED = re.compile(r"\b(?:TO(?:DO)|FIX(?:ME)|XX(?:X))\b")

#: Written so that this file does not hold what it forbids.
MACHINE_PATH = re.compile(r"/(?:work|farm|root|home/\w+|Users/\w+)/|bash_(?:jobs)")
PACKAGE_HOST = re.compile(
    r"registry\.npmjs|pypi\.org|files\.python|repo1?\.maven|proxy\.golang"
    r"|index\.crates|deb\.debian"
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def our_files(folder: Path = ROOT) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        name = path.name
        if name in SKIPPED or name == "__pycache__" or name.endswith(".egg-info"):
            continue
        if path.is_dir() and (not name.startswith(".") or name in OUR_DOTTED):
            yield from our_files(path)
        elif path.is_file():
            yield path


def python_files(*tops: str) -> Iterator[Path]:
    return (path for top in tops for path in our_files(ROOT / top) if is_python(path))


def is_python(path: Path) -> bool:
    return path.suffix == ".py"


def functions(source: str) -> Iterator[Function]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            yield node


def lines_of(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def parameters_of(function: Function) -> int:
    """How many; ``self`` is none, nor is what a person gives a command by name."""
    named = function.args
    every = [*named.posonlyargs, *named.args, *named.kwonlyargs]
    return sum(one.arg not in ("self", "cls") and not is_option(one) for one in every)


def is_option(parameter: ast.arg) -> bool:
    hint = ast.unparse(parameter.annotation) if parameter.annotation else ""
    return hint.endswith(("Option", "Argument"))


def too_long(source: str) -> list[str]:
    return [
        f"{one.name}: {lines_of(one)} lines"
        for one in functions(source)
        if lines_of(one) > MAX_FUNCTION_LINES
    ]


def too_many_parameters(source: str) -> list[str]:
    return [
        f"{one.name}: {parameters_of(one)} parameters"
        for one in functions(source)
        if parameters_of(one) > MAX_PARAMETERS
    ]


def prints(source: str) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


def found_in(path: Path, *patterns: re.Pattern[str]) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return []
    return [
        f"{path.relative_to(ROOT)}:{number}: {hit[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for pattern in patterns
        if (hit := pattern.search(line))
    ]


def test_no_file_is_too_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in python_files("monitor", "tests")
        if (lines := path.read_text().count("\n")) > MAX_FILE_LINES
    }
    assert long == {}


def test_no_function_is_too_long() -> None:
    long = {
        str(path.relative_to(ROOT)): names
        for path in python_files("monitor", "tests")
        if (names := too_long(path.read_text()))
    }
    assert long == {}


def test_no_function_takes_too_many_parameters() -> None:
    wide = {
        str(path.relative_to(ROOT)): names
        for path in python_files("monitor")
        if (names := too_many_parameters(path.read_text()))
    }
    assert wide == {}


def test_nothing_prints_past_the_terminal_layer() -> None:
    printing = {
        str(path.relative_to(ROOT)): lines
        for path in python_files("monitor")
        if (lines := prints(path.read_text()))
    }
    assert printing == {}


def test_nothing_is_left_unfinished_or_names_a_machine() -> None:
    patterns = (UNFINISHED, MACHINE_PATH, PACKAGE_HOST)
    assert [hit for path in our_files() for hit in found_in(path, *patterns)] == []


@pytest.mark.parametrize(
    "path",
    [path for path in our_files() if path.suffix in (".toml", ".json", ".jsonl")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_data_files_load(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        assert tomllib.loads(text)
    elif path.suffix == ".json":
        assert json.loads(text)
    else:
        assert all(json.loads(line) for line in text.splitlines())


def test_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?v?(\d+\.\d+\.\d+)", text, re.MULTILINE)
    assert versions[0] == monitor.__version__


@pytest.mark.parametrize("name", TABLES)
def test_each_table_has_one_place(name: str) -> None:
    held = [table for path in documents() for table in tables_in(path.read_text())]
    assert held.count(name) == 1, f"<!-- {name} --> and <!-- /{name} --> in a document"


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_tables_in_documents_are_the_codes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert renewed(text) == text, "run: make docs"


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_links_in_documents_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_rules_see_what_they_forbid() -> None:
    body = "    x = 1\n"
    assert too_long("def f():\n" + body * (MAX_FUNCTION_LINES - 1)) == []
    assert too_long("def f():\n" + body * MAX_FUNCTION_LINES) == ["f: 61 lines"]
    assert too_many_parameters("def f(self, a, b, c, d, e): ...") == []
    assert too_many_parameters("def f(a, b, c, *, d, e, f): ...") == ["f: 6 parameters"]
    assert too_many_parameters("def f(a, b, c, d, e, x: FileOption): ...") == []
    assert prints("x = 1\nprint(x)\nconsole.print(x)") == [2]
    assert UNFINISHED.search("# TO" + "DO: later")
    assert MACHINE_PATH.search("cd /wo" + "rk/main")
    assert PACKAGE_HOST.search("https://pypi" + ".org/simple")
