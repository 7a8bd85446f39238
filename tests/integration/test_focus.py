"""Bills in FOCUS columns: every line with its exact cost, a billing period replaced as a whole."""

import csv
import gzip
import io
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from assets.ingestion.pulling import pull
from connectors.deliveries import SourceUnavailable
from models.settings import FocusSource
from models.tables import raw

AS_OF = datetime(2026, 4, 20, tzinfo=UTC)
SAMPLES = os.environ.get("METERHOUSE_SAMPLES")
BASE = {
    "ChargePeriodStart": "2026-03-01T00:00:00Z",
    "ChargePeriodEnd": "2026-03-02T00:00:00Z",
    "BillingPeriodStart": "2026-03-01T00:00:00Z",
    "BillingPeriodEnd": "2026-04-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ServiceName": "Compute",
    "BilledCost": "1.00",
    "EffectiveCost": "0.75",
    "ListCost": "2",
    "BillingCurrency": "USD",
    "ProviderName": "AWS",
    "Tags": '{"tenant": "acme"}',
}


def source(path="**/*", **settings):
    return FocusSource(name="bill", type="focus", path=path, **settings)


def as_csv(*rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, list({name: 1 for row in rows for name in row}))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def row(**changes):
    return {**BASE, **changes}


def lines(warehouse, *columns):
    table = raw.cost_lines
    with warehouse.begin() as connection:
        statement = select(*[table.c[name] for name in columns]).order_by(
            table.c.delivery_id, table.c.row_number
        )
        return [tuple(found) for found in connection.execute(statement)]


def current_cost(warehouse):
    deliveries, table = raw.deliveries.c, raw.cost_lines.c
    with warehouse.begin() as connection:
        latest = select(func.max(deliveries.delivery_id)).group_by(deliveries.object)
        statement = select(func.sum(table.billed_cost)).where(table.delivery_id.in_(latest))
        return connection.execute(statement).scalar()


def test_a_csv_file_lands_as_cost_lines(tmp_path, warehouse):
    (tmp_path / "bill.csv.gz").write_bytes(
        gzip.compress(as_csv(row(), row(BilledCost="-0.00000080000", Tags="NULL", ListCost="NULL")))
    )
    report = pull(source(), warehouse, AS_OF, directory=tmp_path)
    assert (report.landed_count, report.quarantined_count) == (2, 0)
    columns = ("billed_cost", "effective_cost", "list_cost", "tags", "is_estimated")
    assert lines(warehouse, *columns) == [
        (Decimal(1), Decimal("0.75"), Decimal(2), {"tenant": "acme"}, False),
        (Decimal("-0.0000008"), Decimal("0.75"), None, {}, False),
    ]
    assert pull(source(), warehouse, AS_OF, directory=tmp_path).delivery_count == 0


def test_a_bill_of_a_running_period_is_an_estimate(tmp_path, warehouse):
    (tmp_path / "bill.csv").write_bytes(as_csv(row(BillingPeriodEnd="2999-04-01T00:00:00Z"), row()))
    pull(source(), warehouse, AS_OF, directory=tmp_path)
    assert lines(warehouse, "is_estimated") == [(True,), (False,)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"BilledCost": ""}, "missing_field"),
        ({"BilledCost": "NULL"}, "missing_field"),
        ({"BilledCost": "abc"}, "bad_value"),
        ({"EffectiveCost": "NaN"}, "bad_value"),
        ({"BilledCost": "1" + "0" * 26}, "bad_value"),
        ({"ServiceName": ""}, "missing_field"),
        ({"BillingCurrency": "dollars"}, "bad_field"),
        ({"ChargePeriodStart": "yesterday"}, "bad_timestamp"),
        ({"ChargePeriodEnd": "2026-03-01T00:00:00Z"}, "bad_timestamp"),
        ({"Tags": "no json"}, "bad_field"),
        ({"Tags": '{"a": {"b": 1}}'}, "bad_field"),
    ],
)
def test_a_line_that_cannot_be_read_is_quarantined(tmp_path, warehouse, changes, reason):
    (tmp_path / "bill.csv").write_bytes(as_csv(row(**changes), row()))
    report = pull(source(), warehouse, AS_OF, directory=tmp_path)
    assert report.quarantined_by_reason == {reason: 1}
    assert report.landed_count == 1


