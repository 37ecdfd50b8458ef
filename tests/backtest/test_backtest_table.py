import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.backtest import table
from monitor.backtest.table import Row, Table, read_table
from monitor.errors import ConfigError
from monitor.events import COLUMNS, Cell

T0 = 1_767_571_200


def read(text: str, step: int | None = None) -> Table:
    return read_table("x.csv", text.splitlines(keepends=True), step, 600.0)


def rows(text: str, step: int | None = None) -> list[Row]:
    return [placed.item for placed in read(text, step).rows]


def counts(**named: int) -> list[int]:
    return [named.get(name, 0) for name in COLUMNS]


def test_columns_come_in_any_order_and_what_is_missing_is_unknown() -> None:
    text = f"hard,campaign,attempts,time\n2,c1,10,{T0}\n"
    assert rows(text) == [
        Row(T0, Cell("", "", "c1", "", ""), counts(attempts=10, delivered=8, hard=2))
    ]


def test_delivered_is_what_neither_bounced_nor_was_deferred() -> None:
    text = f"time,attempts,hard,block,deferral,bounce\n{T0},100,3,7,5,4\n"
    assert rows(text)[0].counts[COLUMNS.index("delivered")] == 91


def test_delivered_may_be_given() -> None:
    text = f"time,attempts,hard,delivered\n{T0},100,3,50\n"
    assert rows(text)[0].counts[COLUMNS.index("delivered")] == 50


@pytest.mark.parametrize(
    "time",
    [
        f"{T0}",
        f"{T0}.75",
        "2026-01-05T00:00:00Z",
        "2026-01-05 00:00",
        "2026-01-05T01:00:00+01:00",
    ],
)
def test_times(time: str) -> None:
    assert rows(f"time,attempts,hard\n{time},1,0\n")[0].time == T0


def test_headers_of_other_tools_are_read() -> None:
    text = f"\ufeffTime, IP ,attempts,hard\r\n{T0},192.0.2.1,10.0,\r\n\r\n"
    # The mark of byte order is taken off with the encoding.
    [row] = rows(text.removeprefix("\ufeff"))
    assert row == Row(
        T0, Cell("", "192.0.2.1", "", "", ""), counts(attempts=10, delivered=10)
    )


@pytest.mark.parametrize("step", [1, 7, 10, 60, 300, 3600])
def test_the_step_is_learned_from_the_times(step: int) -> None:
    times = [T0 + 5 + number * step for number in (0, 1, 1, 4, 5)]
    made = read("time,attempts,hard\n" + "".join(f"{time},1,0\n" for time in times))
    assert (made.step, made.phase) == (step, (T0 + 5) % step)


def test_a_short_table_is_sorted() -> None:
    text = f"time,attempts,hard\n{T0 + 7200},1,0\n{T0},2,0\n{T0 + 3600},3,0\n"
    assert [row.counts[0] for row in rows(text)] == [2, 3, 1]


def test_a_long_table_must_be_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "LOOK_AHEAD_ROWS", 2)
    text = f"time,attempts,hard\n{T0},1,0\n{T0 + 900},1,0\n{T0 + 500},1,0\n{T0},1,0\n"
    with pytest.raises(ConfigError, match=r"line 5: 900 s older .*sort"):
        rows(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "x.csv: line 0: column 'time' is missing"),
        ("time,attempts,hard\n", "no rows"),
        ("time,hard\n1,1\n", "line 1: column 'attempts' is missing"),
        ("time,attempts\n1,1\n", "line 1: no channel is counted"),
        ("time,attempts,hard,hard\n", "line 1: column 'hard' is there twice"),
        ("time,attempts,hard,isp\n", "line 1: no such column: 'isp' (time, provider"),
        (f"time,attempts,hard\n{T0},1\n", "line 2: 2 fields (the header has 3)"),
        (f"time,attempts,hard\n{T0},9,1\n{T0},9,x\n", "line 3: hard 'x'"),
        (f"time,attempts,hard\n{T0},9,-1\n", "line 2: hard '-1'"),
        (f"time,attempts,hard\n{T0},9,1.5\n", "line 2: hard '1.5'"),
        (f"time,attempts,hard\n{T0},1e99,1\n", "line 2: attempts '1e99'"),
        (f"time,attempts,hard\n{T0},nan,1\n", "line 2: attempts 'nan'"),
        (
            f"time,attempts,hard\n{T0},1,2\n",
            "line 2: more hard than attempts",
        ),
        ("time,attempts,hard\nnoon,1,1\n", "line 2: time 'noon'"),
        ("time,attempts,hard\n12,1,1\n", "line 2: time '12'"),
        ("time,attempts,hard\ninf,1,1\n", "line 2: time 'inf'"),
        (f'time,attempts,hard\n{T0},"1,1\n', "line 2: not CSV (unexpected end"),
        (
            f"time,attempts,hard,ip\n{T0},1,1,{'x' * 201}\n",
            "line 2: a name is",
        ),
        (f"time,attempts,hard\n{T0},1,1\n{T0 + 7200},1,1\n", "7200 s apart"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rows(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_table_or_refused(text: str) -> None:
    lines = ["time,attempts,hard\n", *text.splitlines(keepends=True)]
    try:
        made = list(read_table("x", lines, None, 600.0).rows)
    except ConfigError as error:
        said = str(error)
    else:
        said = "x: " if made else ""
    assert said.startswith("x: ")
