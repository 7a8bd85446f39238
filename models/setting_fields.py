"""Types of the values in ``meterhouse.yml``: secrets, addresses, roles, and paths of fields."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr, WithJsonSchema

from models.fields import plain, read_words, refusal, shown


def read_secret(given: Any) -> SecretStr:
    """Return a secret text; a refusal never shows it."""
    if isinstance(given, SecretStr):
        return given
    if isinstance(given, bool) or not isinstance(given, str | int) or not str(given).strip():
        raise refusal("expected a text; write ${NAME} and put the value into .env")
    return SecretStr(str(given).strip())


def read_postgres_url(given: Any) -> SecretStr:
    """Return the address of a PostgreSQL database."""
    secret = read_secret(given)
    url = secret.get_secret_value()
    if not url.startswith(("postgresql://", "postgres://", "postgresql+psycopg2://")):
        raise refusal("is not an address of PostgreSQL: postgresql://user:password@host/database")
    return secret


def read_warehouse_url(given: Any) -> SecretStr:
    """Return ``embedded`` or the address of a PostgreSQL database."""
    if given == "embedded":
        return SecretStr("embedded")
    try:
        return read_postgres_url(given)
    except ValueError:
        raise refusal(
            "expected embedded, or an address: postgresql://user:password@host/database"
        ) from None


def read_http_url(given: Any) -> str:
    """Return an http or https address without a trailing slash."""
    url = read_words(given)
    if not url.startswith(("http://", "https://")):
        raise refusal(f"{shown(url)} is not an address that begins with https:// or http://")
    return str(url).rstrip("/")


def read_secret_http_url(given: Any) -> SecretStr:
    """Return an address that may hold a token."""
    secret = read_secret(given)
    if not secret.get_secret_value().startswith(("http://", "https://")):
        raise refusal("is not an address that begins with https:// or http://")
    return secret


def read_field_path(given: Any) -> str | dict[str, Any]:
    """Return where a source has a field: a column, a dotted path, or ``{const: value}``."""
    if isinstance(given, dict):
        if set(given) == {"const"} and isinstance(given["const"], str | int):
            return {"const": given["const"]}
        if given and "const" not in given:
            return {str(name): read_words(column) for name, column in given.items()}
    elif isinstance(given, str) and given.strip():
        return str(given).strip()
    raise refusal("expected a column, a dotted path such as data.tenant, or {const: value}")


def read_role_arn(given: Any) -> str:
    """Return the name of an AWS role."""
    role = read_words(given)
    if not re.fullmatch(r"arn:[a-z-]+:iam::[0-9]{12}:role/.+", role):
        raise refusal(f"{shown(role)} is not a role: arn:aws:iam::123456789012:role/name")
    return str(role)


def read_external_id(given: Any) -> str:
    """Return an external id as STS takes it."""
    external_id = read_words(given)
    if not re.fullmatch(r"[\w+=,.@:/-]{2,1224}", external_id, re.ASCII):
        raise refusal("is not an external id: 2 to 1224 letters, digits and +=,.@:/-")
    return str(external_id)


def read_event_value(given: Any) -> str | dict[str, str]:
    """Return what an event counts: a number, or the path of the property that holds one."""
    if isinstance(given, dict) and set(given) == {"const"}:
        given = given["const"]
    if isinstance(given, int | Decimal) and not isinstance(given, bool):
        return {"const": str(given) if isinstance(given, int) else plain(given)}
    words = read_words(given)
    return {"const": words} if words.lstrip("-").replace(".", "", 1).isdigit() else words


def read_prefix(given: Any) -> str:
    """Return the beginning of the names of a bucket's objects; an empty one means all."""
    return "" if given == "" else read_words(given)


TEXT = WithJsonSchema({"type": "string"})
Secret = Annotated[SecretStr, BeforeValidator(read_secret), TEXT]
PostgresUrl = Annotated[SecretStr, BeforeValidator(read_postgres_url), TEXT]
WarehouseUrl = Annotated[SecretStr, BeforeValidator(read_warehouse_url), TEXT]
HttpUrl = Annotated[str, BeforeValidator(read_http_url), TEXT]
SecretHttpUrl = Annotated[SecretStr, BeforeValidator(read_secret_http_url), TEXT]
FieldPath = Annotated[
    Any,
    BeforeValidator(read_field_path),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]}),
]
EventValue = Annotated[Any, BeforeValidator(read_event_value)]
RoleArn = Annotated[str, BeforeValidator(read_role_arn), TEXT]
ExternalId = Annotated[str, BeforeValidator(read_external_id), TEXT]
Prefix = Annotated[str, BeforeValidator(read_prefix), TEXT]