def test_newer_and_older_names_of_columns(tmp_path, warehouse):
    newer = row(ServiceProviderName="Azure")
    del newer["ProviderName"]
    (tmp_path / "a.csv").write_bytes(as_csv(newer))
    (tmp_path / "b.csv").write_bytes(
        as_csv({name.lower(): value for name, value in row(x_Discounts="1").items()})
    )
    pull(source(), warehouse, AS_OF, directory=tmp_path)
    assert lines(warehouse, "provider_name") == [("Azure",), ("AWS",)]


def test_parquet_with_maps_and_doubles_as_aws_writes_it(tmp_path, warehouse):
    instant = pa.timestamp("ms")
    table = pa.table(
        {
            **{name: [value] for name, value in BASE.items() if "Period" not in name},
            **{
                name: pa.array([datetime.fromisoformat(value[:10])], instant)
                for name, value in BASE.items()
                if "Period" in name
            },
            "BilledCost": pa.array([0.1]),
            "EffectiveCost": pa.array([1e-7]),
            "ListCost": pa.array([None], pa.float64()),
            "Tags": pa.array([[("user_tenant", "acme")]], pa.map_(pa.string(), pa.string())),
        }
    )
    pq.write_table(table, tmp_path / "x-00001.snappy.parquet")
    pull(source(), warehouse, AS_OF, directory=tmp_path)
    assert lines(warehouse, "billed_cost", "effective_cost", "tags") == [
        (Decimal("0.1"), Decimal("0.0000001"), {"user_tenant": "acme"})
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bill.parquet", b"PAR1 broken PAR1"),
        ("bill.csv.gz", gzip.compress(as_csv(*[row()] * 1000))[:-50]),
    ],
)
def test_a_broken_file_is_not_landed_and_the_last_good_one_stands(
    tmp_path, warehouse, name, content
):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.csv").write_bytes(as_csv(row()))
    with pytest.raises(SourceUnavailable, match=f"{name}: .*deliver the file again"):
        pull(source(), warehouse, AS_OF, directory=tmp_path)
    assert current_cost(warehouse) == 1


class Export:
    """An export as AWS Data Exports lays it out."""

    def __init__(self, root):
        self.root = root

    def write(self, month, *files, refresh="", names=True):
        period = f"BILLING_PERIOD={month}"
        keys = []
        for number, rows in enumerate(files, start=1):
            key = f"exports/bill/data/{period}/{refresh}bill-{number:05d}.csv.gz"
            self.put(key, gzip.compress(as_csv(*rows)))
            keys.append(f"s3://the-bucket/{key}")
        manifest = {"executionId": refresh, **({"dataFiles": keys} if names else {})}
        key = f"exports/bill/metadata/{period}/{refresh}bill-Manifest.json"
        self.put(key, json.dumps(manifest).encode())

    def put(self, key, content):
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def export(tmp_path):
    return Export(tmp_path)


def pulled(warehouse, export, **settings):
    return pull(source("exports/bill", **settings), warehouse, AS_OF, directory=export.root)


@pytest.mark.parametrize("names", [True, False])
def test_a_manifest_makes_one_delivery_of_all_files_of_its_period(warehouse, export, names):
    export.write("2026-02", [row(), row()], [row()], names=names)
    export.write("2026-03", [row()], names=names)
    report = pulled(warehouse, export)
    assert (report.delivery_count, report.landed_count) == (2, 4)
    with warehouse.begin() as connection:
        objects = connection.execute(select(raw.deliveries.c.object)).scalars().all()
    assert [name.rpartition("/")[2] for name in objects] == [
        "BILLING_PERIOD=2026-02",
        "BILLING_PERIOD=2026-03",
    ]
    assert pulled(warehouse, export).delivery_count == 0


