"""The reference calculator says what the decision records work out in figures."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.reference.calculator import expected_lines

AS_OF = datetime(2026, 12, 1, tzinfo=UTC)


def amounts(charges, records=(), start="2026-01-01", end="2026-02-01", **contract):
    """Return the amounts of a month's lines, by line id without the invoice."""
    catalog = {
        "dimensions": [
            {"id": "seats", "aggregation": "max"},
            {"id": "calls", "aggregation": "sum"},
            {"id": "members", "aggregation": "latest"},
        ],
        "plans": [{"id": "p", "currency": "USD", "interval": "month", "charges": charges}],
        "customers": [
            {
                "id": "c",
                "contracts": [
                    {"id": "k", "plan": "p", "start": start, "end": end, "anchor_day": 1} | contract
                ],
            }
        ],
    }
    delivered = [
        {"id": str(number), "tenant_id": "c"}
        | dict(zip(("timestamp", "dimension_id", "value"), record, strict=True))
        for number, record in enumerate(records)
    ]
    lines = expected_lines(catalog, delivered, AS_OF)
    return {key.removeprefix("k:"): line.amount for key, line in lines.items()}


def flat(amount, timing="arrears"):
    price = {"model": "flat", "amount": amount, "timing": timing, "prorate": True}
    return {"id": "fee", "price": price}


def per_unit(amount):
    return {"model": "per_unit", "unit_amount": amount}


def test_seats_that_become_dearer_within_a_month_are_due_for_the_days_of_each_price():
    seats = {"id": "seats", "dimension": "seats", "price": per_unit("20")}
    dearer = {"charge": "seats", "price": per_unit("25"), "from": "2026-04-16"}
    records = [
        ("2026-04-02T00:00:00Z", "seats", "10"),
        ("2026-04-20T00:00:00Z", "seats", "10"),
    ]
    assert amounts([seats], records, "2026-04-01", "2026-05-01", overrides=[dearer]) == {
        "2026-04-01/usage/seats/1": 100,
        "2026-04-01/usage/seats/2": 125,
    }


def test_included_units_are_used_up_in_order_of_time():
    calls = {"id": "calls", "dimension": "calls", "included": "100", "price": per_unit("1")}
    dearer = {"charge": "calls", "price": per_unit("2"), "from": "2026-01-16"}
    records = [("2026-01-10T00:00:00Z", "calls", "60"), ("2026-01-20T00:00:00Z", "calls", "60")]
    assert amounts([calls], records, overrides=[dearer]) == {
        "2026-01-01/usage/calls/1": 0,
        "2026-01-01/usage/calls/2": 40,
    }


def test_units_of_a_trial_are_used_up_over_periods_after_what_they_include():
    calls = {"id": "calls", "dimension": "calls", "included": "20", "price": per_unit("0.10")}
    allowance = {"units": [{"charge": "calls", "quantity": "100"}]}
    records = [
        ("2026-01-10T00:00:00Z", "calls", "80"),
        ("2026-02-10T00:00:00Z", "calls", "90"),
        ("2026-03-10T00:00:00Z", "calls", "50"),
    ]
    found = amounts([calls], records, end="2026-04-01", trial_allowance=allowance)
    assert list(found.values()) == [0, 3, 3]
    late = ("2026-01-20T00:00:00Z", "calls", "25")
    found = amounts([calls], [*records, late], end="2026-04-01", trial_allowance=allowance)
    assert list(found.values()) == [0, Decimal("5.5"), 3]
    found = amounts([calls], records, end="2026-04-01", trial_allowance=allowance, trial_days=31)
    assert list(found.values()) == [0, 7, 3]


def test_what_is_taken_back_gives_back_what_was_billed_and_then_the_trial():
    calls = {"id": "calls", "dimension": "calls", "price": per_unit("1")}
    allowance = {"units": [{"charge": "calls", "quantity": "50"}]}
    values = ("60", "-20", "30", "-90", "40")
    records = [
        (f"2026-0{month}-10T00:00:00Z", "calls", value) for month, value in enumerate(values, 1)
    ]
    found = amounts([calls], records, end="2026-06-01", trial_allowance=allowance)
    billed = [amount for key, amount in found.items() if "usage" in key]
    assert billed == [10, -10, 20, -40, 20]


def test_a_discount_takes_its_share_of_the_days_it_holds():
    discount = {"percent": "10", "from": "2026-01-22"}
    assert amounts([flat("100")], discounts=[discount]) == {
        "2026-01-01/fee/fee/1": 100,
        "2026-01-01/discount/fee/1/1": Decimal("-3.23"),
    }


