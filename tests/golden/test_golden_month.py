"""One month rated by hand: August 2026 of three customers, every amount spelt out."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

CATALOG = Path(__file__).parent / "august" / "catalog"
AS_OF = datetime(2026, 9, 3, tzinfo=UTC)


def usage(record_id, timestamp, tenant, dimension, value, **more):
    return {
        "id": record_id,
        "timestamp": timestamp,
        "tenant_id": tenant,
        "dimension_id": dimension,
        "value": value,
        **more,
    }


USAGE = [
    # Acme: 1.5 GB and 0.25 GB + 1 byte before the 21st, 2 GB after; two tenants, one customer.
    usage("a1", "2026-08-11T00:00:00Z", "acme-prod", "data", "1500000000"),
    usage("a2", "2026-08-20T23:59:59.999999Z", "acme-eu", "data", "250000001"),
    usage("a3", "2026-08-21T00:00:00Z", "acme-prod", "data", "2000000000"),
    # Before the contract, after the month: not on this invoice.
    usage("a4", "2026-08-10T23:59:59Z", "acme-prod", "data", "9000000000"),
    usage("a5", "2026-09-01T00:00:00Z", "acme-prod", "data", "9000000000"),
    # Nine calls, one of them cancelled, and one more: nine, of which two are included.
    *[usage(f"c{n}", f"2026-08-2{n}T10:00:00Z", "acme-prod", "calls", "1") for n in range(9)],
    usage("c8-cancelled", "2026-08-29T10:00:00Z", "acme-prod", "calls", "0", corrects="c8"),
    usage("c9", "2026-08-30T10:00:00Z", "acme-eu", "calls", "1"),
    # Kolkata is UTC+5:30: its August ends at 18:30 UTC of the 31st, inside an hour.
    usage("g1", "2026-07-31T18:30:00Z", "kolkata", "gpu", "100000"),
    usage("g2", "2026-08-31T18:29:59Z", "kolkata", "gpu", "50500"),
    usage("g3", "2026-08-31T18:30:00Z", "kolkata", "gpu", "999999"),
    usage("s1", "2026-08-05T00:00:00Z", "kolkata", "seats", "3"),
    usage("s2", "2026-08-15T00:00:00Z", "kolkata", "seats", "5"),
    usage("s3", "2026-08-25T00:00:00Z", "kolkata", "seats", "4"),
    # Berlin: the latest level counts, corrected from 130 to 120; three users, one of them twice.
    usage("b1", "2026-08-10T00:00:00Z", "berlin", "storage", "150"),
    usage("b2", "2026-08-20T00:00:00Z", "berlin", "storage", "130"),
    usage("b2-corrected", "2026-08-20T00:00:00Z", "berlin", "storage", "120", corrects="b2"),
    usage("u1", "2026-08-01T00:00:00Z", "berlin", "users", "1", metadata={"user_id": "ada"}),
    usage("u2", "2026-08-02T00:00:00Z", "berlin", "users", "1", metadata={"user_id": "ada"}),
    usage("u3", "2026-08-03T00:00:00Z", "berlin", "users", "1", metadata={"user_id": "bob"}),
    usage("u4", "2026-08-04T00:00:00Z", "berlin", "users", "1", metadata={"user_id": "cy"}),
]

# Line by line: kind, charge or reference, quantity, billable quantity, amount.
ACME = [
    # 21 of 31 days: 500 * 21 / 31 = 338.7096...
    ("fee", "platform", None, None, "338.710"),
    # 1,750,000,001 bytes are 1.751 GB rounded up; at 0.08 that is 0.14008.
    ("usage", "data", "1.751000000", "1.751000000", "0.140"),
    # 10 % of 0.14008 is 0.014008.
    ("discount", "data", None, None, "-0.010"),
    # 2 GB at the deal's 0.05.
    ("usage", "data", "2.000000000", "2.000000000", "0.100"),
    ("discount", "data", None, None, "-0.010"),
    # Ten records less the one cancelled are nine; less two included, seven are three packages.
    ("usage", "calls", "9.000000000", "7.000000000", "0.750"),
]
KOLKATA = [
    # 150.5 s: 100 at 1.5 and 50.5 at 1.25 are 150 + 63.125 = 213.125 yen.
    ("usage", "gpu", "150.500000000", "150.500000000", "213.000"),
    ("usage", "seats", "5.000000000", "5.000000000", "10000.000"),
]
BERLIN = [
    # 120 GB are all in the second tier: 120 * 0.40.
    ("usage", "storage", "120.000000000", "120.000000000", "48.000"),
    ("usage", "users", "3.000000000", "3.000000000", "30.000"),
    # 100 - 78.
    ("minimum", None, None, None, "22.000"),
    ("credit", "welcome", None, None, "-30.000"),
    ("credit", "prepaid", None, None, "-50.000"),
    # 19 % of the 20 that are left.
    ("tax", "vat_de", None, None, "3.800"),
]


def document(pipeline, invoice_id):
    return [
        (
            row.kind,
            row.charge_id or row.reference_id,
            None if row.quantity is None else str(row.quantity),
            None if row.billable_quantity is None else str(row.billable_quantity),
            str(row.amount),
        )
        for row in pipeline.rows(
            "select kind, charge_id, reference_id, quantity, billable_quantity, amount"
            f" from marts.fct_invoice_lines where invoice_id = '{invoice_id}' order by line_number"
        )
    ]


@pytest.fixture
def august(pipeline):
    pipeline.publish(CATALOG)
    pipeline.deliver("gateway", USAGE)
    pipeline.build(AS_OF)
    return pipeline


def test_every_line_of_the_month_is_what_was_worked_out_by_hand(august):
    assert document(august, "acme-2026:2026-08-11") == ACME
    assert document(august, "kolkata-2026:2026-08-01") == KOLKATA
    assert document(august, "berlin-2026:2026-08-01") == BERLIN

    totals = {
        row.invoice_id: (row.subtotal, row.tax, row.total, row.currency)
        for row in august.rows("select * from marts.fct_invoices where period_start < '2026-09-01'")
    }
    assert totals == {
        "acme-2026:2026-08-11": (Decimal("339.680"), Decimal("0.000"), Decimal("339.680"), "USD"),
        "kolkata-2026:2026-08-01": (Decimal(10213), Decimal(0), Decimal(10213), "JPY"),
        "berlin-2026:2026-08-01": (Decimal(20), Decimal("3.8"), Decimal("23.8"), "EUR"),
    }


def test_usage_outside_the_contract_is_shown_as_unassigned(august):
    unassigned = august.rows(
        "select tenant_id, reason, quantity_sum from rating.int_usage_pieces"
        " where status = 'unassigned'"
    )
    assert [tuple(row) for row in unassigned] == [
        ("acme-prod", "no_contract", Decimal("9000000000.000000000"))
    ]
