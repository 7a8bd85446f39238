"""Taxes of random customers, against what their catalogs say, worked out without SQL.

Lines before tax are taken as the warehouse has them; what they come to is tested elsewhere.
"""

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from random import Random

import pytest

from tests.conftest import fresh_pipeline

AS_OF = datetime(2026, 10, 20, tzinfo=UTC)
CHANGES = ("2026-07-31", "2026-08-01", "2026-08-02", "2026-09-15")
DECIMALS = {"EUR": 2, "JPY": 0, "KWD": 3}
TWELVE = Decimal("0.000000000001")
CUSTOMERS = 300

LINES = """
    select
        taxed.invoice_id, taxed.invoice_line_id, taxed.charge_id, taxed.amount,
        periods.customer_id, periods.period_end
    from rating.int_taxed_lines as taxed
    inner join rating.int_contract_periods as periods on taxed.invoice_id = periods.invoice_id
"""
INVOICE_LINES = """
    select invoice_line_id, invoice_id, kind, amount, tax_included, description
    from rating.int_invoice_lines
"""
TAX_LINES = "select invoice_line_id, invoice_id, amount, included_amount from rating.int_tax_lines"
INVOICES = "select invoice_id, subtotal, tax, tax_included, total from rating.int_invoices"


def drawn_tax(dice, tax_id, country):
    """Return the rates of a tax: one, or two of which the second begins where the first ends."""
    tax = {"id": tax_id, "name": tax_id.upper(), "inclusive": dice.random() < 0.4}
    tax["percent"] = dice.choice(["19", "7", "5", "9.975", "20", "0", "33.333333"])
    if country:
        tax["country"] = country
    scope = dice.choice(["all", "all", "charges", "except_charges"])
    if scope != "all":
        tax[scope] = dice.sample(["a", "b", "c"], dice.randint(1, 2))
    if dice.random() < 0.5:
        return [tax]
    change = dice.choice(CHANGES)
    after = {**tax, "percent": "16", "from": change, "inclusive": dice.random() < 0.4}
    return [{**tax, "to": change}, after]


