"""Both lanes of landing read the same: what is read natively is what ``UsageReader`` reads."""

import csv
import io
import json
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.ingestion import plain_rows
from assets.ingestion.plain_rows import PlainRows
from connectors.deliveries import Block, Unreadable
from connectors.file_formats import read_blocks, read_rows
from connectors.json_rows import json_row
from connectors.native_rows import numbered
from connectors.postgres_rows import PostgresRows, RowFormat
from models.delivered import Reason, Rejection
from models.exact_json import read_json
from models.usage import UsageReader

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
SOURCE = "gate'way"

MAPPINGS = [
    None,
    {"id": "event.id", "value": "usage.amount"},
    {"metadata": "data"},
    {"metadata": {"region": "attributes.region", 'the "plan"': "plan", "v": "value"}},
    {"value": {"const": "1"}, "dimension_id": {"const": "it's"}},
    {"tenant_id": "attributes.tenant", "metadata": "attributes"},
    {"tenant_id": "ID", "corrects": "id"},
    {"tenant_id": "value", "corrects": "value"},
]


@contextmanager
def few_rows_are_enough():
    before = plain_rows.FEWEST_ROWS, plain_rows.MAX_MISSES
    plain_rows.FEWEST_ROWS, plain_rows.MAX_MISSES = 1, 1_000
    try:
        yield
    finally:
        plain_rows.FEWEST_ROWS, plain_rows.MAX_MISSES = before


def told(number, row, reader):
    """Return what becomes of a row, in a form that can be compared."""
    record = row if isinstance(row, Unreadable) else reader.read(row)
    if isinstance(record, (Rejection, Unreadable)):
        return number, str(record.reason)
    return number, *meaning(record)


def meaning(record):
    *fields, metadata, corrects = record[:8]
    # As jsonb: blanks and the order of keys do not count, digits do.
    content = None if metadata is None else sorted(read_json(metadata).items())
    return (
        *fields,
        [(name, type(value).__name__, value) for name, value in content or ()],
        metadata is None,
        corrects,
    )


def slow(rows, fields, zone):
    reader = UsageReader(SOURCE, fields, zone, NOW)
    return [told(number, row, reader) for number, row in rows]


def both_lanes(data, file_format, fields, zone):
    """Return what becomes of each row of a file, and how many were read natively."""
    return both_lanes_of(read_blocks(io.BytesIO(data), file_format), fields, zone)


def both_lanes_of(blocks, fields, zone):
    reader = UsageReader(SOURCE, fields, zone, NOW)
    plain = PlainRows(SOURCE, fields, zone, NOW)
    found, native_count = [], 0
    for block in blocks:
        left = None
        if block.native is not None:
            tables, left = plain.read(block.native)
            for table in tables:
                native_count += table.num_rows
                found += map(landed, table.to_pylist())
        found += [told(number, row, reader) for number, row in block.left(left)]
    return sorted(found, key=lambda row: row[0]), native_count


def landed(row):
    number = row.pop("row_number")
    row["record_key"] = row["record_key"].hex()
    order = ("record_key", "record_id", "occurred_at", "tenant_id", "dimension_id", "value")
    return number, *meaning([*(row[name] for name in order), row["metadata"], row["corrects"]])


def compare(data, file_format, fields, zone, expected):
    return compare_blocks(read_blocks(io.BytesIO(data), file_format), fields, zone, expected)


def compare_blocks(blocks, fields, zone, expected):
    with few_rows_are_enough():
        found, native_count = both_lanes_of(blocks, fields, zone)
    assert found == slow(expected, fields, zone)
    return native_count


# Values as JSON text, which may say what Python's writer never would.

