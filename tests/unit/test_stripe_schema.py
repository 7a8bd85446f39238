"""The schema that the Stripe sandbox checks every request and answer against."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import stripe
from jsonschema import Draft202012Validator

from sandbox.stripe.annotations import REFERENCE
from sandbox.stripe.form_encoding import decode
from sandbox.stripe.problems import ApiError
from sandbox.stripe.schema_from_sdk import stripe_schema
from sandbox.stripe.validation import read_request, response_problems, route_of

SAMPLES = (
    Path(os.environ["METERHOUSE_SAMPLES"]) / "stripe"
    if ("METERHOUSE_SAMPLES" in os.environ)
    else None
)

CREATE = route_of("POST", "/v1/invoices")
ADD_LINES = route_of("POST", "/v1/invoices/in_1/add_lines")
LIST = route_of("GET", "/v1/invoices")


def test_the_schema_is_of_the_installed_version() -> None:
    info = stripe_schema()["info"]
    assert info["version"] == stripe.api_version
    assert info["x-derived-from"] == f"stripe-python {stripe.VERSION}"


def test_every_reference_leads_to_a_schema() -> None:
    document = json.dumps(stripe_schema())
    names = {part.split('"')[0] for part in document.split(REFERENCE)[1:]}
    assert names <= set(stripe_schema()["components"]["schemas"])


def test_the_calls_of_posting_are_in_the_schema() -> None:
    operations = {
        (method, path) for path, methods in stripe_schema()["paths"].items() for method in methods
    }
    assert {
        ("post", "/v1/invoices"),
        ("post", "/v1/invoices/{invoice}/add_lines"),
        ("post", "/v1/invoices/{invoice}/finalize"),
        ("post", "/v1/invoices/{invoice}/void"),
        ("get", "/v1/invoices/{invoice}/lines"),
        ("get", "/v1/invoice_payments"),
        ("post", "/v1/customers"),
        ("post", "/v1/credit_notes"),
        ("get", "/v1/events"),
        ("post", "/v1/tax_rates"),
    } <= operations


def test_a_form_is_read_into_typed_parameters() -> None:
    form = (
        "lines[0][amount]=-100&lines[0][period][start]=1&lines[0][period][end]=2"
        "&lines[0][metadata][quantity]=007&lines[0][discountable]=false"
        "&lines[0][price_data][currency]=usd&lines[0][quantity_decimal]=0.50"
    )
    assert read_request(ADD_LINES, form) == {
        "lines": [
            {
                "amount": -100,
                "period": {"start": 1, "end": 2},
                "metadata": {"quantity": "007"},
                "discountable": False,
                "price_data": {"currency": "usd"},
                "quantity_decimal": "0.50",
            }
        ]
    }


def test_metadata_with_numbers_as_keys_stays_a_hash() -> None:
    parameters = read_request(CREATE, "customer=cus_1&metadata[0]=a&metadata[1]=b")
    assert parameters["metadata"] == {"0": "a", "1": "b"}


def test_lists_are_ordered_by_number_not_by_text() -> None:
    form = "&".join(f"types[{number}]=t{number}" for number in reversed(range(12)))
    assert decode(form)["types"] == [f"t{number}" for number in range(12)]


def test_a_filter_may_be_a_hash_or_a_number() -> None:
    assert read_request(LIST, "created=5")["created"] == 5
    assert read_request(LIST, "created[gte]=5")["created"] == {"gte": 5}


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ("auto_advnce=true", "auto_advnce"),
        ("days_until_due=soon", "days_until_due"),
        ("collection_method=by_pigeon", "collection_method"),
        ("metadata[a][b]=c", "metadata"),
        ("number=" + "9" * 27, "number"),
        ("metadata[" + "k" * 41 + "]=v", "metadata"),
        ("metadata[k]=" + "v" * 501, "metadata"),
        ("&".join(f"metadata[k{index}]=v" for index in range(51)), "metadata"),
        ("description=a&description[b]=c", "description[b]"),
    ],
)
def test_a_wrong_parameter_of_an_invoice_is_refused_by_name(form: str, param: str) -> None:
    with pytest.raises(ApiError) as refusal:
        read_request(CREATE, form)
    assert refusal.value.status == 400
    assert refusal.value.error["param"] == param


@pytest.mark.parametrize(
    "form",
    [
        "",
        "lines[0][amount]=1.5",
        "lines[0][amount]=100&lines[0][currency]=usd",
        "lines[0][price_data][currency]=usd&lines[0][price_data][unit_amount_decimal]=1E-7",
        "lines[0][price_data][currency]=usd&lines[0][quantity_decimal]=0.1234567890123",
        "lines[0][amount]=1&lines[0][period][start]=5",
        "lines[0][amount]=1&lines[0][period][start]=5&lines[0][period][end]=4",
        "lines[0][amount]=1&lines[0][description]=" + "d" * 5001,
    ],
)
def test_a_wrong_line_is_refused(form: str) -> None:
    with pytest.raises(ApiError):
        read_request(ADD_LINES, form)


def test_an_unknown_address_is_refused() -> None:
    for method, path in (("POST", "/v1/invoices/in_1/explode"), ("PUT", "/v1/invoices")):
        with pytest.raises(ApiError) as refusal:
            route_of(method, path)
        assert refusal.value.status == 404


def test_an_answer_with_a_field_too_few_too_many_or_of_another_type_is_reported() -> None:
    route = route_of("GET", "/v1/tax_rates/txr_1")
    rate: dict[str, Any] = {
        "id": "txr_1",
        "object": "tax_rate",
        "active": True,
        "created": 1,
        "display_name": "VAT",
        "inclusive": False,
        "livemode": False,
        "percentage": 19.0,
    }
    assert response_problems(route, rate) == []
    assert response_problems(route, {**rate, "active": "yes"})
    assert response_problems(route, {**rate, "invented": 1})
    assert response_problems(route, {name: rate[name] for name in rate if name != "object"})


if SAMPLES is not None and (SAMPLES / f"stripe-subset.sdk{stripe.VERSION}.json").exists():

    @pytest.fixture(scope="module")
    def reference() -> dict[str, Any]:
        path = SAMPLES / f"stripe-subset.sdk{stripe.VERSION}.json"
        document: dict[str, Any] = json.loads(path.read_text())
        return document

    def test_the_derived_schemas_are_those_of_the_reference(reference: dict[str, Any]) -> None:
        ours, theirs = stripe_schema()["components"]["schemas"], reference["components"]["schemas"]
        assert {name for name in ours if ours[name] != theirs.get(name)} == set()

    def test_the_derived_operations_are_those_of_the_reference(reference: dict[str, Any]) -> None:
        for path, methods in stripe_schema()["paths"].items():
            for method, ours in methods.items():
                theirs = reference["paths"][path][method]
                assert ours["x-params"] == theirs["x-params"], (method, path)
                ours_200, theirs_200 = ours["responses"]["200"], theirs["responses"]["200"]
                assert ours_200["content"] == theirs_200["content"], (method, path)


FIXTURES = {
    "credit_note": "CreditNote",
    "credit_note_line_item": "CreditNoteLineItem",
    "customer": "Customer",
    "customer_balance_transaction": "CustomerBalanceTransaction",
    "event": "Event",
    "invoice": "Invoice",
    "invoice_payment": "InvoicePayment",
    "invoiceitem": "InvoiceItem",
    "line_item": "InvoiceLineItem",
    "payment_intent": "PaymentIntent",
    "price": "Price",
    "product": "Product",
    "tax_id": "TaxId",
    "tax_rate": "TaxRate",
}

if SAMPLES is not None and list(SAMPLES.glob("fixtures3.*.json")):

    @pytest.mark.parametrize(("fixture", "schema"), FIXTURES.items())
    def test_stripes_own_fixtures_are_valid(fixture: str, schema: str) -> None:
        [path] = SAMPLES.glob("fixtures3.*.json")
        resource = json.loads(path.read_text())["resources"][fixture]
        validator = Draft202012Validator(
            {"$ref": REFERENCE + schema, "components": stripe_schema()["components"]}
        )
        assert [error.message for error in validator.iter_errors(resource)] == []
