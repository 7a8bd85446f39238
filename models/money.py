"""Currencies, their minor units, and the one rounding of a payable amount."""

from decimal import ROUND_HALF_UP, Context, Decimal


def _codes(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Stripe's lists, ISK, of which it takes no fractions, and IQD and LYD of ISO 4217; every other
# currency has two decimals.
ZERO_DECIMALS = _codes("BIF CLP DJF GNF ISK JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF")
# Without decimals, and counted by Stripe in hundredths all the same, as they once had them.
HUNDREDTHS_IN_STRIPE = _codes("ISK UGX")
THREE_DECIMALS = _codes("BHD IQD JOD KWD LYD OMR TND")
# ISO 4217 currencies in circulation, as of 2025.
TWO_DECIMALS = _codes(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD
    CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL
    MAD MDL MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP
    PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS
    TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
    """
)
CURRENCIES = ZERO_DECIMALS | TWO_DECIMALS | THREE_DECIMALS

# Wide enough for numeric(38, 12) without the default context's 28 digits.
EXACT = Context(prec=100)


class MoneyError(ValueError):
    """An amount or currency that cannot be paid as it stands."""


def minor_units(currency: str) -> int:
    """Return how many decimals a payable amount of a currency has: 0, 2 or 3."""
    if currency in ZERO_DECIMALS:
        return 0
    if currency in THREE_DECIMALS:
        return 3
    if currency in TWO_DECIMALS:
        return 2
    raise MoneyError(f"{currency} is not a currency of ISO 4217")


def to_minor(amount: Decimal, currency: str) -> int:
    """Return an amount in the currency's minor unit; one that is not whole there is refused."""
    minor = amount.scaleb(minor_units(currency), EXACT)
    whole = minor.to_integral_value()
    if minor != whole:
        raise MoneyError(f"{amount:f} {currency} has a fraction of the currency's minor unit")
    return int(whole)


def from_minor(minor: int, currency: str) -> Decimal:
    """Return the amount of a whole number of minor units."""
    return Decimal(minor).scaleb(-minor_units(currency), EXACT)


def to_stripe(amount: Decimal, currency: str) -> int:
    """Return an amount as Stripe counts it; one that is not whole in the minor unit is refused."""
    return to_minor(amount, currency) * (100 if currency in HUNDREDTHS_IN_STRIPE else 1)


def from_stripe(count: int, currency: str) -> Decimal:
    """Return the amount that Stripe counts so."""
    amount = from_minor(count, currency)
    return amount.scaleb(-2, EXACT) if currency in HUNDREDTHS_IN_STRIPE else amount


def round_half_away(amount: Decimal, digits: int) -> Decimal:
    """Return an amount rounded to a number of decimals, halves away from zero."""
    return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, EXACT)


def decimals_of(amount: Decimal) -> int:
    """Return how many decimals an amount needs."""
    exponent = amount.normalize(EXACT).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