ODD_TEXTS = st.sampled_from(
    ["", " ", "x", "0", "-0", "1e5", "1.50", "true", "null", "NaN", "nan", "é", "\u00a0", "\u00a0x",
     "\u2028", "x" * 255, "x" * 256, "é" * 200, "a\tb", "a\nb", 'say "hi"', "back\\slash", "\x00",
     "\ud800", "\U0001f600", "~", "\x7f", "it's", "a\x1fb", '{"a": 1}', ":{", ":[", "]", ",}",
     "Infinity", "007", "+5", "12", ".5", "5.", "1_000", "\uff11\uff12", "/"]
)  # fmt: skip
TEXTS = ODD_TEXTS | st.text(max_size=8)
RAW_NUMBERS = st.sampled_from(
    ["0", "-0", "0.0", "-0.0", "1", "-1", "1.0", "1.10", "10.50", "1e5", "1E5", "1.5e3", "1e-7",
     "0.0000001", "0.000001", "0.123456789", "0.1234567891", "0.1000000000000000055", "1e400",
     "-1e400", "1e5000", "12345678901234567", "9007199254740993", "9007199254740993.0",
     "18446744073709551615", "18446744073709551616", "-9223372036854775809",
     "12345678901234567890123456789", "123456789012345678901234567890",
     "12345678901234567890123456789.123456789", "99999999999999999999999999999.9999999999",
     "100000000000000000000000000000", "123456.789", "0.3", "2.675", "1" * 400, "9" * 5000,
     "NaN", "Infinity", "-Infinity"]
)  # fmt: skip
NUMBERS = RAW_NUMBERS | st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str) | (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
)  # fmt: skip
WORDS = st.sampled_from(["null", "true", "false"])
INVALID = st.sampled_from(
    ["nan", "inf", "01", "+1", ".5", "5.", "'x'", "", '"\\ud800"', '"\\u0000"']
)


def quoted(texts):
    return st.tuples(texts, st.booleans()).map(lambda pair: written(*pair))


def written(text, is_ascii):
    is_half = any("\ud800" <= character <= "\udfff" for character in text)
    return json.dumps(text, ensure_ascii=is_ascii or is_half)


SCALARS = quoted(TEXTS) | NUMBERS | WORDS
INSTANTS = st.sampled_from(
    ["2026-03-01T00:00:00Z", "2026-03-01T00:00:00.1Z", "2026-03-01T00:00:00.1234567Z",
     "2026-03-01T00:00:00.123456789+00:00", "2026-03-01 00:00:00", "2026-03-01 00:00:00+00",
     "2026-03-01T00:00:00", "2026-03-01t00:00:00z", "2026-03-01T00:00:00-00:30",
     "2026-03-01T00:00:00+0530", "2026-03-01T00:00:00+14:30", "2026-03-01T00:00:00-15:00",
     "2026-03-01T00:00:00+23:59", "2026-02-29T00:00:00Z", "2026-02-30T00:00:00Z",
     "2024-02-29T23:59:59.999999Z", "2026-03-01T24:00:00Z", "2026-03-01T23:59:60Z",
     "2026-13-01T00:00:00Z", "1899-12-31T00:00:00Z", "1900-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
     "9999-12-31T23:59:59Z", "2026-04-02T12:00:00Z", "2026-04-02T12:00:00.000001Z",
     "2026-04-02T11:00:00-01:00", "2026-04-02T11:00:00-01:01", "2026-04-02 14:00:00+02",
     "2026-03-29T02:30:00", "2026-10-25T02:30:00", "2026-3-1T00:00:00Z", " 2026-03-01T00:00:00Z",
     "2026-03-01T00:00Z", "2026-03-01", "1772323200", "", "\uff12026-03-01T00:00:00Z",
     "2026-03-01T00:00:00.Z", "2026-03-01T00:00:00.123456+02:00", "infinity", "epoch"]
) | st.datetimes(timezones=st.timezones() | st.none()).map(datetime.isoformat)  # fmt: skip
KEYS = st.sampled_from(["a", "region", "é", "x y", "a.b", "'", "*", "$", "[0]"]) | st.text(
    st.characters(codec="utf-8"), max_size=4
)
PAIR_STYLES = [(",", ":"), (", ", ": "), (" , ", " : "), (",\t", ":")]


@st.composite
def objects(draw, values, keys=KEYS, max_size=4):
    """An object as JSON text, as keys and values; a key may come twice."""
    comma, colon = draw(st.sampled_from(PAIR_STYLES[:2]))
    pairs = draw(st.lists(st.tuples(keys, values), max_size=max_size))
    inner = comma.join(json.dumps(key, ensure_ascii=False) + colon + value for key, value in pairs)
    return "{" + inner + "}"


