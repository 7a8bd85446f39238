"""Usage records: what is read, exactly, and what is refused, with its reason."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.delivered import Reason, Rejection
from models.exact_json import read_json, storable, write_json
from models.usage import UsageReader, UsageRecord, read_usage_record, record_key

NOW = datetime(2026, 4, 1, tzinfo=UTC)
BASE = {
    "id": "r1",
    "timestamp": "2026-03-01T12:00:00Z",
    "tenant_id": "acme",
    "dimension_id": "calls",
    "value": "1",
}


def read(fields=None, zone="UTC", **changes):
    row = {name: value for name, value in {**BASE, **changes}.items() if value is not ...}
    return read_usage_record(row, fields, "gateway", zone, NOW)


def reason(**changes):
    result = read(**changes)
    assert isinstance(result, Rejection), result
    return result.reason


def test_the_standard_names_are_read():
    record = read(metadata={"region": "eu"}, corrects="r0")
    assert isinstance(record, UsageRecord)
    assert record.occurred_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert (record.tenant_id, record.dimension_id, record.value) == ("acme", "calls", Decimal(1))
    assert record.metadata == '{"region":"eu"}'
    assert record.record_key == record_key("gateway", "r1")
    assert record.corrects == "r0"


@pytest.mark.parametrize("name", ["tenant_id", "customer_id", "customerId", "subject"])
def test_tenants_have_other_names(name):
    assert read(**{"tenant_id": ..., name: "acme"}).tenant_id == "acme"


def test_an_empty_standard_name_gives_way_to_the_next():
    assert read(tenant_id="", customer_id="acme").tenant_id == "acme"


def test_a_cloudevent_is_read():
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "svc",
        "type": "tokens",
        "subject": "acme",
        "time": "2026-03-01T12:00:00+02:00",
        "data": {"value": "12.5", "model": "xl"},
    }
    record = read_usage_record(event, None, "gateway", "UTC", NOW)
    assert (record.dimension_id, record.tenant_id) == ("tokens", "acme")
    assert record.value == Decimal("12.5")
    assert record.occurred_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert record.metadata == '{"model":"xl"}'


def test_the_format_of_a_paigo_record_is_read():
    row = {
        "timestamp": "2026-03-01T12:00:00Z",
        "customerId": "acme",
        "dimensionId": "calls",
        "recordValue": "7",
    }
    assert read_usage_record(row, None, "gateway", "UTC", NOW).value == 7


def test_fields_map_columns_paths_and_constants():
    fields = {
        "timestamp": "at",
        "tenant_id": "who.account",
        "dimension_id": {"const": "calls"},
        "value": "payload.n",
        "metadata": {"region": "where", "model": "payload.model"},
    }
    row = {
        "at": "2026-03-01T12:00:00Z",
        "who.account": "a column of that very name",
        "payload": '{"n": 1.50, "model": "xl"}',
        "where": "eu",
    }
    record = read_usage_record(row, fields, "gateway", "UTC", NOW)
    assert record.tenant_id == "a column of that very name"
    assert record.value == Decimal("1.50")
    assert record.metadata == '{"region":"eu","model":"xl"}'


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("1.10", "1.1"),
        (" 1 ", "1"),
        ("1e3", "1000"),
        ("-0.0", "0"),
        ("-0e99999", "0"),
        (7, "7"),
        (0.1, "0.1"),
        (Decimal("2.5"), "2.5"),
        ("0.1234567891", "0.123456789"),
        ("0.0000000005", "0"),
        ("0.0000000015", "0.000000002"),
        ("1e-400", "0"),
        ("9" * 29, "9" * 29),
        (".5", "0.5"),
        ("+5.", "5"),
    ],
)
def test_values_are_exact_or_rounded_half_even_to_nine_decimals(given_value, expected):
    assert read(value=given_value).value == Decimal(expected)


def test_rounding_is_told():
    assert read(value="0.1234567891").is_rounded
    assert not read(value="0.123456789").is_rounded
    assert not read(value="0.1234567890000").is_rounded


@pytest.mark.parametrize(
    "bad",
    [
        *("NaN", "Infinity", "-inf", float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN")),
        *("1_000", "1,5", "0x10", "abc", "٣", "1e29", "9" * 30, "9" * 29 + ".9999999999"),
        *("1e999999", True, [1], {"n": 1}),
    ],
)
def test_what_is_no_number_of_ours_is_refused(bad):
    assert reason(value=bad) is Reason.BAD_VALUE


@pytest.mark.parametrize("field", ["timestamp", "tenant_id", "dimension_id", "value"])
@pytest.mark.parametrize("nothing", [..., None, "", "  "])
def test_a_missing_field_is_named(field, nothing):
    result = read(**{field: nothing})
    assert result == Rejection(Reason.MISSING_FIELD, f"there is no {field}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01t12:00:00z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01 12:00:00+00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00+05:45", datetime(2026, 3, 1, 6, 15, tzinfo=UTC)),
        ("2026-03-01T12:00:00.123456789Z", datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-01T12:00:00.5Z", datetime(2026, 3, 1, 12, 0, 0, 500000, tzinfo=UTC)),
        ("2026-03-01T12:00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (datetime(2026, 3, 1, 12), datetime(2026, 3, 1, 12, tzinfo=UTC)),  # noqa: DTZ001
        (
            datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))),
            datetime(2026, 3, 1, 10, tzinfo=UTC),
        ),
    ],
)
def test_timestamps_become_utc(text, expected):
    assert read(timestamp=text).occurred_at == expected


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-01-15 12:00:00", datetime(2026, 1, 15, 11, tzinfo=UTC)),
        # 02:30 comes twice on 25 October 2025 in Berlin: the first one counts.
        ("2025-10-26 02:30:00", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        # 02:30 does not come at all on 29 March 2026: the winter's offset still holds.
        ("2026-03-29 02:30:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
)
def test_times_without_offset_are_in_the_time_zone_of_the_source(local, expected):
    assert read(zone="Europe/Berlin", timestamp=local).occurred_at == expected


@pytest.mark.parametrize(
    "bad",
    [
        *("2026-03-01", "2026-02-30T00:00:00Z", "2026-03-01T25:00:00Z", "1772366400", 1772366400),
        *("20260301T120000Z", "2026-W09-7T12:00:00Z", "yesterday", "0001-01-01T00:00:00+14:00"),
        *("2026-03-01T12:00:60Z", True),
    ],
)
def test_what_is_no_rfc_3339_timestamp_is_refused(bad):
    assert reason(timestamp=bad) is Reason.BAD_TIMESTAMP


def test_a_timestamp_more_than_a_day_ahead_is_refused():
    assert isinstance(read(timestamp="2026-04-02T00:00:00Z"), UsageRecord)
    assert reason(timestamp="2026-04-02T00:00:01Z") is Reason.FUTURE_TIMESTAMP


def test_names_have_at_most_255_characters():
    assert isinstance(read(id="ä" * 255), UsageRecord)
    for field in ("id", "tenant_id", "dimension_id", "corrects"):
        assert reason(**{field: "x" * 256}) is Reason.ID_TOO_LONG


@pytest.mark.parametrize("bad", ["a\x00b", "a\ud800b"])
def test_what_postgres_cannot_store_is_refused(bad):
    for field in ("id", "tenant_id", "dimension_id", "corrects"):
        assert reason(**{field: bad}) is Reason.INVALID_ENCODING
    assert reason(metadata={"k": bad}) is Reason.INVALID_ENCODING
    assert reason(metadata={bad: "v"}) is Reason.INVALID_ENCODING


def test_an_escaped_backslash_is_no_nul():
    assert read(metadata={"k": "\\u0000"}).metadata == '{"k":"\\\\u0000"}'


def test_names_may_be_numbers_but_no_structures():
    assert read(id=17).record_id == "17"
    assert reason(id=["a"]) is Reason.BAD_FIELD
    assert reason(tenant_id=True) is Reason.BAD_FIELD


def test_a_record_cannot_correct_itself():
    assert reason(corrects="r1") is Reason.BAD_CORRECTION


def test_metadata_keeps_its_numbers_digit_by_digit():
    row = read_json('{"a": 1.10, "b": 12345678901234567890, "c": true, "d": null, "e": 1E2}')
    expected = '{"a":1.10,"b":12345678901234567890,"c":true,"d":null,"e":1E2}'
    assert read(metadata=row).metadata == expected
    assert read(metadata='{"a": 1.10}').metadata == '{"a":1.10}'


@pytest.mark.parametrize(
    "bad", [{"a": {"b": 1}}, {"a": [1]}, [1], "no json", "[1]", 5, '{"a": NaN}', '{"a": 1e200000}']
)
def test_metadata_is_a_flat_object(bad):
    assert reason(metadata=bad) is Reason.BAD_METADATA


def test_rows_without_id_are_known_by_content_and_occurrence():
    def ids(rows):
        reader = UsageReader("gateway", None, UTC, NOW)
        return [reader.read(row).record_id for row in rows]

    row = {**BASE}
    del row["id"]
    other = {**row, "value": "2"}
    reordered = dict(reversed(row.items()))
    assert ids([row, other, reordered]) == ids([row, other, row])
    assert len(set(ids([row, row, other]))) == 3
    assert set(ids([row, other, row])) == set(ids([other, row, row]))
    # A column that no field is mapped from still tells two rows apart.
    assert ids([{**row, "request": "1"}]) != ids([{**row, "request": "2"}])


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.decimals()
    | st.datetimes()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*BASE, "metadata", "corrects", "data", "x"]), anything))
def test_every_row_is_a_record_or_has_a_reason(changes):
    result = read_usage_record({**BASE, **changes}, None, "gateway", "UTC", NOW)
    if isinstance(result, Rejection):
        assert result.reason in Reason
        storable(result.detail).encode()
    else:
        assert result.value.is_finite()
        assert result.occurred_at.tzinfo is UTC
        assert abs(result.value) < Decimal(10) ** 29
        assert -result.value.as_tuple().exponent <= 9


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(anything)
def test_a_row_in_quarantine_can_be_read_again(value):
    text = storable(write_json({"v": value}))
    assert "\x00" not in text
    again = read_json(text)
    assert storable(write_json(again)) == text


def test_what_is_nested_to_the_limit_can_still_be_kept():
    row = read_json('{"value": ' + "[" * 900 + "]" * 900 + "}")
    assert write_json(row).count("[") == 900
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json("[" * 100_000)
