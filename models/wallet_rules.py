"""Rules between a contract and its wallets."""

from collections.abc import Iterator, Sequence
from itertools import product

from models.charge_rules import unpayable
from models.contracts import Contract, Customer
from models.prices import Plan
from models.problems import Problem
from models.taxes import Tax, customer_taxes
from models.wallets import Wallet


def wallet_rules(contract: Contract, plan: Plan | None) -> Iterator[Problem]:
    """Yield a problem for every rule that a contract's wallets break."""
    automatic = [wallet.id for wallet in contract.wallets if wallet.automatic]
    for wallet in contract.wallets:
        if not contract.place.is_partial:
            yield from _days(wallet, contract)
        if plan is not None:
            yield from _amounts(wallet, plan)
        if wallet.automatic and wallet.id != automatic[0]:
            yield wallet.automatic.place.problem(
                f"{wallet.id} and {automatic[0]} would both top themselves up for the same usage; "
                "only one wallet of a contract may"
            )


def _days(wallet: Wallet, contract: Contract) -> Iterator[Problem]:
    for top_up in wallet.top_ups:
        place = top_up.place.at("date")
        if top_up.day < contract.start:
            yield place.problem(
                f"is on {top_up.day}, when the contract has not begun: "
                f"it starts on {contract.start}"
            )
        if contract.end and top_up.day >= contract.end:
            yield place.problem(
                f"is on {top_up.day}, when the contract has ended: it ends on {contract.end}"
            )


def _amounts(wallet: Wallet, plan: Plan) -> Iterator[Problem]:
    for top_up in wallet.top_ups:
        yield from unpayable(top_up.place.at("amount"), top_up.amount, plan.currency)
    if wallet.automatic is not None:
        for key in ("below", "amount"):
            amount = getattr(wallet.automatic, key)
            yield from unpayable(wallet.automatic.place.at(key), amount, plan.currency)


def wallet_tax_rules(
    contract: Contract, plan: Plan, payer: Customer, taxes: Sequence[Tax]
) -> Iterator[Problem]:
    """Yield wallets for charges that a tax is not on alike: what they pay is taxed when bought."""
    charged = customer_taxes(payer, taxes) if payer.tax_exempt == "none" else ()
    limited = [tax for tax in taxes if tax.id in charged and tax.named_charges is not None]
    for wallet, tax in product(contract.wallets, limited):
        pays = wallet.applies_to or [charge.id for charge in plan.charges]
        named = [charge for charge in pays if charge in (tax.named_charges or ())]
        if named:
            yield wallet.place.problem(
                f"{wallet.id} may pay {', '.join(named)}, and the tax {tax.id} in {tax.place} is "
                "limited by charge: a top-up is taxed when it is bought, before it is known what "
                "for. Leave these charges out of its applies_to"
            )
