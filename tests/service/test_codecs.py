"""What is written can be read; what is not ours is refused, cheaply and quietly."""

import tracemalloc
import zlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.counting.policy import MAX_CELLS_PER_SLOT, MAX_NAME_BYTES_PER_SLOT
from monitor.events import (
    COLUMNS,
    Cell,
    Ledger,
    LedgerTally,
    Prefix,
    Reason,
    ReasonCount,
    Tally,
)
from monitor.service.codecs import (
    DEFLATE_FROM_BYTES,
    MAX_BODY_BYTES,
    CountsRecord,
    DecodeError,
    Kind,
    decode_counts,
    encode_tally,
    open_counts,
)
from monitor.service.kafka import MAX_TALLY_BYTES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBER = st.integers(0, 2**53)
SECONDS = st.floats(-1e12, 1e12, allow_nan=False)

PREFIXES = st.builds(
    Prefix,
    fleet=TEXT,
    topic=TEXT,
    partition=st.integers(0, 10_000),
    slot=st.integers(-(2**40), 2**40),
    first=NUMBER,
    to=NUMBER,
    watermark=SECONDS,
)
CELLS = st.builds(Cell, TEXT, TEXT, TEXT, TEXT, TEXT)
REASONS = st.builds(
    ReasonCount,
    provider=TEXT,
    source_ip=TEXT,
    campaign=TEXT,
    reason=st.sampled_from(Reason),
    count=st.integers(1, 2**40),
    sample=TEXT,
    template=st.sampled_from(["", "t1", "t2"]),
)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    cells = draw(st.lists(CELLS, max_size=20, unique=True))
    size = len(cells) * len(COLUMNS) * 4
    reasons = st.lists(
        REASONS,
        max_size=6,
        unique_by=lambda row: (
            *(row.provider, row.source_ip, row.campaign),
            *(row.reason, row.template),
        ),
    )
    return Tally(
        prefix=draw(PREFIXES),
        cells=tuple(cells),
        counts=draw(st.binary(min_size=size, max_size=size)),
        reasons=tuple(draw(reasons)),
    )


LEDGERS = st.builds(
    LedgerTally,
    prefix=PREFIXES,
    ledger=st.builds(
        Ledger, **dict.fromkeys(Ledger.__struct_fields__, st.integers(0, 2**40))
    ),
)

PREFIX = Prefix(
    fleet="default",
    topic="delivery.events",
    partition=3,
    slot=179_534_880,
    first=5,
    to=9,
    watermark=1_795_348_800.5,
)
CELL = Cell("yahoo", "192.0.2.1", "spring", "acme", "")
ROW = bytes(len(COLUMNS) * 4)
TALLY = Tally(prefix=PREFIX, cells=(CELL,), counts=ROW)

#: Nested so deep that a recursive reader gives up.
DEEP = b"\x91" * 100_000 + b"\xc0"

pack = msgspec.msgpack.encode


def envelope(
    body: bytes, *, kind: int = Kind.TALLY, deflated: bool = False, version: int = 1
) -> bytes:
    return pack([version, kind, PREFIX, deflated, body])


def at_time(watermark: float) -> bytes:
    prefix = msgspec.structs.replace(PREFIX, watermark=watermark)
    return pack([1, Kind.TALLY, prefix, False, b""])


def columns(
    names: object = (),
    rows: object = 0,
    codes: object = b"",
    counts: object = b"",
    reasons: object = (),
) -> bytes:
    return pack([names, rows, codes, counts, reasons])


def read(value: bytes | None) -> Tally | LedgerTally:
    return decode_counts(open_counts(value))


