"""Types of the values in a user's files: exact numbers, ids, days, durations, currencies."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from models.money import CURRENCIES, decimals_of
from models.problems import did_you_mean
from models.variables import VariableText

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DURATION = re.compile(r"([0-9]{1,6}[wdhms])+")
COUNTRY = re.compile(r"[A-Z]{2}")

# Everything is counted in days since then, or until then.
FIRST_YEAR, LAST_YEAR = 1970, 2999
SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


def refusal(message: str) -> PydanticCustomError:
    """Return the error of a value that breaks a rule; braces in the message are kept."""
    return PydanticCustomError("refused", "{message}", {"message": message})


def shown(value: Any) -> str:
    """Return a value for a message; what came from a variable shows the variable instead."""
    if isinstance(value, VariableText):
        return value.template
    if isinstance(value, str):
        return f'"{value[:60]}…"' if len(value) > 60 else f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return str(value)


def plain(number: Decimal) -> str:
    """Return a number's digits without exponent or trailing zeros."""
    digits = f"{number:f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def exact_number(
    whole_digits: int, decimals: int, *, is_signed: bool = False
) -> Callable[[Any], Decimal]:
    """Return a reader of numbers that a ``numeric`` column holds without rounding."""

    def read(given: Any) -> Decimal:
        if isinstance(given, float):
            raise refusal(f"{given} is a float, which is not exact; write it as text in quotes")
        if isinstance(given, bool) or not isinstance(given, str | int | Decimal):
            raise refusal(f'expected a number as text, such as "0.08", not {shown(given)}')
        digits = f"{given:f}" if isinstance(given, Decimal) else str(given).strip()
        if not NUMBER.fullmatch(digits):
            raise refusal(f'{shown(given)} is not a number; write plain digits, such as "1234.50"')
        is_negative = digits.startswith("-") and bool(digits.strip("-0."))
        if is_negative and not is_signed:
            raise refusal(f"{shown(given)} is negative, and must not be")
        number = Decimal(digits if is_negative else digits.lstrip("-"))
        if abs(number) >= Decimal(10) ** whole_digits or decimals_of(number) > decimals:
            raise refusal(
                f"{shown(given)} is too long: at most {whole_digits} digits "
                f"before the point and {decimals} after it"
            )
        return number

    return read


def above_zero(number: Decimal) -> Decimal:
    """Return a number that is more than zero."""
    if number <= 0:
        raise refusal("must be more than 0")
    return number


def read_percent(given: Any) -> Decimal:
    """Return a percentage from 0 to 100 with at most six decimals."""
    percent = exact_number(9, 6)(given)
    if percent > 100:
        raise refusal(f"{shown(given)} is not a percentage from 0 to 100")
    return percent


def read_words(given: Any) -> str:
    """Return a text; a whole number or a day is taken as it is written."""
    if isinstance(given, bool) or not isinstance(given, str | int | date):
        raise refusal(f"expected text, not {shown(given)}")
    words = str(given).strip()
    if not words:
        raise refusal("is empty")
    if len(words) > 5000 or "\0" in words:
        raise refusal("is longer than 5000 characters, or holds a zero byte")
    return VariableText(words, given.template) if isinstance(given, VariableText) else words


def read_identifier(given: Any) -> str:
    """Return an id that is safe in file names, urls and composed keys."""
    identifier = read_words(given)
    if not IDENTIFIER.fullmatch(identifier):
        raise refusal(
            f"{shown(identifier)} is not an id: use letters, digits, '_', '.' and '-', "
            "beginning with a letter or digit, at most 128"
        )
    return identifier


def listed_alone(given: Any) -> Any:
    """Return a list of ids; one that stands alone is a list of one."""
    return given if isinstance(given, list | tuple) else [given]


def alone_if_one(identifiers: tuple[str, ...]) -> str | list[str]:
    """Return ids as they are written: one alone, others as a list."""
    return identifiers[0] if len(identifiers) == 1 else list(identifiers)


def read_tenant(given: Any) -> str:
    """Return a tenant's identifier as the product's systems write it, up to 255 characters."""
    tenant = read_words(given)
    if len(tenant) > 255:
        raise refusal("is longer than the 255 characters that a usage record's tenant may have")
    return tenant


def read_day(given: Any) -> date:
    """Return a calendar day, of a year in which something may be sold."""
    day = given if type(given) is date else None
    if isinstance(given, str) and DAY.fullmatch(given):
        with suppress(ValueError):
            day = date.fromisoformat(given)
    if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise refusal(f"{day} is not between {FIRST_YEAR} and {LAST_YEAR}")
    if day is not None:
        return day
    raise refusal(f"{shown(given)} is not a day; write it as 2026-01-31")