def drawn_customer(dice, number):
    """Return a customer with a plan of fees, its taxes by country and those by name."""
    name = f"c{number:03}"
    country = chr(65 + number // 26) + chr(65 + number % 26)
    by_country = dice.random() < 0.5
    rates = [
        rate
        for tax in range(dice.choice([0, 1, 1, 2, 3]))
        for rate in drawn_tax(dice, f"{name}-t{tax}", country if by_country else None)
    ]
    customer = {"id": name, "country": country}
    customer["tax_exempt"] = dice.choice(["none"] * 8 + ["exempt", "reverse"])
    if not by_country:
        customer["tax"] = list(dict.fromkeys(rate["id"] for rate in reversed(rates)))
    if customer.get("tax") == []:
        # What is exempt of no tax at all is refused.
        customer["tax_exempt"] = "none"
    fees = {
        charge: dice.choice(["0.01", "0.03", "1", "10", "99.99", "33.33", "1000"])
        for charge in "abc"
    }
    plan = {
        "id": name,
        "currency": dice.choice([*DECIMALS]),
        "charges": [
            {"id": charge, "price": {"model": "flat", "amount": amount}}
            for charge, amount in fees.items()
        ],
    }
    contract = {"id": name, "plan": name, "start": "2026-07-02", "end": "2026-10-02"}
    if dice.random() < 0.5:
        contract["discounts"] = [{"percent": "33", "charges": dice.sample("abc", 2)}]
    if dice.random() < 0.6:
        contract["credits"] = [
            {"id": "first", "amount": dice.choice(["1", "7", "100", "5000"])},
            {"id": "some", "amount": "11", "priority": dice.choice([0, 1]), "applies_to": ["b"]},
        ]
    if dice.random() < 0.3:
        contract["minimum"] = {"amount": "500"}
    customer["contracts"] = [contract]
    return {"plans": [plan], "customers": [customer], "taxes": rates}


def rates_on(catalog, last_day):
    """Return the rates that a customer is charged on a day, in order; none for the exempt."""
    customer = catalog["customers"][0]
    ids = customer.get("tax", sorted({rate["id"] for rate in catalog["taxes"]}))
    found = [
        rate
        for tax_id in ids
        for rate in catalog["taxes"]
        if rate["id"] == tax_id
        and date.fromisoformat(rate.get("from", "0001-01-01")) <= last_day
        and last_day < date.fromisoformat(rate.get("to", "9999-01-01"))
    ]
    is_taxed = customer["tax_exempt"] == "none"
    return [(rate, Fraction(rate["percent"]) if is_taxed else Fraction(0)) for rate in found]


def is_on(rate, charge):
    """Return whether a rate is on a charge, or on what is of none."""
    if "charges" in rate:
        return charge in rate["charges"]
    return charge not in rate.get("except_charges", ())


def shares(subtotal, weights):
    """Return the parts of a subtotal with twelve decimals, by largest remainder."""
    total = sum(weights.values())
    exact = {
        key: Fraction(subtotal) * Fraction(weight) / Fraction(total)
        for key, weight in weights.items()
    }
    parts = {key: int(share / Fraction(TWELVE)) for key, share in exact.items()}
    missing = int(Fraction(subtotal) / Fraction(TWELVE)) - sum(parts.values())
    losers = sorted(parts, key=lambda key: (parts[key] * Fraction(TWELVE) - exact[key], key))
    for key in losers[:missing]:
        parts[key] += 1
    return {key: Decimal(units) * TWELVE for key, units in parts.items()}


def rounded(amount, unit):
    """Return a fraction rounded half away from zero; none here is negative."""
    twelve = Fraction(int(amount / Fraction(TWELVE) + Fraction(1, 2))) * Fraction(TWELVE)
    return (Decimal(twelve.numerator) / twelve.denominator).quantize(unit, ROUND_HALF_UP)


def expected_taxes(lines, catalog, unit):
    """Return amount and contained amount of each tax, and what each line contains exactly."""
    last_day = lines[0].period_end - timedelta(days=1)
    net = defaultdict(Decimal)
    for line in lines:
        net[line.charge_id] += line.amount
    subtotal = sum(net.values())
    weights = {charge: net[charge] for charge in net if charge and net[charge] > 0}
    bases = shares(subtotal, weights) if weights else {None: subtotal}
    weights = weights or {None: Decimal(1)}
    rates = rates_on(catalog, last_day)
    contained = {
        charge: sum(percent for rate, percent in rates if rate["inclusive"] and is_on(rate, charge))
        for charge in bases
    }
    taxes, by_line = {}, defaultdict(Fraction)
    for rate, percent in rates:
        on = [charge for charge in bases if is_on(rate, charge)]
        base = sum((bases[charge] for charge in on), Decimal(0))
        factor = {charge: percent / (100 + contained[charge]) for charge in on}
        tax = sum((Fraction(bases[charge]) * factor[charge] for charge in on), Fraction(0))
        if base:
            amount = rounded(tax, unit)
            taxes[rate["id"]] = (Decimal(0), amount) if rate["inclusive"] else (amount, Decimal(0))
        if rate["inclusive"]:
            blended = sum((Fraction(weights[c]) * factor[c] for c in on), Fraction(0)) / Fraction(
                sum(weights.values())
            )
            for line in lines:
                own = factor.get(line.charge_id, 0) if line.charge_id in weights else blended
                by_line[line.invoice_line_id] += Fraction(line.amount) * own
    return taxes, by_line


@pytest.fixture(scope="module")
def rated(postgres, prepared_template, tmp_path_factory):
    """Rate all customers at once; return their catalogs and what the warehouse has."""
    folder = tmp_path_factory.mktemp("taxes")
    dice = Random(5)  # noqa: S311 - nothing secret is drawn.
    catalogs = {f"c{number:03}": drawn_customer(dice, number) for number in range(CUSTOMERS)}
    (folder / "catalog").mkdir()
    for name, catalog in catalogs.items():
        (folder / "catalog" / f"{name}.yml").write_text(json.dumps(catalog))
    with fresh_pipeline(postgres, prepared_template, folder) as pipeline:
        pipeline.publish(folder / "catalog")
        pipeline.build(AS_OF, "+int_invoices")
        found = {
            name: pipeline.rows(query)
            for name, query in {
                "before": LINES,
                "lines": INVOICE_LINES,
                "taxes": TAX_LINES,
                "invoices": INVOICES,
            }.items()
        }
    return catalogs, found


def test_every_tax_is_what_the_catalog_says(rated):
    catalogs, found = rated
    before, taxes = defaultdict(list), defaultdict(dict)
    for line in found["before"]:
        before[line.invoice_id].append(line)
    for line in found["taxes"]:
        taxes[line.invoice_id][line.invoice_line_id.split("/")[2]] = (
            line.amount,
            line.included_amount,
        )
    assert len(before) > CUSTOMERS
    included = {line.invoice_line_id: line.tax_included for line in found["lines"]}
    for invoice_id, lines in before.items():
        catalog = catalogs[lines[0].customer_id]
        unit = Decimal(1).scaleb(-DECIMALS[catalog["plans"][0]["currency"]])
        expected, by_line = expected_taxes(lines, catalog, unit)
        is_reverse = catalog["customers"][0]["tax_exempt"] == "reverse"
        if is_reverse and not rates_on(catalog, lines[0].period_end - timedelta(days=1)):
            expected = {"reverse": (0, 0)} if sum(line.amount for line in lines) else {}
        assert taxes[invoice_id] == expected, (invoice_id, catalog, lines)
        for line_id, exact in by_line.items():
            rates = sum(rate["inclusive"] for rate in catalog["taxes"])
            assert abs(Fraction(included[line_id]) - exact) < Fraction(unit) * max(rates, 1)


def test_lines_and_taxes_add_up_to_the_invoice(rated):
    _, found = rated
    stated, lines = defaultdict(Decimal), defaultdict(list)
    for line in found["taxes"]:
        stated[line.invoice_id] += line.included_amount
    for line in found["lines"]:
        lines[line.invoice_id].append(line)
    for invoice in found["invoices"]:
        own = lines[invoice.invoice_id]
        assert invoice.total == sum(line.amount for line in own) == invoice.subtotal + invoice.tax
        assert invoice.tax_included == sum(line.tax_included for line in own)
        assert invoice.tax_included == stated[invoice.invoice_id]
        assert 0 <= invoice.tax_included <= invoice.subtotal
        assert invoice.tax >= 0