def peak_of(action: Callable[[], object]) -> int:
    """Most bytes held at a time while something is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@given(tallies() | LEDGERS)
def test_a_tally_comes_back_as_it_was(tally: Tally | LedgerTally) -> None:
    assert read(encode_tally(tally)) == tally


@given(tallies() | LEDGERS)
def test_the_header_is_read_alone(tally: Tally | LedgerTally) -> None:
    record = open_counts(encode_tally(tally))
    assert record.prefix == tally.prefix
    assert (record.kind is Kind.LEDGER) == isinstance(tally, LedgerTally)
    assert record.deflated == (len(zlib_plain(record)) >= DEFLATE_FROM_BYTES)


def zlib_plain(record: CountsRecord) -> bytes:
    return zlib.decompress(record.body) if record.deflated else record.body


def test_the_body_is_not_looked_at_before_it_is_wanted() -> None:
    record = open_counts(envelope(b"not a body"))
    assert record.prefix == PREFIX
    with pytest.raises(DecodeError):
        decode_counts(record)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    with_refusal(lambda: read(value))
    with_refusal(lambda: read(envelope(value)))
    with_refusal(lambda: read(envelope(value, kind=Kind.LEDGER)))
    with_refusal(lambda: read(envelope(zlib.compress(value), deflated=True)))


def with_refusal(action: Callable[[], object]) -> None:
    try:
        action()
    except DecodeError:
        return


@given(tallies() | LEDGERS, st.integers(0, 2**30), st.integers(1, 255))
def test_a_damaged_record_is_read_or_refused(
    tally: Tally | LedgerTally, place: int, damage: int
) -> None:
    value = bytearray(encode_tally(tally))
    value[place % len(value)] ^= damage
    with_refusal(lambda: read(bytes(value)))
    with_refusal(lambda: read(bytes(value[: place % len(value)])))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="no value"),
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="JSON"),
        pytest.param(envelope(b"", version=2), id="later version"),
        pytest.param(envelope(b"", version=0), id="earlier version"),
        pytest.param(envelope(b"", kind=7), id="unknown kind"),
        pytest.param(envelope(b"", kind=2**63), id="huge kind"),
        pytest.param(DEEP, id="deep"),
        pytest.param(b"\x96" + envelope(b"")[1:] + DEEP, id="deep behind the header"),
        pytest.param(
            pack([1, 0, {**msgspec.to_builtins(PREFIX), "x": 0}, False, b""]).replace(
                b"\xa1x\x00", b"\xa1x" + DEEP
            ),
            id="deep in an unknown field",
        ),
        pytest.param(
            envelope(b"").replace(b"default", b"defaul\xff"), id="fleet not UTF-8"
        ),
        pytest.param(at_time(float("inf")), id="endless watermark"),
        pytest.param(at_time(float("nan")), id="watermark is no number"),
    ],
)
def test_a_bad_header_is_refused(value: bytes | None) -> None:
    with pytest.raises(DecodeError):
        open_counts(value)


NAMES = ["yahoo", ""]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(columns(NAMES, 1, b"\0\0\0\0\2", ROW), id="no such name"),
        pytest.param(columns([], 1, bytes(5), ROW), id="no names"),
        pytest.param(columns(["a", "a"], 1, bytes(5), ROW), id="a name twice"),
        pytest.param(columns(NAMES, 1, b"\xff" * 20, ROW), id="huge index"),
        pytest.param(columns(NAMES, 1, bytes(4), ROW), id="four dimensions"),
        pytest.param(columns(NAMES, 1, bytes(15), ROW), id="three bytes an index"),
        pytest.param(columns(NAMES, -1, b"", b""), id="rows below none"),
        pytest.param(columns(NAMES, 2**63, b"", b""), id="endless rows"),
        pytest.param(columns(NAMES, 1, bytes(5), ROW[1:]), id="torn matrix"),
        pytest.param(columns(NAMES, 1, bytes(5), ROW * 2), id="too many rows"),
        pytest.param(columns(NAMES, 0, b"", ROW), id="rows without cells"),
        pytest.param(columns(counts="text"), id="text for counts"),
        pytest.param(columns(reasons=[(2, 0, 0, "policy", 1, "")]), id="bad reason"),
        pytest.param(
            columns(NAMES, reasons=[(0, 0, 0, "policy", 1, "", 7)]), id="bad template"
        ),
        pytest.param(
            columns(NAMES, reasons=[(0, 0, 0, "policy", 1, "")] * 1_001),
            id="too much evidence",
        ),
        pytest.param(columns([b"\xff"]), id="names are bytes"),
        pytest.param(b"\x95\x91\xa1\xff\0\xc4\0\xc4\0\x90", id="name not UTF-8"),
        pytest.param(b"\x96\x90\0\xc4\0\xc4\0\x90" + DEEP, id="deep unknown column"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="four billion columns"),
    ],
)
def test_a_bad_body_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        read(envelope(body))
    with pytest.raises(DecodeError):
        read(envelope(zlib.compress(body), deflated=True))


def test_a_body_that_is_not_deflated_or_cut_short_is_refused() -> None:
    whole = zlib.compress(columns())
    for body in (b"", b"abc", whole[:-1], columns()):
        with pytest.raises(DecodeError):
            read(envelope(body, deflated=True))


def test_a_bomb_is_refused_in_bounded_memory() -> None:
    bomb = zlib.compress(bytes(4 * MAX_BODY_BYTES), 9)
    assert len(bomb) < 100_000
    assert peak_of(lambda: read(envelope(bomb, deflated=True))) < 4 * MAX_BODY_BYTES


def test_a_body_of_endless_rows_is_refused_before_they_are_made() -> None:
    count = MAX_BODY_BYTES // 6 - 100
    bomb = zlib.compress(columns([""], count, bytes(5 * count)))
    assert peak_of(lambda: read(envelope(bomb, deflated=True))) < 4 * MAX_BODY_BYTES


def test_the_largest_tally_fits_into_a_record() -> None:
    # Names that do not shrink: only as many as a slot lets in, see ``OpenSlot``.
    length = MAX_NAME_BYTES_PER_SLOT // MAX_CELLS_PER_SLOT
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
    stream = (letters[(number * number * 7919 >> 5) % 64] for number in range(10**9))
    cells = tuple(
        Cell("yahoo", "", "".join(next(stream) for _ in range(length - 5)), "", "")
        for _ in range(MAX_CELLS_PER_SLOT // 10)
    )
    tally = Tally(prefix=PREFIX, cells=cells, counts=ROW * len(cells))
    assert 10 * len(encode_tally(tally)) < MAX_TALLY_BYTES


def test_reasons_of_a_newer_version_read_as_undetermined_and_lose_no_counts() -> None:
    reasons = [
        (0, 1, 1, "eaten_by_a_grue", 2, "first"),
        (0, 1, 1, "policy", 4, "no"),
        (0, 1, 1, "lost_in_the_post", 3, "second"),
        (0, 1, 1, "eaten_by_a_grue", 7, "third", "t1"),
        (0, 1, 1, "lost_in_the_post", 1, "fourth", "t1"),
    ]
    tally = read(envelope(columns(NAMES, 1, b"\0\1\1\1\1", ROW, reasons)))
    assert isinstance(tally, Tally)
    found = [(row.reason, row.count, row.sample, row.template) for row in tally.reasons]
    assert found == [
        (Reason.UNDETERMINED, 5, "first", ""),
        (Reason.POLICY, 4, "no", ""),
        (Reason.UNDETERMINED, 8, "third", "t1"),
    ]


def test_columns_of_a_newer_version_are_ignored() -> None:
    body = pack([NAMES, 1, b"\0\1\1\1\1", ROW, [], "more", {"and": "more"}])
    assert read(envelope(body)) == Tally(
        prefix=PREFIX, cells=(Cell("yahoo", "", "", "", ""),), counts=ROW
    )
