"""An invoice that Stripe Tax taxes: our lines less their reductions, and Stripe's tax on them."""

import pytest
from sqlalchemy import select

from assets.checks.posted_invoices import UNEQUAL, none_found
from assets.delivery.outbox import PostingError
from connectors.stripe_invoices import StripeInvoices
from connectors.warehouse import Warehouse
from models.tables import billing
from sandbox.stripe.server import StripeSandbox
from tests.integration.billing_rows import Line, approved_invoice, new_customer
from tests.integration.posting_bench import account, in_stripe, outbox_of, post, v1

LINES = [
    Line("100.10", description="Hosting"),
    Line("0.00", description="Nothing"),
    Line("-20.00", "discount", "Discount", None),
    Line("-0.10", "credit", "Credit", None),
]


def taxed_invoice(warehouse: Warehouse, lines: list[Line] = LINES, country: str = "DE") -> str:
    customer = new_customer(warehouse, is_taxed_by_stripe=True, country=country)
    return approved_invoice(warehouse, lines, customer_id=customer)


def test_stripe_adds_its_tax_to_our_total(warehouse: Warehouse, sandbox: StripeSandbox) -> None:
    invoice_id = taxed_invoice(warehouse)
    outcome = post(warehouse, account(sandbox, tax_code="txcd_10103001"), sandbox, invoice_id)
    assert outcome.status == "open"

    [invoice] = in_stripe(sandbox, "invoice")
    assert invoice["automatic_tax"]["status"] == "complete"
    assert (invoice["total_excluding_tax"], invoice["total"]) == (8000, 9520)
    hosting, nothing = in_stripe(sandbox, "line_item")
    assert (hosting["amount"], nothing["amount"]) == (8000, 0)
    assert hosting["description"] == (
        "Hosting: 12.5 gigabyte (2026-09-01 to 2026-09-30); "
        "100.10 less 20.10 of discounts and credits"
    )
    assert [(tax["amount"], tax["taxable_amount"]) for tax in hosting["taxes"]] == [(1520, 8000)]

    table = billing.stripe_invoices
    with warehouse.begin() as connection:
        row = connection.execute(
            select(table.c.total, table.c.tax).where(table.c.invoice_id == invoice_id)
        ).one()
    assert tuple(map(str, row)) == ("95.200", "15.200")
    assert none_found(warehouse, UNEQUAL).passed


def test_on_a_document_each_invoice_bears_its_own_reductions(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse, is_taxed_by_stripe=True, country="DE")
    first = approved_invoice(warehouse, [Line("50.00")], customer_id=customer)
    approved_invoice(warehouse, LINES, customer_id=customer, document_id=first)
    post(warehouse, stripe, sandbox, first)
    assert [line["amount"] for line in in_stripe(sandbox, "line_item")] == [5000, 8000, 0]
    [invoice] = in_stripe(sandbox, "invoice")
    assert (invoice["total_excluding_tax"], invoice["total"]) == (13000, 15470)
    assert none_found(warehouse, UNEQUAL).passed


def test_the_first_posting_still_takes_three_calls(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    customer = new_customer(warehouse, is_taxed_by_stripe=True)
    post(warehouse, stripe, sandbox, approved_invoice(warehouse, LINES, customer_id=customer))
    sandbox.service.calls.clear()
    post(warehouse, stripe, sandbox, approved_invoice(warehouse, LINES, customer_id=customer))
    assert sum(sandbox.service.calls.values()) == 3


def test_without_the_setting_stripe_is_not_asked_for_taxes(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    post(warehouse, stripe, sandbox, approved_invoice(warehouse, LINES))
    [invoice] = in_stripe(sandbox, "invoice")
    assert not invoice["automatic_tax"]["enabled"]
    assert (invoice["total"], len(in_stripe(sandbox, "line_item"))) == (8000, 4)


def test_a_customer_without_a_place_is_not_finalised_until_it_has_one(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = taxed_invoice(warehouse, country="")
    for _ in range(2):
        with pytest.raises(PostingError, match=r"requires_location_inputs.*complete the"):
            post(warehouse, stripe, sandbox, invoice_id)
        [invoice] = in_stripe(sandbox, "invoice")
        assert invoice["status"] == "draft"
        assert outbox_of(warehouse, invoice_id).state == "failed"

    v1(sandbox).customers.update(invoice["customer"], {"address": {"country": "CA"}})
    assert post(warehouse, stripe, sandbox, invoice_id).status == "open"
    [invoice] = in_stripe(sandbox, "invoice")
    assert (invoice["total_excluding_tax"], invoice["total"]) == (8000, 8400)


def test_another_total_than_ours_is_refused_before_tax(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    invoice_id = taxed_invoice(warehouse, country="")
    with pytest.raises(PostingError):
        post(warehouse, stripe, sandbox, invoice_id)
    [invoice] = in_stripe(sandbox, "invoice")
    v1(sandbox).customers.update(invoice["customer"], {"address": {"country": "CA"}})
    v1(sandbox).invoices.add_lines(
        invoice["id"],
        {
            "lines": [
                {
                    "price_data": {
                        "currency": "usd",
                        "unit_amount": 1,
                        "tax_behavior": "exclusive",
                        "product_data": {"name": "A stranger's"},
                    }
                }
            ]
        },
    )
    with pytest.raises(PostingError, match=r"totals 80\.01 USD, and ours 80\.000"):
        post(warehouse, stripe, sandbox, invoice_id)


def test_an_invoice_under_reverse_charge_names_the_customers_tax_id(
    warehouse: Warehouse, stripe: StripeInvoices, sandbox: StripeSandbox
) -> None:
    note = "VAT 0 %: reverse charge, the customer owes the tax"
    customer = new_customer(warehouse, tax_exempt="reverse", tax_id="NL123456789B01")
    lines = [Line("10.00"), Line("0.00", "tax", note, None)]
    post(warehouse, stripe, sandbox, approved_invoice(warehouse, lines, customer_id=customer))
    [invoice] = in_stripe(sandbox, "invoice")
    assert invoice["custom_fields"] == [{"name": "Customer tax ID", "value": "NL123456789B01"}]
    assert invoice["customer_tax_exempt"] == "reverse"
    _, tax = in_stripe(sandbox, "line_item")
    assert (tax["amount"], tax["description"]) == (0, f"{note} (2026-09-01 to 2026-09-30)")
