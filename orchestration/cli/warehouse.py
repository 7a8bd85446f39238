"""Commands about the warehouse: where it is, psql, start and stop of the embedded one."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.session import Session, session_of
from orchestration.failures import ActionNeeded

if TYPE_CHECKING:
    from connectors.embedded_postgres import EmbeddedPostgres

app = typer.Typer(help="The warehouse: its address, psql, start and stop.", no_args_is_help=True)

IsReader = Annotated[
    bool, typer.Option("--reader", help="As the read-only role that BI tools use.")
]


@app.command()
def url(context: typer.Context, is_reader: IsReader = False) -> None:
    """Print the address of the warehouse, password included."""
    session = session_of(context)
    address = address_of(session, is_reader=is_reader)
    session.printer.json({"url": address})
    session.printer.line(address)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, is_reader: IsReader = False) -> None:
    """Open psql on the warehouse; what follows is passed on, such as -c 'select 1'."""
    from connectors.embedded_postgres import EmbeddedPostgres

    session = session_of(context)
    address = address_of(session, is_reader=is_reader)
    program = EmbeddedPostgres.psql_path
    # The password stays out of the arguments, which everybody on the machine can read.
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(address)
    login, _, place = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    os.environ.pop("PGPASSWORD", None)
    if password:
        os.environ["PGPASSWORD"] = unquote(password)
    without = parts._replace(netloc=f"{user}@{place}").geturl()
    os.environ.setdefault("PGTZ", "UTC")
    os.execv(program, [str(program), without, *context.args])  # noqa: S606


@app.command()
def start(context: typer.Context) -> None:
    """Start the embedded warehouse, creating it on first use."""
    session = session_of(context)
    embedded(session)
    _ = session.warehouse
    session.printer.json({"running": True})
    session.printer.line("The warehouse runs.")


@app.command()
def stop(context: typer.Context) -> None:
    """Stop the embedded warehouse; whatever uses it loses its connection."""
    session = session_of(context)
    was_running = embedded(session).stop()
    session.printer.json({"running": False, "was_running": was_running})
    session.printer.line("The warehouse is stopped." if was_running else "It was not running.")


def embedded(session: Session) -> "EmbeddedPostgres":
    """Return the embedded server of a workspace; refuse where the warehouse is another one."""
    from connectors.embedded_postgres import EmbeddedPostgres

    if not session.workspace.settings.warehouse.is_embedded:
        raise ActionNeeded(
            "the warehouse of this workspace is a server of its own (warehouse.url in "
            "meterhouse.yml): start and stop it there"
        )
    return EmbeddedPostgres(session.workspace.state_directory)


def address_of(session: Session, *, is_reader: bool) -> str:
    """Return the address of the warehouse as libpq and BI tools take it.

    On a server that is not ours the reader's password is its administrator's: it is left out.
    """
    from urllib.parse import quote

    from sqlalchemy import make_url

    from connectors.schema import READER

    own = make_url(session.warehouse.url)
    user, password = own.username or "", str(own.password or "")
    if is_reader:
        user, password = READER, ""
        if session.workspace.settings.warehouse.is_embedded:
            password = embedded(session).address(READER).password
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    # The rest, with its port and options, as the library writes it.
    place = own._replace(drivername="postgresql", username=None, password=None)
    return place.render_as_string().replace("postgresql://", f"postgresql://{login}@", 1)