def test_files_without_a_manifest_wait_for_it(warehouse, export):
    export.put("exports/bill/data/BILLING_PERIOD=2026-03/bill-00001.csv", as_csv(row()))
    assert pulled(warehouse, export, manifest=True).delivery_count == 0
    export.write("2026-02", [row()])
    assert pulled(warehouse, export).landed_count == 1


def test_a_refreshed_period_replaces_the_earlier_one(warehouse, export):
    export.write("2026-03", [row(), row()], refresh="20260401T000000Z-one/")
    pulled(warehouse, export)
    assert current_cost(warehouse) == 2
    export.write("2026-03", [row(BilledCost="5")], refresh="20260402T000000Z-two/")
    newest = export.root / "exports/bill/metadata/BILLING_PERIOD=2026-03/20260402T000000Z-two"
    os.utime(newest / "bill-Manifest.json", (2e9, 2e9))
    assert pulled(warehouse, export).delivery_count == 1
    assert current_cost(warehouse) == 5


def test_a_manifest_whose_files_are_not_there_lands_nothing(warehouse, export):
    export.write("2026-03", [row()], [row()])
    (export.root / "exports/bill/data/BILLING_PERIOD=2026-03/bill-00002.csv.gz").unlink()
    with pytest.raises(SourceUnavailable, match=r"bill-00002\.csv\.gz, which is not there"):
        pulled(warehouse, export)
    assert current_cost(warehouse) is None


def test_a_manifest_without_any_file_lands_nothing(warehouse, export):
    export.put("exports/bill/metadata/BILLING_PERIOD=2026-03/bill-Manifest.json", b"{}")
    with pytest.raises(SourceUnavailable, match=r"BILLING_PERIOD=2026-03/, which is not there"):
        pulled(warehouse, export)


def test_a_broken_file_keeps_the_whole_period_as_it_was(warehouse, export):
    export.write("2026-03", [row()], [row()])
    pulled(warehouse, export)
    export.write("2026-03", [row(BilledCost="7")], [row()])
    broken = export.root / "exports/bill/data/BILLING_PERIOD=2026-03/bill-00002.csv.gz"
    broken.write_bytes(broken.read_bytes()[:-12])
    export.put(
        "exports/bill/metadata/BILLING_PERIOD=2026-03/bill-Manifest.json",
        json.dumps({"executionId": "new"}).encode(),
    )
    with pytest.raises(SourceUnavailable, match="breaks off"):
        pulled(warehouse, export)
    assert current_cost(warehouse) == 2


def test_a_manifest_that_is_no_json_is_told(warehouse, export):
    export.put("exports/bill/metadata/BILLING_PERIOD=2026-03/bill-Manifest.json", b"{")
    with pytest.raises(SourceUnavailable, match="is not JSON"):
        pulled(warehouse, export)


def test_files_of_no_known_format_are_told(tmp_path, warehouse):
    (tmp_path / "bill.zip").write_bytes(b"PK")
    with pytest.raises(SourceUnavailable, match=r"none of its 1 files .*Set `format"):
        pull(source(), warehouse, AS_OF, directory=tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path, warehouse):
    with pytest.raises(SourceUnavailable, match="there is no file"):
        pull(source("nowhere"), warehouse, AS_OF, directory=tmp_path)


@pytest.mark.samples
def test_the_real_sample_keeps_its_sums(warehouse):
    """1,000 anonymised real lines; their sums were taken with another tool."""
    path = Path(SAMPLES or "") / "focus" / "focus_sample_1.0.csv"
    report = pull(source(str(path)), warehouse, AS_OF)
    assert (report.delivered_count, report.quarantined_count) == (1000, 0)
    table = raw.cost_lines.c
    with warehouse.begin() as connection:
        statement = select(
            func.sum(table.billed_cost), func.sum(table.effective_cost), func.sum(table.list_cost)
        )
        sums = connection.execute(statement).one()
        tagged = connection.execute(
            select(func.count()).where(table.tags.has_key("business_unit"))
        ).scalar()
    assert tuple(sums) == (
        Decimal("20.520226728990"),
        Decimal("14.976514185860"),
        Decimal("20.390905751190"),
    )
    assert tagged == 660