def test_a_partial_period_owes_its_days_of_the_minimum():
    assert amounts([flat("0")], start="2026-01-22", minimum={"amount": "1000"}) == {
        "2026-01-22/minimum": Decimal("322.58"),
    }


def test_a_fee_paid_in_advance_counts_for_the_period_it_is_for():
    fee = flat("600", "advance")
    assert amounts([fee], end="2026-03-01", minimum={"amount": "1000"}) == {
        "2026-01-01/fee/fee/1": 600,
        "2026-01-01/fee/fee/0": 600,
        "2026-01-01/minimum": 400,
        "2026-02-01/minimum": 400,
    }


def test_credits_are_spent_by_priority_then_expiry():
    grants = [
        {"id": "late", "amount": "100", "priority": 1},
        {"id": "soon", "amount": "50", "priority": 1, "expires": "2026-12-31"},
        {"id": "spare", "amount": "1000", "priority": 2},
    ]
    calls = {"id": "calls", "dimension": "calls", "price": per_unit("1")}
    records = [
        ("2026-01-10T00:00:00Z", "calls", "30"),
        ("2026-02-10T00:00:00Z", "calls", "90"),
        ("2026-03-10T00:00:00Z", "calls", "60"),
    ]
    found = amounts([calls], records, end="2026-04-01", credits=grants)
    assert {key: amount for key, amount in found.items() if "credit" in key} == {
        "2026-01-01/credit/soon": -30,
        "2026-02-01/credit/soon": -20,
        "2026-02-01/credit/late": -70,
        "2026-03-01/credit/late": -30,
        "2026-03-01/credit/spare": -30,
    }


def test_what_a_grant_may_roll_over_is_spent_after_what_ends():
    monthly = {
        "id": "monthly",
        "amount": "100",
        "every_periods": 1,
        "rollover": {"amount": "40"},
    }
    calls = {"id": "calls", "dimension": "calls", "price": per_unit("1")}
    records = [
        ("2026-01-10T00:00:00Z", "calls", "30"),
        ("2026-02-10T00:00:00Z", "calls", "120"),
        ("2026-03-10T00:00:00Z", "calls", "10"),
    ]
    found = amounts([calls], records, end="2026-04-01", credits=[monthly])
    assert {key: amount for key, amount in found.items() if "credit" in key} == {
        "2026-01-01/credit/monthly:2026-01-01": -30,
        "2026-02-01/credit/monthly:2026-01-01:rollover": -40,
        "2026-02-01/credit/monthly:2026-02-01": -60,
        "2026-02-01/credit/monthly:2026-02-01:rollover": -20,
        "2026-03-01/credit/monthly:2026-02-01:rollover": -10,
    }


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        ("0", 10),
        ("100", 15),
        ("100.000000001", 18),
        ("250", Decimal("23.5")),
        ("-10", Decimal("9.5")),
    ],
)
def test_tiers_end_exactly_on_their_bounds(quantity, amount):
    tiers = [
        {"up_to": "100", "unit_amount": "0.05", "flat_amount": "10"},
        {"up_to": "200", "unit_amount": "0.04", "flat_amount": "3"},
        {"up_to": None, "unit_amount": "0.03"},
    ]
    calls = {"id": "calls", "dimension": "calls", "price": {"model": "graduated", "tiers": tiers}}
    records = [("2026-01-10T00:00:00Z", "calls", quantity)]
    found = amounts([calls], records)
    assert found.pop("2026-01-01/usage/calls/1") == amount
    assert not found


def test_tiers_that_span_the_period_go_on_where_the_part_before_ended():
    def tiers(first, then):
        steps = [(first, "100"), (then, None)]
        return {
            "model": "graduated",
            "tiers": [
                {"up_to": up_to, "unit_amount": amount, "flat_amount": "3.00"}
                for amount, up_to in steps
            ],
        }

    calls = {"id": "calls", "dimension": "calls", "price": tiers("0.05", "0.04")}
    dearer = {"charge": "calls", "price": tiers("0.50", "0.40"), "from": "2026-01-16"}
    records = [("2026-01-10T00:00:00Z", "calls", "90"), ("2026-01-20T00:00:00Z", "calls", "60")]
    spanning = calls | {"tiers_span": "period"}
    assert amounts([spanning], records, overrides=[dearer]) == {
        "2026-01-01/usage/calls/1": Decimal("7.50"),
        "2026-01-01/usage/calls/2": Decimal("28.00"),
    }


