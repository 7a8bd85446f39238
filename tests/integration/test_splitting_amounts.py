"""What is split adds up: the dbt macro ``split_amounts`` against largest remainder in Python."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

import jinja2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from connectors.dbt import PROJECT_DIRECTORY

UNIT = Decimal("0.000000000001")
MACRO = PROJECT_DIRECTORY / "macros" / "meaning" / "split_amounts.sql"

amounts = st.decimals("-999999999", "999999999", places=12, allow_nan=False)
weights = st.decimals("0", "1000000000", places=9, allow_nan=False)
# One whole: its amount, and a weight for each of its parts, not all of them zero.
wholes = st.tuples(amounts, st.lists(weights, min_size=1, max_size=7).filter(any))


def split_in_python(amount, part_weights):
    """Return the parts by the textbook, in exact fractions."""
    sign = -1 if amount < 0 else 1
    units, total = abs(Fraction(amount)) / Fraction(UNIT), sum(map(Fraction, part_weights))
    exact = [units * Fraction(weight) / total for weight in part_weights]
    parts = [int(share) for share in exact]
    by_loss = sorted(range(len(parts)), key=lambda n: (parts[n] - exact[n], n))
    for n in by_loss[: int(units) - sum(parts)]:
        parts[n] += 1
    return [sign * part * UNIT for part in parts]


@pytest.fixture(scope="module")
def statement():
    environment = jinja2.Environment()  # noqa: S701 - it renders SQL, not HTML.
    macro = environment.from_string(MACRO.read_text()).module.split_amounts
    query = macro(
        relation="given", whole=["whole"], part="part", weight="weight", amounts=["amount"]
    )
    rows = "jsonb_to_recordset(cast(:rows as jsonb))"
    columns = "whole int, part int, weight numeric, amount numeric"
    return text(f"with given as (select * from {rows} as ({columns})) {query} order by 1, 2")


def split_in_the_warehouse(connection, statement, given_wholes):
    rows = [
        f'{{"whole": {whole}, "part": {part}, "weight": {weight}, "amount": {amount}}}'
        for whole, (amount, part_weights) in enumerate(given_wholes)
        for part, weight in enumerate(part_weights)
    ]
    parts = defaultdict(list)
    for row in connection.execute(statement, {"rows": f"[{', '.join(rows)}]"}):
        parts[row.whole].append(row.amount)
    return [parts[whole] for whole in range(len(given_wholes))]


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(given_wholes=st.lists(wholes, min_size=1, max_size=12))
def test_parts_add_up_and_are_those_of_the_textbook(warehouse, statement, given_wholes):
    with warehouse.begin() as connection:
        split = split_in_the_warehouse(connection, statement, given_wholes)

    for (amount, part_weights), parts in zip(given_wholes, split, strict=True):
        assert sum(parts) == amount
        assert parts == split_in_python(amount, part_weights)


def test_a_part_without_weight_gets_nothing(warehouse, statement):
    with warehouse.begin() as connection:
        split = split_in_the_warehouse(
            connection, statement, [(Decimal(1), [Decimal(0), Decimal(3), Decimal(0)])]
        )
    assert split == [[0, 1, 0]]