FLAT = objects(SCALARS)
LISTS = st.lists(SCALARS, max_size=3).map(lambda items: f"[{','.join(items)}]")
NESTED = objects(SCALARS | FLAT | LISTS)
DEEP = st.sampled_from(['{"a":' * 150 + "1" + "}" * 150, "[" * 2_000 + "]" * 2_000])
ANY = SCALARS | NESTED | LISTS | DEEP | INVALID
ODD = {
    "id": ANY,
    "timestamp": quoted(INSTANTS) | ANY,
    "tenant_id": ANY,
    "dimension_id": ANY,
    "value": NUMBERS | NUMBERS.map(lambda text: f'"{text}"') | ANY,
    "metadata": FLAT | FLAT.map(json.dumps) | ANY,
    "corrects": ANY,
    "time": quoted(INSTANTS),
    "customer_id": SCALARS,
    "recordValue": NUMBERS,
    "type": quoted(TEXTS),
    "specversion": SCALARS,
    "data": objects(SCALARS, st.sampled_from(["value", "model", "n"])) | NESTED | ANY,
    "data.value": SCALARS,
    "usage": objects(SCALARS, st.sampled_from(["amount", "unit"])) | ANY,
    "event": objects(SCALARS, st.just("id")) | quoted(FLAT),
    "attributes": objects(SCALARS, st.sampled_from(["region", "tenant"])) | ANY,
    "plan": SCALARS,
    "ID": SCALARS,
    "other": ANY,
}
BASES = [
    {"id": '"a"', "timestamp": '"2026-03-01T00:00:00Z"', "tenant_id": '"acme"',
     "dimension_id": '"calls"', "value": "1.5", "metadata": '{"a":"b"}'},
    {"specversion": '"1.0"', "id": '"a"', "time": '"2026-03-01T00:00:00Z"', "subject": '"acme"',
     "type": '"calls"', "data": '{"value":3,"model":"m"}'},
    {"id": "17", "timestamp": '"2026-03-01T00:00:00Z"', "customer_id": "42", "event": '{"id":"e"}',
     "dimension_id": '"calls"', "usage": '{"amount":"2.50"}', "corrects": "null",
     "attributes": '{"region":"eu","tenant":"t"}', "plan": '"pro"', "metadata": '"{\\"a\\":1}"'},
]  # fmt: skip


@st.composite
def json_lines(draw):
    """Lines of few shapes, in which here and there a value, a key or a blank is odd."""
    comma, colon = draw(st.sampled_from(PAIR_STYLES))
    end = draw(st.sampled_from(["\n", "\r\n", " \n"]))
    lines = []
    for number in range(draw(st.integers(1, 8))):
        row = list(draw(st.sampled_from(BASES)).items())
        row[0] = (row[0][0], row[0][1].replace("a", f"a{number}"))
        for name in draw(st.lists(st.sampled_from(sorted(ODD)), max_size=2)):
            is_there = name in dict(row)
            value = draw(ODD[name])
            if is_there and draw(st.integers(0, 9)):
                row = [(key, value if key == name else old) for key, old in row]
            else:
                row.append((name, value))
        text = comma.join(f'"{name}"{colon}{value}' for name, value in row)
        text = "{" + text + draw(st.sampled_from(["", "", "", "", "", ",", " "])) + "}"
        lines.append(draw(st.sampled_from(["", "", "", "", " "])) + text + end)
    data = "".join(lines).encode("utf-8", "surrogatepass")
    return data[: -len(end)] if draw(st.booleans()) else data


