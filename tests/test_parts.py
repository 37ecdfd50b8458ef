"""The two sessions of ``python -m tests``: all tests, and no failure is hidden."""

import pytest

from tests.__main__ import worse
from tests.parts import LIVE_MARKS, Part

_PASSED, _FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED
_NONE = pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("marks", [set(), {"timeout"}, *({one} for one in LIVE_MARKS)])
def test_every_test_is_in_one_part(marks: set[str]) -> None:
    assert [part.has(marks) for part in Part].count(True) == 1


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (_PASSED, _PASSED, _PASSED),
        (_PASSED, _FAILED, _FAILED),
        (_FAILED, _PASSED, _FAILED),
        (_PASSED, _NONE, _PASSED),
        (_NONE, _PASSED, _PASSED),
        (_FAILED, _NONE, _FAILED),
        (_NONE, _FAILED, _FAILED),
        (_NONE, _NONE, _NONE),
        (_PASSED, -9, -9),
    ],
)
def test_no_failure_is_hidden(first: int, second: int, both: int) -> None:
    assert worse(first, second) == both
