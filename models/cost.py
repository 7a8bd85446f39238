"""Cost lines: one row of a cloud bill in FOCUS columns, read from any FOCUS 1.x export."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from models.delivered import (
    Reason,
    Rejection,
    RowError,
    read_instant,
    read_metadata,
    read_name,
    read_number,
    refuse_nul,
    shown,
)

COST_DECIMALS = 12
QUANTITY_DECIMALS = 15
WHOLE_DIGITS = 26
QUANTITY_WHOLE_DIGITS = 23

# Our column to the FOCUS columns it may come from: newest name first. Versions up to 1.2 only add
# columns; 1.3 renames the provider.
FOCUS_NAMES: dict[str, tuple[str, ...]] = {
    "charge_period_start": ("ChargePeriodStart",),
    "charge_period_end": ("ChargePeriodEnd",),
    "billing_period_start": ("BillingPeriodStart",),
    "billing_period_end": ("BillingPeriodEnd",),
    "charge_category": ("ChargeCategory",),
    "charge_class": ("ChargeClass",),
    "charge_description": ("ChargeDescription",),
    "provider_name": ("ServiceProviderName", "ProviderName"),
    "billing_account_id": ("BillingAccountId",),
    "sub_account_id": ("SubAccountId",),
    "service_name": ("ServiceName",),
    "service_category": ("ServiceCategory",),
    "region_id": ("RegionId",),
    "resource_id": ("ResourceId",),
    "sku_id": ("SkuId",),
    "billed_cost": ("BilledCost",),
    "effective_cost": ("EffectiveCost",),
    "list_cost": ("ListCost",),
    "contracted_cost": ("ContractedCost",),
    "billing_currency": ("BillingCurrency",),
    "consumed_quantity": ("ConsumedQuantity",),
    "consumed_unit": ("ConsumedUnit",),
    "tags": ("Tags",),
    "is_estimated": ("x_Estimated",),
}

Row = Mapping[str, Any]


class CostLine(NamedTuple):
    """One cost line as delivered; a tuple in the column order of the landing table."""

    charge_period_start: datetime
    charge_period_end: datetime
    billing_period_start: datetime
    billing_period_end: datetime
    charge_category: str
    charge_class: str | None
    charge_description: str | None
    provider_name: str | None
    billing_account_id: str | None
    sub_account_id: str | None
    service_name: str
    service_category: str | None
    region_id: str | None
    resource_id: str | None
    sku_id: str | None
    billed_cost: Decimal
    effective_cost: Decimal
    list_cost: Decimal | None
    contracted_cost: Decimal | None
    billing_currency: str
    consumed_quantity: Decimal | None
    consumed_unit: str | None
    tags: str
    is_estimated: bool
    is_rounded: bool


class CostReader:
    """The reading of one delivered file's cost lines.

    Column names are matched without regard to case and underscores: Athena and Glue write them in
    lower case. Times without offset are UTC. A line of a billing period that has not ended at
    ``now`` is an estimate, whatever the export says: providers restate it until then.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._columns: dict[str, str] = {}
        self._known: frozenset[str] = frozenset()

    def read(self, row: Row) -> CostLine | Rejection:
        """Return the cost line in a row, or why there is none."""
        if row.keys() != self._known:
            self._known = frozenset(row)
            self._columns = _columns_of(row)
        try:
            return self._line({name: _given(row[key]) for name, key in self._columns.items()})
        except RowError as refusal:
            return refusal.rejection
        except UnicodeError:
            return Rejection(Reason.INVALID_ENCODING, "a text of the row is not valid UTF-8")

    def _line(self, row: Row) -> CostLine:
        charge_start, charge_end = _period(row, "charge_period")
        billing_start, billing_end = _period(row, "billing_period")
        billed_cost, billed_rounded = _cost(row, "billed_cost")
        effective_cost, effective_rounded = _cost(row, "effective_cost")
        consumed_quantity, _ = _optional_number(
            row, "consumed_quantity", QUANTITY_DECIMALS, QUANTITY_WHOLE_DIGITS
        )
        return CostLine(
            charge_start,
            charge_end,
            billing_start,
            billing_end,
            read_name("charge_category", row.get("charge_category")),
            _text(row, "charge_class"),
            _text(row, "charge_description"),
            _text(row, "provider_name"),
            _text(row, "billing_account_id"),
            _text(row, "sub_account_id"),
            read_name("service_name", row.get("service_name")),
            _text(row, "service_category"),
            _text(row, "region_id"),
            _text(row, "resource_id"),
            _text(row, "sku_id"),
            billed_cost,
            effective_cost,
            _optional_number(row, "list_cost", COST_DECIMALS, WHOLE_DIGITS)[0],
            _optional_number(row, "contracted_cost", COST_DECIMALS, WHOLE_DIGITS)[0],
            _currency(row),
            consumed_quantity,
            _text(row, "consumed_unit"),
            _tags(row.get("tags")),
            str(row.get("is_estimated")).lower() == "true" or billing_end > self._now,
            billed_rounded or effective_rounded,
        )


def _columns_of(row: Row) -> dict[str, str]:
    """Return our column names and, for each, the key under which this row has it."""
    keys = {key.replace("_", "").lower(): key for key in row}
    columns = {}
    for name, focus_names in FOCUS_NAMES.items():
        for focus_name in focus_names:
            key = keys.get(focus_name.replace("_", "").lower())
            if key is not None:
                columns[name] = key
                break
    return columns


def _given(value: Any) -> Any:
    """Return a delivered value; CSV exports write null as nothing or as the bare word."""
    return None if isinstance(value, str) and value in {"", "NULL"} else value


def _period(row: Row, name: str) -> tuple[datetime, datetime]:
    start = read_instant(f"{name}_start", row.get(f"{name}_start"), UTC)
    end = read_instant(f"{name}_end", row.get(f"{name}_end"), UTC)
    if end <= start:
        raise RowError(Reason.BAD_TIMESTAMP, f"{name} ends before it has begun")
    return start, end


def _cost(row: Row, name: str) -> tuple[Decimal, bool]:
    return read_number(name, row.get(name), decimals=COST_DECIMALS, whole_digits=WHOLE_DIGITS)


def _optional_number(
    row: Row, name: str, decimals: int, whole_digits: int
) -> tuple[Decimal | None, bool]:
    given = row.get(name)
    if given is None:
        return None, False
    return read_number(name, given, decimals=decimals, whole_digits=whole_digits)


def _currency(row: Row) -> str:
    currency = read_name("billing_currency", row.get("billing_currency"))
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        raise RowError(Reason.BAD_FIELD, f"billing_currency {shown(currency)} is not a code")
    return currency.upper()


def _text(row: Row, name: str) -> str | None:
    """Return a descriptive text of any length."""
    given = row.get(name)
    if given is None:
        return None
    text = str(given)
    refuse_nul(text)
    text.encode()
    return text


def _tags(given: Any) -> str:
    """Return tags as a JSON object; no tags are an empty one."""
    if given is None:
        return "{}"
    try:
        return read_metadata(given)
    except RowError as refusal:
        raise RowError(Reason.BAD_FIELD, f"Tags: {refusal}") from refusal
