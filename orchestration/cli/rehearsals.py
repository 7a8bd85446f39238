"""Commands that rate beside the warehouse: preview, backtest."""

from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.printing import Printer, money
from orchestration.cli.session import Session, read_instant, session_of

if TYPE_CHECKING:
    from assets.rehearsals.backtest import Backtest, Window
    from assets.rehearsals.preview import Preview, PreviewedInvoice
    from models.catalog import Catalog

# How many customers and bills a terminal shows; --json and the report's marts have all of them.
ROWS_SHOWN = 10
AMOUNTS = ("revenue_old", "revenue_new", "revenue_change")
MARGINS = ("gross_margin_old", "gross_margin_new", "gross_margin_change")


def preview(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Id of a customer.")],
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="T", help="Count usage before this instant; default: now."),
    ] = None,
) -> None:
    """Show a customer's open period so far, and projected to its end."""
    from assets.rehearsals.preview import preview as previewed

    session = session_of(context)
    instant = read_instant(as_of, "--as-of") or session.now()
    catalog, warehouse = session.catalog, session.warehouse
    with session.printer.waiting(f"Rating {customer}"):
        found = previewed(
            warehouse,
            catalog,
            customer,
            instant,
            session.workspace.settings.billing.late_usage,
            session.workspace.state_directory / "dbt-preview",
        )
    session.printer.json(asdict(found))
    print_preview(session.printer, found)


def print_preview(printer: Printer, found: "Preview") -> None:
    """Print the drafts of a customer for people."""
    printer.line(f"{found.customer_id}, usage before {found.as_of:%Y-%m-%d %H:%M} UTC")
    if not found.invoices:
        printer.line("No billing period is open or waits to be finalised.")
    for invoice in found.invoices:
        print_invoice(printer, invoice)
    if found.projected_until is not None:
        printer.line(
            f"Projected until {found.projected_until:%Y-%m-%d %H:%M} UTC: {basis(found)}, and "
            "levels stay as they are."
        )


def basis(found: "Preview") -> str:
    """Return what a projection is made of, in words."""
    if not found.projected_records:
        return "there is no usage of the last week to repeat"
    return f"the usage of the last week is repeated ({found.projected_records:,} records)"


def print_invoice(printer: Printer, invoice: "PreviewedInvoice") -> None:
    """Print one draft: its lines so far and projected, and its totals."""
    header = invoice.header
    currency = header["currency"]
    rows = [
        [
            line.kind,
            line.description,
            line.quantity,
            money(line.amount, currency),
            line.projected_quantity,
            money(line.projected_amount, currency),
        ]
        for line in invoice.lines
    ]
    total, projected = header["total"], invoice.projected_total
    rows.append(["", "Total", None, money(total, currency), None, money(projected, currency)])
    state = "" if header["is_open"] else ", over"
    printer.table(
        ["Kind", "Description", "So far", currency, "Projected", currency],
        rows,
        title=f"{header['invoice_id']}: {header['period_start']} to {header['period_end']}{state}",
    )


def backtest(
    context: typer.Context,
    candidate: Annotated[
        Path, typer.Option("--catalog", metavar="DIR", help="The folder of the other catalog.")
    ],
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="D", help="First day to compare; default: all history."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="D", help="First day not to compare; default: tomorrow."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write the HTML report; default: in the state."),
    ] = None,
) -> None:
    """Rate all history under another catalog and compare; changes nothing."""
    from assets.rehearsals.backtest import backtest as rated
    from assets.rehearsals.report import report as page
    from models.catalog import catalog_of

    session = session_of(context)
    old, new = session.catalog, catalog_of(session.workspace, candidate)
    window = window_of(session, (old, new), from_, to)
    folder = session.workspace.state_directory
    warehouse = session.warehouse
    with session.printer.waiting("Rating history under both catalogs"):
        found = rated(warehouse, old, new, window, folder / "dbt-backtest")
    file = report or folder / "reports" / f"backtest-{old.version}-{new.version}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(found), encoding="utf-8")
    session.printer.json({**asdict(found), "report": str(file)})
    print_backtest(session.printer, found)
    session.printer.line(f"The report is {file}; the figures are in the schema backtest_marts.")


def window_of(
    session: Session, catalogs: "tuple[Catalog, ...]", from_: str | None, to: str | None
) -> "Window":
    """Return the days to compare: those asked for, or from the first contract until today."""
    from assets.rehearsals.backtest import Window

    now = session.now()
    starts = [contract.start for catalog in catalogs for contract in catalog.contracts.values()]
    first = read_day(from_, "--from") or min(starts, default=now.date())
    end = read_day(to, "--to") or now.date() + timedelta(days=1)
    if end <= first:
        raise typer.BadParameter(
            f"--to {end} must be later than --from {first}: the window is half-open"
        )
    return Window(first, end, now)


def read_day(given: str | None, option: str) -> date | None:
    """Return a day that an option names."""
    if given is None:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise typer.BadParameter(
            f"{given} is not a day such as 2026-10-01", param_hint=option
        ) from None


def print_backtest(printer: Printer, found: "Backtest") -> None:
    """Print the totals, plans, winners, losers and biggest shocks for people."""
    printer.line(
        f"Lines of {found.window.start} to {found.window.end} (exclusive): catalog "
        f"{found.old_version} (old) against {found.new_version} (new)"
    )
    if not found.marts["months"]:
        printer.line("No line begins in this window under either catalog.")
        return
    known = [row for row in found.marts["customers"] if row["revenue_change"] is not None]
    losers = sorted(known, key=lambda row: row["revenue_change"], reverse=True)
    chosen = {
        "Months": ("margin_month", found.marts["months"]),
        "Plans": ("plan_id", found.marts["plans"]),
        "Customers who pay more": ("customer_id", with_outcome(losers, "pays_more")),
        "Customers who pay less": ("customer_id", with_outcome(losers[::-1], "pays_less")),
    }
    for title, (key, rows) in chosen.items():
        if rows:
            print_changes(printer, title, key, rows)
    print_shocks(printer, found.marts["bills"])


def with_outcome(rows: list[dict[str, Any]], outcome: str) -> list[dict[str, Any]]:
    """Return the first customers with an outcome."""
    return [row for row in rows if row["outcome"] == outcome][:ROWS_SHOWN]


def print_changes(printer: Printer, title: str, key: str, rows: list[dict[str, Any]]) -> None:
    """Print revenue and gross margin, old and new."""
    head = ["", "", "Revenue old", "new", "change", "%", "Gross margin old", "new", "change"]
    printer.table(
        head,
        [
            [
                row[key],
                row["currency"],
                *(money(row[name], row["currency"]) for name in AMOUNTS),
                row["revenue_change_percent"],
                *(money(row[name], row["currency"]) for name in MARGINS),
            ]
            for row in rows
        ],
        title=title,
    )


def print_shocks(printer: Printer, bills: list[dict[str, Any]]) -> None:
    """Print the bills that rise most, of each currency."""
    rows = [row for row in bills if row["shock_rank"] and row["shock_rank"] <= ROWS_SHOWN]
    if rows:
        printer.table(
            ["Customer", "", "Month", "Bill old", "new", "change", "%"],
            [
                [
                    row["customer_id"],
                    row["currency"],
                    f"{row['bill_month']:%Y-%m}",
                    *(
                        money(row[name], row["currency"])
                        for name in ("bill_old", "bill_new", "bill_change")
                    ),
                    row["bill_change_percent"],
                ]
                for row in sorted(rows, key=lambda row: (row["currency"], row["shock_rank"]))
            ],
            title="Biggest bill shocks",
        )