def lines_by_hand(data):
    """The rows of JSON lines, read in the plainest way."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            yield number, json_row(line.strip())


# In an object that is taken apart, a key that DuckDB takes for all keys.
STAR_LINES = (
    b'{"id":"a","time":"2026-03-01T00:00:00Z","subject":"acme","type":"calls",'
    b'"specversion":"1.0","data":{"*":0,"value":3}}\n'
) * 2

# What is no object in the first line is one in the second.
NO_OBJECT_FIRST = (
    b'{"id":"a","time":"2026-03-01T00:00:00Z","subject":"acme","type":"calls",'
    b'"specversion":"1.0","data":0}\n'
    b'{"id":"b","time":"2026-03-01T00:00:00Z","subject":"acme","type":"calls",'
    b'"specversion":"1.0","data":{"value":3,"model":"m"}}\n'
)

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
ZONES = st.sampled_from([ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")])


@settings(deadline=None, max_examples=60, suppress_health_check=SLOW)
@given(json_lines(), st.sampled_from(MAPPINGS), ZONES)
@example(STAR_LINES, None, ZoneInfo("UTC"))
@example(NO_OBJECT_FIRST, {"value": {"const": "1"}}, ZoneInfo("UTC"))
def test_both_lanes_read_the_same_of_json_lines(data, fields, zone):
    compare(data, "jsonl", fields, zone, lines_by_hand(data))


CELLS = st.one_of(
    TEXTS, NUMBERS, INSTANTS, FLAT, objects(quoted(ODD_TEXTS)), st.just('{"a": "b", "n": 1.10}')
)
COLUMNS = [
    ["id", "timestamp", "tenant_id", "dimension_id", "value", "metadata"],
    ["value", "recordValue", "ID", "id", "time", "timestamp", "customer_id", "type", "corrects"],
    ["id", "timestamp", "tenant_id", "type", "usage.amount", "data", "event", "value", "plan"],
    ["specversion", "id", "time", "subject", "type", "value", "metadata"],
]
LIKELY_CELLS = {
    "data": st.just('{"value": 3, "a": "b"}'),
    "event": st.just('{"id": "e1"}'),
    "value": NUMBERS,
    "usage.amount": NUMBERS,
    "timestamp": INSTANTS,
    "time": INSTANTS,
    "metadata": FLAT | NESTED,
}
PLAIN_CELLS = {
    "timestamp": "2026-03-01T00:00:00Z", "time": "2026-03-01 00:00:00.5+01:00", "value": "1.5",
    "recordValue": "7", "usage.amount": "2.50", "metadata": '{"region":"eu"}', "corrects": "",
    "data": "", "event": "", "specversion": "",
}  # fmt: skip


@st.composite
def csv_files(draw):
    """A file with a cell here and there that is odd, and quotes where they need not be."""
    header = draw(st.sampled_from(COLUMNS))
    out = io.StringIO()
    end = draw(st.sampled_from(["\n", "\r\n"]))
    for number in range(-1, draw(st.integers(1, 8))):
        cells = header if number < 0 else [PLAIN_CELLS.get(name, f"x{number}") for name in header]
        if number >= 0:
            for name in draw(st.lists(st.sampled_from(header), max_size=3)):
                cells = [
                    draw(st.just("") | LIKELY_CELLS.get(name, CELLS) | CELLS)
                    if at == name
                    else cell
                    for at, cell in zip(header, cells, strict=True)
                ]
            cells = cells[: draw(st.sampled_from([99, 99, 99, 2]))]
        quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
        csv.writer(out, quoting=quoting, lineterminator=end).writerow(cells)
        out.write(
            draw(st.sampled_from(["", "", "", "", end, 'a"b,"c"d' + end, '"', "\ufeff", "  "]))
        )
    data = out.getvalue().encode("utf-8", "surrogatepass")
    return data[: -len(end)] if draw(st.booleans()) else data


def csv_by_hand(data):
    """The rows of CSV, read in the plainest way."""
    lines = [line + b"\n" for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    lines[-1] = lines[-1][:-1]
    texts = [line.decode("utf-8", "backslashreplace") for line in lines if line]
    reader, header, done = csv.reader(texts, strict=True), None, 0
    while done < len(texts):
        try:
            cells, is_broken = next(reader), False
        except StopIteration:
            return
        except csv.Error:
            cells, is_broken = [], True
        first, done = done, reader.line_num
        raw = b"".join(lines[first:done])
        if not raw.strip():
            continue
        if header is None:
            header = cells
        elif b"\x00" in raw or not is_utf8(raw):
            yield first + 1, Unreadable(Reason.INVALID_ENCODING, "", "")
        elif is_broken or len(cells) != len(header):
            yield first + 1, Unreadable(Reason.UNREADABLE_ROW, "", "")
        else:
            yield first + 1, dict(zip(header, cells, strict=True))


def is_utf8(raw):
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@settings(deadline=None, max_examples=60, suppress_health_check=SLOW)
@given(csv_files(), st.sampled_from(MAPPINGS[:5]), ZONES)
def test_both_lanes_read_the_same_of_csv(data, fields, zone):
    compare(data, "csv", fields, zone, csv_by_hand(data))


def texts(values):
    return values.filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))


MOMENTS = st.datetimes(datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2100-01-01"))
TYPES = {
    pa.string(): texts(CELLS),
    pa.large_string(): texts(CELLS),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.int8(): st.integers(-128, 127),
    pa.float64(): st.floats() | st.decimals(places=3, min_value=-99, max_value=99).map(float),
    pa.float32(): st.floats(width=32),
    pa.decimal128(38, 9): st.decimals(-(10**28), 10**28, places=9),
    pa.decimal128(20, 12): st.decimals(-(10**7), 10**7, places=12),
    pa.timestamp("us", tz="UTC"): MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC)),
    pa.timestamp("us"): MOMENTS,
    pa.timestamp("ns", tz="Asia/Kathmandu"): MOMENTS.map(lambda at: at.replace(tzinfo=UTC)),
    pa.date32(): st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    pa.bool_(): st.booleans(),
    pa.binary(): st.binary(max_size=4),
    pa.map_(pa.string(), pa.string()): st.dictionaries(texts(ODD_TEXTS), texts(ODD_TEXTS)).map(
        lambda pairs: list(pairs.items())
    ),
    pa.struct({"value": pa.int64(), "x": pa.string()}): st.just({"value": 1, "x": "y"}),
}


@st.composite
def parquet_tables(draw):
    """A table some of whose columns have a type of their own."""
    names = draw(st.sampled_from(COLUMNS))
    size = draw(st.integers(1, 6))
    odd = draw(st.lists(st.sampled_from(names), max_size=2))
    columns = []
    for name in names:
        plain = [PLAIN_CELLS.get(name, f"x{number}") for number in range(size)]
        kind = draw(st.sampled_from(sorted(TYPES, key=str))) if name in odd else pa.string()
        if name in odd:
            likely = texts(LIKELY_CELLS.get(name, CELLS)) if kind == pa.string() else st.none()
            values = st.none() | likely | TYPES[kind]
            plain = draw(st.lists(values, min_size=size, max_size=size))
        columns.append(pa.array(plain, kind))
    return pa.table(columns, names=names)


def parquet_by_hand(table):
    return enumerate(table.to_pylist(maps_as_pydicts="lossy"), start=1)


@settings(deadline=None, max_examples=60, suppress_health_check=SLOW)
@given(parquet_tables(), st.sampled_from(MAPPINGS[:5]), ZONES)
def test_both_lanes_read_the_same_of_parquet(table, fields, zone):
    file = io.BytesIO()
    pq.write_table(table, file)
    compare(file.getvalue(), "parquet", fields, zone, parquet_by_hand(table))


TEXT, NUMERIC, TIMESTAMP, TIMESTAMPTZ, JSON, JSONB = 25, 1700, 1114, 1184, 114, 3802


def is_valid_json(text):
    try:
        json.loads(text, parse_constant=pytest.fail)
    except (ValueError, RecursionError, pytest.fail.Exception):
        return False
    return True


LOCAL_INSTANTS = st.sampled_from(
    ["2026-03-01 00:00:00", "2026-03-01 00:00:00.1", "2026-03-01 00:00:00.123456",
     "1899-12-31 23:59:59.999999", "1900-01-01 00:00:00", "2026-04-02 12:00:00",
     "2026-04-02 12:00:00.000001", "9999-12-31 23:59:59", "19000-01-01 00:00:00",
     "0001-01-01 00:00:00", "2026-03-29 02:30:00"]
)  # fmt: skip
ENDLESS = st.sampled_from(["infinity", "-infinity"])
# What the server writes for values of its types.
WRITTEN = {
    TEXT: texts(CELLS).filter(lambda text: "\x00" not in text),
    NUMERIC: st.sampled_from(
        [
            "0",
            "0.000",
            "1.50",
            "0.123456789",
            "-0.123456789",
            "0.1234567891",
            "1.23456789012",
            "1234567890.12",
            "12345678901",
            "9" * 29,
            "9" * 30,
            "9" * 29 + "." + "9" * 9,
            "9" * 400,
            "99999999999999999999999999999.9999999999",
            "NaN",
            "Infinity",
            "-Infinity",
        ]
    )
    | st.decimals(allow_nan=False, allow_infinity=False, places=3).map("{:f}".format),
    TIMESTAMP: LOCAL_INSTANTS | ENDLESS | st.just("0044-03-15 00:00:00 BC"),
    TIMESTAMPTZ: LOCAL_INSTANTS.map("{}+00".format)
    | ENDLESS
    | st.just("0044-03-15 00:00:00+00 BC"),
    JSON: texts(FLAT | NESTED | LISTS | DEEP | SCALARS).filter(is_valid_json),
    JSONB: st.dictionaries(KEYS, st.none() | st.booleans() | st.integers() | st.just("a{b"))
    .map(lambda content: json.dumps(content, ensure_ascii=False))
    .filter(lambda text: "\\u0000" not in text)
    | st.just('{"a": {"b": 1}}'),
}
WRITTEN_PLAINLY = {
    TEXT: st.sampled_from(["a", "b"]),
    NUMERIC: st.sampled_from(["1", "2.50"]),
    TIMESTAMP: st.just("2026-03-01 00:00:00.5"),
    TIMESTAMPTZ: st.just("2026-03-01 00:00:00.5+00"),
    JSON: st.just('{"n":1.10}'),
    JSONB: st.just('{"n": 1.10}'),
}


@st.composite
def copied_rows(draw):
    """Columns of a table, and its rows as ``COPY`` writes them, a cell here and there being odd."""
    columns = {
        "id": draw(st.sampled_from([TEXT, NUMERIC])),
        "timestamp": draw(st.sampled_from([TIMESTAMP, TIMESTAMPTZ, TEXT])),
        "tenant_id": TEXT,
        "dimension_id": draw(st.sampled_from([TEXT, TIMESTAMPTZ])),
        "value": draw(st.sampled_from([NUMERIC, TEXT])),
        "metadata": draw(st.sampled_from([JSON, JSONB, TEXT])),
        "recordValue": draw(st.sampled_from([NUMERIC, TEXT])),
    }
    odd = st.integers(0, 9).map(lambda number: number == 0)
    rows = [
        [draw(st.none() | WRITTEN[oid] if draw(odd) else WRITTEN_PLAINLY[oid]) for oid in oids]
        for oids in [list(columns.values())] * draw(st.integers(1, 12))
    ]
    left_out = draw(st.sampled_from([[], ["recordValue"], ["metadata"]]))
    kept = [place for place, name in enumerate(columns) if name not in left_out]
    named = [(name, oid) for name, oid in columns.items() if name not in left_out]
    return named, [[row[place] for place in kept] for row in rows]


ESCAPES = str.maketrans(dict(zip("\\\b\f\n\r\t\v", [f"\\{c}" for c in "\\bfnrtv"], strict=True)))


def copied(cell):
    return b"\\N" if cell is None else cell.translate(ESCAPES).encode()


@settings(deadline=None, max_examples=60, suppress_health_check=SLOW)
@given(
    copied_rows(),
    st.sampled_from([None, {"metadata": {"at": "timestamp", "v": "value"}}]),
    ZONES,
)
def test_both_lanes_read_the_same_of_what_postgres_writes(table, fields, zone):
    columns, cells = table
    rows = postgres_rows(columns, [list(map(copied, row)) for row in cells])
    compare_blocks([Block(native=rows)], fields, zone, rows.rows_at(range(len(cells))))


def postgres_rows(columns, rows):
    described = [*columns, ("is_seen", 16)]
    row_format = RowFormat([SimpleNamespace(name=name, type_code=oid) for name, oid in described])
    table, _ = row_format.parsed(b"".join(b"\t".join([*row, b"f\n"]) for row in rows))
    return PostgresRows(row_format, numbered(table, 1))


@pytest.mark.parametrize("content", [JSON, JSONB])
def test_usual_rows_of_postgres_are_read_natively_to_the_last_row(content):
    columns = {"id": TEXT, "timestamp": TIMESTAMPTZ, "tenant_id": TEXT, "dimension_id": TEXT,
               "value": NUMERIC, "metadata": content}  # fmt: skip
    row = [b"a", b"2026-03-01 00:00:00.5+00", b"acme", b"calls", b"12345678901.25", b'{"a": "b"}']
    rows = postgres_rows([*columns.items()], [row] * 200)
    assert both_lanes_of([Block(native=rows)], None, ZoneInfo("UTC"))[1] == 200


def test_bytes_of_a_database_that_are_no_text_break_their_own_row():
    columns = [*dict.fromkeys(["id", "timestamp", "tenant_id", "dimension_id"], TEXT).items()]
    plain = [b"a", b"2026-03-01 00:00:00+00", "é".encode(), b"calls", b"1"]
    broken = [b"b", b"2026-03-01 00:00:00+00", b"\xe9", b"calls", b"1"]
    rows = postgres_rows([*columns, ("value", NUMERIC)], [plain, broken])
    with few_rows_are_enough():
        found, _ = both_lanes_of([Block(native=rows)], None, ZoneInfo("UTC"))
    assert (found[0][2], found[1]) == ("a", (2, "invalid_encoding"))


ONE_ROW = {
    "id": "a",
    "timestamp": "2026-03-01T00:00:00Z",
    "tenant_id": "acme",
    "dimension_id": "calls",
    "value": "1",
}
ODD_METADATA = [
    *(f'{{"a":{value}}}' for value in ["007", "-0", "01.5", "1.50", "1e5", "9" * 400, "9" * 5000]),
    *(f'{{"a":"{text}"}}' for text in ["\\x", "\\u0000", "\\ud800", "\\/", "\\n", "\\u00e9"]),
    *('{"a":1,}', '{"a": NaN}', '{"a":1}x', '{"a":1,"a":2}', " {}", "{}", "[]", '"x"', "5"),
    json.dumps({f"key {number}": f"value {number}" for number in range(50)}),
]
EVENT = {"specversion": "1.0", "data": {"value": 3, "a": "b"}}
ODD_LINES = [
    EVENT,
    {**EVENT, "metadata": None},
    {**EVENT, "metadata": ""},
    {**EVENT, "metadata": {"c": "d"}},
    {**EVENT, "data": {}},
    {**EVENT, "data": {"value": 3, "a": {"b": 1}}},
    {**EVENT, "data": [1]},
    {"metadata": {"a": "b" * 2_000}},
    {"tenant_id": "a\ud800"},
    {"metadata": {"a": "\ud800"}},
    {"other": [[1.50], {"a": None}]},
]
ODD_ROWS = [
    *({"metadata": text} for text in ODD_METADATA),
    {"value": "", "data": '{"value": 3}'},
    {"value": "", "recordValue": "2", "data": '{"value": 3}'},
    {"tenant_id": "a\x00b"},
    {"specversion": "1.0", "data": '{"value": 3, "a": "b"}'},
    {"corrects": "a"},
    {"id": ""},
]
ODD_COLUMNS = [
    {"value": pa.array([0.1], pa.float32())},
    {"value": pa.array([1e300])},
    {"value": pa.array([True])},
    {"metadata": pa.array([5])},
    {"metadata": pa.array([Decimal("1.5")])},
    {"tenant_id": pa.array([Decimal("1.50")])},
    {"tenant_id": pa.array(["a\x00b"])},
    {"tenant_id": pa.array([1.5])},
    {"tenant_id": pa.array([b"acme"])},
    {"tenant_id": pa.array([b"\xff"])},
    {"timestamp": pa.array([1772323200])},
    {"timestamp": pa.array([253402300800000000], pa.timestamp("us", tz="UTC"))},
    {"timestamp": pa.array([-1], pa.timestamp("ns"))},
    {"specversion": pa.array(["1.0"]), "data": pa.array([{"value": 1, "a": "b"}])},
    {"data.value": pa.array([5]), "value": pa.array([None], pa.string())},
]


@pytest.mark.parametrize("changes", ODD_ROWS, ids=str)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_both_lanes_read_the_same_of_an_odd_row(changes, zone):
    row = {**ONE_ROW, **changes}
    out = io.StringIO()
    writer = csv.DictWriter(out, list(row))
    writer.writeheader()
    writer.writerow(row)
    data = out.getvalue().encode()
    compare(data, "csv", None, ZoneInfo(zone), csv_by_hand(data))


@pytest.mark.parametrize("changes", [*ODD_ROWS, *ODD_LINES], ids=str)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["dense", "spaced"])
def test_both_lanes_read_the_same_of_an_odd_line(changes, separators):
    data = as_lines([{**ONE_ROW, **changes}], separators=separators, ensure_ascii=True)
    compare(data, "jsonl", None, ZoneInfo("UTC"), lines_by_hand(data))


@pytest.mark.parametrize(
    "changes",
    ODD_COLUMNS,
    ids=lambda changes: ", ".join(f"{name} {column.type}" for name, column in changes.items()),
)
def test_both_lanes_read_the_same_of_an_odd_column(changes):
    columns = {name: pa.array([value]) for name, value in ONE_ROW.items()}
    table = pa.table({**columns, **changes})
    file = io.BytesIO()
    pq.write_table(table, file)
    rows = read_rows(io.BytesIO(file.getvalue()), "parquet")
    compare(file.getvalue(), "parquet", None, ZoneInfo("UTC"), rows)


@pytest.mark.parametrize("field", ["corrects", "metadata"])
def test_both_lanes_look_into_the_json_of_a_column(field):
    cells = [b"", b'"{""x"":""r""}"', b'"{""x"":{""a"":1}}"', b"{}", b"5"]
    data = b"id,timestamp,tenant_id,dimension_id,value,data\n" + b"".join(
        b"r%d,2026-03-01T00:00:00Z,acme,calls,1,%s\n" % (number, cell)
        for number, cell in enumerate(cells)
    )
    compare(data, "csv", {field: "data.x"}, ZoneInfo("UTC"), csv_by_hand(data))


ROWS = [
    {"id": f"r{number}", "timestamp": "2026-03-01T00:00:00.5Z", "tenant_id": "acme",
     "dimension_id": "calls", "value": f"{number}.250", "metadata": {"region": "eu", "seats": 3}}
    for number in range(1_000)
]  # fmt: skip


def as_lines(rows, **style):
    return "".join(json.dumps(row, **style) + "\n" for row in rows).encode()


def as_csv(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows({**row, "metadata": json.dumps(row["metadata"])} for row in rows)
    return out.getvalue().encode()


def as_parquet(rows):
    file = io.BytesIO()
    pq.write_table(
        pa.table(
            {
                "id": [row["id"] for row in rows],
                "timestamp": pa.array([datetime(2026, 3, 1, tzinfo=UTC)] * len(rows)),
                "tenant_id": ["acme"] * len(rows),
                "dimension_id": pa.array(["calls"] * len(rows)).dictionary_encode(),
                "value": pa.array([Decimal(row["value"]) for row in rows], pa.decimal128(20, 3)),
                "metadata": [json.dumps(row["metadata"]) for row in rows],
            }
        ),
        file,
    )
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "file_format"),
    [
        (as_lines(ROWS), "jsonl"),
        (as_lines(ROWS, separators=(",", ":")), "jsonl"),
        (as_lines([{**row, "value": float(row["value"])} for row in ROWS]), "jsonl"),
        (as_lines([{**row, "metadata": json.dumps(row["metadata"])} for row in ROWS]), "jsonl"),
        (as_lines(ROWS).replace(b'.250"', b".250").replace(b'"value": "', b'"value": '), "jsonl"),
        (as_csv(ROWS), "csv"),
        (as_parquet(ROWS), "parquet"),
    ],
)
def test_usual_files_are_read_natively_to_the_last_row(data, file_format):
    found, native_count = both_lanes(data, file_format, None, ZoneInfo("UTC"))
    assert (len(found), native_count) == (1_000, 1_000)
    assert all(len(row) > 2 for row in found)


def test_cloudevents_and_rows_of_several_shapes_are_read_natively():
    events = [
        {"specversion": "1.0", "id": f"e{number}", "time": "2026-03-01T00:00:00Z", "subject": "a",
         "type": "tokens", "data": {"value": number, **({"model": "m"} if number % 2 else {})}}
        for number in range(1_000)
    ]  # fmt: skip
    data = as_lines(events)
    found, native_count = both_lanes(data, "jsonl", None, ZoneInfo("UTC"))
    assert native_count == 1_000
    assert found == slow(lines_by_hand(data), None, ZoneInfo("UTC"))


def test_bad_rows_are_split_off_from_the_good_ones():
    lines = as_lines(ROWS).splitlines(keepends=True)
    lines[10] = b"{broken\n"
    lines[20] = b'{"id": "\xff"}\n'
    lines[30] = lines[30].replace(b"30.250", b"NaN")
    data = b"".join(lines)
    found, native_count = both_lanes(data, "jsonl", None, ZoneInfo("UTC"))
    assert native_count == 997
    assert found == slow(lines_by_hand(data), None, ZoneInfo("UTC"))
    assert [row for row in found if len(row) == 2] == [
        (11, "unreadable_row"), (21, "invalid_encoding"), (31, "bad_value")
    ]  # fmt: skip
