"""The demo company: the same bytes from the same seed, and counts that a reader can rely on."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.deliveries import Unreadable
from connectors.file_formats import format_of, read_rows
from models.catalog import Catalog, load_catalog
from models.delivered import Rejection
from models.usage import UsageReader, UsageRecord
from sandbox.company import DEMO_AS_OF
from sandbox.company.company import CompanyManifest, write_company
from sandbox.company.customers import PROFILES, UNMAPPED_TENANT, UNPRICED_DIMENSIONS, tenants
from sandbox.company.delivery import Expected

TEMPLATE = Path(__file__).parents[2] / "sandbox" / "demo_workspace"
SHORT_AS_OF = datetime(2026, 9, 17, 6, tzinfo=UTC)
LOG_FIELDS = {"tenant_id": "customerId", "dimension_id": "dimensionId", "value": "recordValue"}
APP_FIELDS = {
    "id": "event_id",
    "timestamp": "occurred_at",
    "tenant_id": "workspace_id",
    "dimension_id": "metric",
    "value": "quantity",
    "metadata": "details",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CompanyManifest]:
    directory = tmp_path_factory.mktemp("demo") / "company"
    return directory, write_company(directory, as_of=SHORT_AS_OF)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(TEMPLATE / "catalog")


def fingerprint(directory: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in directory.rglob("*") if path.is_file()):
        digest.update(file.relative_to(directory).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def read(
    directory: Path, pattern: str, source: str, fields: dict[str, str] | None
) -> Iterator[UsageRecord | Rejection | Unreadable]:
    for file in sorted(directory.glob(pattern)):
        reader = UsageReader(source, fields, UTC, DEMO_AS_OF)
        with file.open("rb") as stream:
            for _, row in read_rows(stream, format_of(file.name) or "jsonl"):
                yield row if isinstance(row, Unreadable) else reader.read(row)


def content(record: UsageRecord) -> object:
    """Return what makes two records the same, however they are written."""
    metadata = None if record.metadata is None else json.loads(record.metadata)
    return record._replace(metadata=metadata)


def found(rows: Iterator[UsageRecord | Rejection | Unreadable]) -> Expected:
    """Deduplicate and correct as the journal does, in the plainest way."""
    contents: dict[str, object] = {}
    corrected_by: dict[str, str] = {}
    counts = Expected()
    quarantined: Counter[str] = Counter()
    conflicts: Counter[str] = Counter()
    for row in rows:
        counts.delivered += 1
        if not isinstance(row, UsageRecord):
            quarantined[row.reason.value] += 1
        elif row.record_id in contents:
            same = contents[row.record_id] == content(row)
            counts.duplicates += same
            conflicts["conflicting_id"] += not same
        elif row.corrects and corrected_by.setdefault(row.corrects, row.record_id) != row.record_id:
            conflicts["conflicting_correction"] += 1
        else:
            contents[row.record_id] = content(row)
            counts.journaled += 1
    counts.quarantined, counts.conflicts = dict(quarantined), dict(conflicts)
    return counts


def test_the_same_seed_gives_the_same_bytes(
    written: tuple[Path, CompanyManifest], tmp_path: Path
) -> None:
    directory, manifest = written
    again = write_company(tmp_path / "company", as_of=SHORT_AS_OF)
    assert again == manifest
    assert fingerprint(tmp_path / "company") == fingerprint(directory)


def test_what_is_written_is_not_written_again(written: tuple[Path, CompanyManifest]) -> None:
    directory, manifest = written
    steps: list[str] = []
    again = write_company(directory, lambda what, *_: steps.append(what), as_of=SHORT_AS_OF)
    assert again == manifest
    assert not steps


@pytest.mark.parametrize(
    ("source", "pattern", "fields"),
    [
        ("gateway", "s3/acumen-usage/gateway/**/*.*", None),
        ("logs", "logs/*.jsonl.*", LOG_FIELDS),
        ("app_db", "app_db/usage_events.csv", APP_FIELDS),
    ],
)
def test_a_reader_finds_what_the_manifest_says(
    written: tuple[Path, CompanyManifest],
    source: str,
    pattern: str,
    fields: dict[str, str] | None,
) -> None:
    directory, manifest = written
    assert found(read(directory, pattern, source, fields)) == manifest.usage[source]


def test_every_kind_of_disorder_occurs(written: tuple[Path, CompanyManifest]) -> None:
    _, manifest = written
    for source, expected in manifest.usage.items():
        share = Decimal(expected.duplicates) / expected.delivered
        assert Decimal("0.02") < share < Decimal("0.05"), source
        refused = sum(expected.quarantined.values()) + sum(expected.conflicts.values())
        assert expected.delivered == expected.journaled + expected.duplicates + refused
    gateway = manifest.usage["gateway"]
    assert {"unreadable_row", "bad_value", "missing_field"} <= set(gateway.quarantined)
    assert gateway.quarantined["unreadable_file"] == 1
    assert manifest.usage["logs"].quarantined["unreadable_file"] == 1
    assert gateway.conflicts["conflicting_id"] > 0


def test_records_arrive_late_and_are_corrected(written: tuple[Path, CompanyManifest]) -> None:
    directory, _ = written
    records = [
        row
        for row in read(directory, "logs/*.jsonl.*", "logs", LOG_FIELDS)
        if isinstance(row, UsageRecord)
    ]
    corrections = {row.record_id: row for row in records if row.corrects}
    assert any(row.value == 0 for row in corrections.values()), "one cancels"
    assert any(row.corrects in corrections for row in corrections.values()), "one is a chain"
    assert any(row.value != row.value.quantize(Decimal("1e-8")) for row in records), "nine decimals"
    first = {row.occurred_at.date() for row in records[:200]}
    assert len(first) > 1, "records of earlier days lie in later files"


def test_a_mixpanel_property_holds_a_line_separator(written: tuple[Path, CompanyManifest]) -> None:
    directory, _ = written
    assert any(
        "\u2028".encode() in file.read_bytes() for file in (directory / "mixpanel").glob("*.jsonl")
    )


def test_bills_add_up_to_the_manifest(written: tuple[Path, CompanyManifest]) -> None:
    directory, manifest = written
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for text in (directory / "cost_explorer" / "bill.jsonl").read_text().splitlines():
        line = json.loads(text)
        sums[line["date"][:7]] += Decimal(line["amount"])
    assert {month: str(amount) for month, amount in sums.items()} == manifest.billed["aws_bill"]
    sums.clear()
    for file in sorted(directory.glob("s3/acumen-billing/**/*.csv.gz")):
        with file.open("rb") as stream:
            for _, row in read_rows(stream, "csv"):
                assert not isinstance(row, Unreadable)
                sums[row["ChargePeriodStart"][:7]] += Decimal(row["BilledCost"])
    assert {month: str(amount) for month, amount in sums.items()} == manifest.billed["gpu_bill"]


def test_the_catalog_knows_every_tenant_but_one(catalog: Catalog) -> None:
    mapped = {tenant for customer in catalog.customers for tenant in customer.owned_tenants}
    assert {tenant.tenant_id for tenant in tenants()} - mapped == {UNMAPPED_TENANT.tenant_id}
    assert mapped <= {tenant.tenant_id for tenant in tenants()}
    assert len(catalog.customers) >= 42


def test_contracts_and_profiles_agree(catalog: Catalog) -> None:
    customers = {customer.id: customer for customer in catalog.customers}
    for profile in PROFILES:
        customer = customers[profile.customer_id]
        (contract,) = customer.contracts
        assert contract.plan == profile.plan_id
        assert contract.start == profile.first_day
        assert customer.timezone == profile.timezone


def test_plans_price_what_their_customers_use(catalog: Catalog) -> None:
    plans = {plan.id: plan for plan in catalog.plans}
    owners = {
        tenant: customer for customer in catalog.customers for tenant in customer.owned_tenants
    }
    for tenant in tenants():
        if tenant.tenant_id == UNMAPPED_TENANT.tenant_id:
            continue
        plan = plans[owners[tenant.tenant_id].contracts[0].plan]
        priced = {charge.dimension for charge in plan.charges}
        assert set(tenant.dimensions) <= priced, tenant.tenant_id
        assert not priced & set(UNPRICED_DIMENSIONS)