def test_each_record_of_a_percentage_is_priced_for_itself():
    price = {"model": "percentage", "percent": "1", "fixed_amount": "0.10", "free_records": 1}
    price |= {"free_amount": "100", "min_amount": "0.50", "max_amount": "5.00"}
    records = [
        (f"2026-01-{day:02}T00:00:00Z", "calls", value)
        for day, value in enumerate(["40", "80", "50", "10", "1000"], 1)
    ]
    payments = {"id": "payments", "dimension": "calls", "price": price}
    assert amounts([payments], records) == {"2026-01-01/usage/payments/1": 6}


@pytest.mark.parametrize(("on_removal", "amount"), [("none", 141), ("credit", 140)])
def test_seats_are_due_by_day(on_removal, amount):
    price = {"model": "seat", "unit_amount": "31.00", "on_removal": on_removal}
    seats = {"id": "seats", "dimension": "members", "price": price}
    records = [
        ("2026-03-11T09:00:00Z", "members", "5"),
        ("2026-03-20T09:00:00Z", "members", "8"),
        ("2026-03-31T09:00:00Z", "members", "7"),
    ]
    found = amounts([seats], records, "2026-03-11", "2026-04-01")
    assert found == {"2026-03-11/usage/seats/1": amount}


def test_discounts_take_of_what_those_before_them_left():
    fees = [
        flat(amount) | {"id": name} for name, amount in (("a", "100"), ("b", "60"), ("c", "40"))
    ]
    discounts = [
        {"percent": "10", "charges": ["a"]},
        {"amount": "100"},
        {"percent": "50", "charges": ["c"]},
    ]
    found = amounts(fees, discounts=discounts)
    assert {key: amount for key, amount in found.items() if "discount" in key} == {
        "2026-01-01/discount/a/1/1": -10,
        "2026-01-01/discount/a/1/2": Decimal("-47.37"),
        "2026-01-01/discount/b/1/2": Decimal("-31.58"),
        "2026-01-01/discount/c/1/2": Decimal("-21.05"),
        "2026-01-01/discount/c/1/3": Decimal("-9.48"),
    }


def test_a_commitment_is_drawn_down_period_by_period():
    calls = {"id": "calls", "dimension": "calls", "price": per_unit("1")}
    records = [
        ("2026-01-10T00:00:00Z", "calls", "600"),
        ("2026-02-10T00:00:00Z", "calls", "500"),
        ("2026-03-10T00:00:00Z", "calls", "-50"),
    ]
    commitment = {"amount": "1000", "overage_factor": "1.2"}
    found = amounts([calls], records, end="2026-04-01", commitments=[commitment])
    assert {key: amount for key, amount in found.items() if "commitment" in key} == {
        "2026-02-01/commitment/1/overage": 20,
        "2026-03-01/commitment/1/overage": -10,
    }


def test_instalments_pay_a_commitment_in_advance():
    calls = {"id": "calls", "dimension": "calls", "price": per_unit("1")}
    records = [
        ("2026-01-10T00:00:00Z", "calls", "300"),
        ("2026-02-10T00:00:00Z", "calls", "600"),
        ("2026-03-10T00:00:00Z", "calls", "200"),
    ]
    commitment = {"amount": "1000", "overage_factor": "1.2", "instalments": 4}
    found = amounts([calls], records, end="2027-01-01", commitments=[commitment])
    assert {
        key: amount for key, amount in found.items() if key < "2026-04" and "calls" not in key
    } == {
        "2026-01-01/commitment/1/instalment/1": 250,
        "2026-01-01/commitment/1/prepaid": -300,
        "2026-02-01/commitment/1/prepaid": -600,
        "2026-03-01/commitment/1/instalment/2": 250,
        "2026-03-01/commitment/1/prepaid": -100,
        "2026-03-01/commitment/1/overage": 20,
    }


def test_a_charge_comes_to_its_maximum_after_discounts():
    calls = {"id": "calls", "dimension": "calls", "price": per_unit("1"), "maximum": "500"}
    records = [("2026-01-10T00:00:00Z", "calls", "900")]
    assert amounts([calls], records, discounts=[{"percent": "10"}]) == {
        "2026-01-01/usage/calls/1": 900,
        "2026-01-01/discount/calls/1/1": -90,
        "2026-01-01/discount/calls/maximum": -310,
    }


def test_what_is_paid_at_first_is_on_an_opening_invoice():
    setup = {"id": "setup", "price": {"model": "flat", "amount": "99", "timing": "once"}}
    terms = {"opening_invoice": True, "minimum": {"amount": "200"}}
    assert amounts([flat("30", "advance"), setup], end="2026-03-01", **terms) == {
        "2026-01-01:opening/fee/fee/0": 30,
        "2026-01-01:opening/fee/setup/0": 99,
        "2026-01-01/fee/fee/0": 30,
        "2026-01-01/minimum": 71,
        "2026-02-01/minimum": 170,
    }