def read_duration(given: Any) -> timedelta:
    """Return a length of time written as ``1d``, ``12h``, ``15m`` or ``1d12h``."""
    if not isinstance(given, str) or not DURATION.fullmatch(given):
        raise refusal(f"{shown(given)} is not a length of time; write it as 1d, 12h or 15m")
    parts = re.findall(r"([0-9]+)([wdhms])", given)
    return timedelta(seconds=sum(int(count) * SECONDS[unit] for count, unit in parts))


def write_duration(duration: timedelta) -> str:
    """Return a length of time in its largest unit that is whole."""
    seconds = int(duration.total_seconds())
    unit = next(unit for unit in "dhms" if seconds % SECONDS[unit] == 0)
    return f"{seconds // SECONDS[unit]}{unit}"


def read_currency(given: Any) -> str:
    """Return a currency code of ISO 4217."""
    if isinstance(given, str) and given in CURRENCIES:
        return str(given)
    hint = ""
    if isinstance(given, str) and not isinstance(given, VariableText):
        hint = did_you_mean(given.upper(), CURRENCIES)
    raise refusal(f"{shown(given)} is not a currency of ISO 4217{hint or '; write USD or EUR'}")


def read_timezone(given: Any) -> str:
    """Return the name of a time zone of the IANA database."""
    if isinstance(given, str) and given:
        try:
            return ZoneInfo(str(given)).key
        # An unknown zone is a KeyError, a folder of zones an OSError.
        except (KeyError, ValueError, OSError):
            pass
    hint = did_you_mean(given, available_timezones()) if isinstance(given, str) else ""
    raise refusal(
        f"{shown(given)} is not a time zone{hint or '; write UTC, Europe/Berlin or the like'}"
    )


def read_country(given: Any) -> str:
    """Return a country's code of two letters."""
    if not isinstance(given, str) or not COUNTRY.fullmatch(given):
        raise refusal(f"{shown(given)} is not a country code of two letters, such as DE or US")
    return str(given)


def _exact(whole_digits: int, decimals: int, *, is_signed: bool = False) -> BeforeValidator:
    return BeforeValidator(exact_number(whole_digits, decimals, is_signed=is_signed))


AS_TEXT = PlainSerializer(plain, return_type=str)
NUMBER_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
            {"type": "integer", "minimum": 0},
        ],
        "description": 'An exact number as text, such as "0.08".',
    }
)
SIGNED_SCHEMA = WithJsonSchema(
    {
        "anyOf": [{"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}, {"type": "integer"}],
        "description": 'An exact number as text, such as "-0.08".',
    }
)
TEXT_SCHEMA = WithJsonSchema({"type": ["string", "integer"]})

Amount = Annotated[Decimal, _exact(26, 12), AS_TEXT, NUMBER_SCHEMA]
Quantity = Annotated[Decimal, _exact(29, 9), AS_TEXT, NUMBER_SCHEMA]
# Kept in a column numeric(20, 3): what is payable has at most three decimals.
PayableAmount = Annotated[Decimal, _exact(17, 3), AS_TEXT, NUMBER_SCHEMA]
SignedAmount = Annotated[Decimal, _exact(17, 3, is_signed=True), AS_TEXT, SIGNED_SCHEMA]
# A payable amount times a rate fits a column numeric(38, 12) without being rounded.
ExchangeRate = Annotated[Decimal, _exact(9, 9), AS_TEXT, NUMBER_SCHEMA]
Percent = Annotated[Decimal, BeforeValidator(read_percent), AS_TEXT, NUMBER_SCHEMA]
Words = Annotated[str, BeforeValidator(read_words), TEXT_SCHEMA]
IDENTIFIER_SCHEMA = {"type": ["string", "integer"], "pattern": f"^{IDENTIFIER.pattern}$"}
Identifier = Annotated[str, BeforeValidator(read_identifier), WithJsonSchema(IDENTIFIER_SCHEMA)]
# One id may stand for a list of one, and is written so.
Identifiers = Annotated[
    tuple[Identifier, ...],
    BeforeValidator(listed_alone),
    PlainSerializer(alone_if_one, return_type=str | list[str]),
    WithJsonSchema({"anyOf": [IDENTIFIER_SCHEMA, {"type": "array", "items": IDENTIFIER_SCHEMA}]}),
]
TenantName = Annotated[str, BeforeValidator(read_tenant), TEXT_SCHEMA]
Day = Annotated[
    date, BeforeValidator(read_day), WithJsonSchema({"type": "string", "format": "date"})
]
Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION.pattern}$"}),
]
Currency = Annotated[
    str, BeforeValidator(read_currency), WithJsonSchema({"enum": sorted(CURRENCIES)})
]
Timezone = Annotated[str, BeforeValidator(read_timezone), WithJsonSchema({"type": "string"})]
Country = Annotated[
    str,
    BeforeValidator(read_country),
    WithJsonSchema({"type": "string", "pattern": f"^{COUNTRY.pattern}$"}),
]
