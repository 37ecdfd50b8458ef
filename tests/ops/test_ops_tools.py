import pytest

from tests.tools import prometheus_tools
from tests.tools.prometheus_tools import Tools, ToolsMissing, find_tools


def test_versions_are_printed(tools: Tools, capsys: pytest.CaptureFixture[str]) -> None:
    versions = tools.versions()
    with capsys.disabled():
        print("", *versions, sep="\n")
    for name, version in zip(Tools._fields, versions, strict=True):
        assert version.startswith(f"{name}, version ")


def test_without_apt_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        ToolsMissing, match=r"put prometheus, promtool.*no apt-get here"
    ):
        find_tools()


def test_main_ends_with_1_and_one_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert prometheus_tools.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
