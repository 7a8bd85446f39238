"""Credits of a contract: what is accepted, what is refused, and the rows they become."""

from datetime import date
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
        (
            "wallets: [{id: w}]",
            "wallets[0]: needs top_ups or automatic: nothing would ever be in it",
        ),
        (
            "wallets: [{id: w, top_ups: [{date: 2026-02-01, amount: 5}, "
            "{date: 2026-02-01, amount: 6}]}]",
            "wallets[0]: two top_ups are on 2026-02-01; write their sum as one",
        ),
        (
            "wallets: [{id: w, top_ups: [{date: 2026-01-14, amount: 5}]}]",
            "wallets[0].top_ups[0].date: is on 2026-01-14, when the contract has not begun: "
            "it starts on 2026-01-15",
        ),
        (
            "wallets: [{id: w, top_ups: [{date: 2027-01-15, amount: 5}]}]",
            "wallets[0].top_ups[0].date: is on 2027-01-15, when the contract has ended",
        ),
        (
            "wallets: [{id: w, top_ups: [{date: 2026-02-01, amount: '0.001'}]}]",
            "wallets[0].top_ups[0].amount: 0.001 has more decimals than USD, which has 2",
        ),
        (
            "wallets: [{id: w, automatic: {below: 5, amount: 0}}]",
            "wallets[0].automatic.amount: must be more than 0",
        ),
        (
            "wallets: [{id: w, automatic: {below: '0.001', amount: 5}}]",
            "wallets[0].automatic.below: 0.001 has more decimals than USD, which has 2",
        ),
        (
            "wallets: [{id: w, automatic: {below: 5, amount: 5}}, "
            "{id: v, automatic: {below: 5, amount: 5}}]",
            "wallets[1].automatic: v and w would both top themselves up for the same usage",
        ),
        (
            "credits: [{id: w, amount: 5}], wallets: [{id: w, automatic: {below: 5, amount: 5}}]",
            "wallets[0].id: the id w is already taken among the credits and wallets of k",
        ),
        (
            "wallets: [{id: carried, automatic: {below: 5, amount: 5}}]",
            "wallets[0].id: carried is what a negative invoice carries on; expected another id",
        ),
        (
            "wallets: [{id: w, applies_to: [cals], automatic: {below: 5, amount: 5}}]",
            "wallets[0].applies_to[0]: there is no charge in the plan payg called cals",
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


def test_a_wallet_is_bought_on_its_days_or_tops_itself_up(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        "wallets: [{id: w, priority: 2, valid_days: 90, applies_to: [calls], "
        "top_ups: [{date: 2026-02-01, amount: 5}], automatic: {below: 3, amount: 10}}]",
    )
    [wallet] = rows["wallets"]
    [top_up] = rows["wallet_top_ups"]
    assert (wallet["wallet_id"], wallet["priority"], wallet["valid_days"]) == ("w", 2, 90)
    assert wallet["is_limited"]
    assert (wallet["automatic_below"], wallet["automatic_amount"]) == (3, 10)
    assert (top_up["due_on"], top_up["amount"]) == (date(2026, 2, 1), 5)
    [charge] = rows["credit_charges"]
    assert (charge["credit_id"], charge["charge_id"]) == ("w", "calls")
