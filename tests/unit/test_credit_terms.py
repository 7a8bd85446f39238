"""Credits of a contract: what is accepted, what is refused, and the rows they become."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.catalog import load_catalog
from models.problems import ConfigurationError
from tests.unit.catalog_files import write
from tests.unit.test_contract_terms import rows_of, with_terms

MONTHLY = "id: monthly, amount: 100, every_periods: 1"


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (
            "credits: [{id: x, amount: 5, rollover: {}}]",
            "credits[0]: rolls over and is granted once; expected every_periods, or a later "
            "expires instead",
        ),
        (
            f"credits: [{{{MONTHLY}, rollover: {{amount: 101}}}}]",
            "credits[0]: rolls over 101 of 100; without the amount, all of it rolls over",
        ),
        (
            f"credits: [{{{MONTHLY}, rollover: {{amount: 0}}}}]",
            "credits[0].rollover.amount: must be more than 0",
        ),
        (
            f"credits: [{{{MONTHLY}, rollover: {{amount: '0.001'}}}}]",
            "credits[0].rollover.amount: 0.001 has more decimals than USD, which has 2",
        ),
        (
            f"credits: [{{{MONTHLY}, rollover: {{periods: 0}}}}]",
            "credits[0].rollover.periods: must be at least 1, not 0",
        ),
        (
            "credits: [{id: x, amount: 5, every_periods: 0}]",
            "credits[0].every_periods: must be at least 1, not 0",
        ),
        (
            "credits: [{id: x, amount: 5, every_periods: month}]",
            'credits[0].every_periods: expected a whole number, not "month"',
        ),
    ],
)
def test_problems_of_credits(tmp_path: Path, terms: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_catalog(write(tmp_path, with_terms(terms)))
    [problem] = caught.value.problems
    assert "b.yml:4: customers[0].contracts[0]" in str(problem)
    assert message in str(problem)


@pytest.mark.parametrize(
    ("credit", "every", "amount", "periods"),
    [
        ("{id: x, amount: 100}", None, "0", 0),
        (f"{{{MONTHLY}}}", 1, "0", 0),
        (f"{{{MONTHLY}, rollover: {{}}}}", 1, "100", 1),
        (f"{{{MONTHLY}, rollover: {{amount: 40, periods: 3}}}}", 1, "40", 3),
    ],
)
def test_what_rolls_over_is_all_of_it_for_a_period_unless_it_says_otherwise(
    tmp_path: Path, credit: str, every: Any, amount: str, periods: int
) -> None:
    [row] = rows_of(tmp_path, f"credits: [{credit}]")["credit_grants"]
    assert row["every_periods"] == every
    assert (row["rollover_amount"], row["rollover_periods"]) == (Decimal(amount), periods)
