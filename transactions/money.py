"""Exact amounts: parse, count in minor units, split.

An amount is a Decimal with its currency's own number of places, never a float; it is stored
as a whole number of minor units (cents of USD, yen, fils of KWD). What is not exact is
refused with InvalidPayload and the field named: nothing is rounded.
"""

import re
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from functools import cache
from typing import Final

from moneyed import Currency, CurrencyDoesNotExist, get_currency

from queues import InvalidPayload

MAX_MINOR: Final = 10**15 - 1
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?")
_NUMBER_LENGTH: Final = 100
_NOT_COUNTRIES: Final = {"ZZ", "AQ", "CP"}  # the regions of metals, funds, tests and "no currency"


@cache
def _currency(code: str) -> Currency | None:
    try:
        return get_currency(code)
    except CurrencyDoesNotExist:
        return None


def check_currency(code: object) -> str:
    """Return the ISO 4217 code, in capitals, of money that is in use; raise InvalidPayload otherwise.

    Refused are metals, funds, test codes and currencies that were withdrawn.
    """
    if isinstance(code, str) and re.fullmatch("[A-Z]{3}", code):
        currency = _currency(code)
        if currency is not None and set(currency.country_codes) - _NOT_COUNTRIES:
            return code
    raise InvalidPayload(
        f"currency is {code!r:.40}; it must be the ISO 4217 code of a currency in use, such as 'USD'.",
        field="currency",
    )


def places(code: str) -> int:
    """Return how many decimal places a currency has, a withdrawn one too: JPY 0, USD 2, KWD 3.

    Raises InvalidPayload for an unknown code.
    """
    currency = _currency(code)
    if currency is None:
        raise InvalidPayload(f"currency is {code!r:.40}, which ISO 4217 does not have.", field="currency")
    return len(str(currency.sub_unit)) - 1


def number(value: object, field: str) -> Decimal:
    """Read a Decimal, int, float or string by its digits; the float 19.99 is exactly 19.99.

    Raises InvalidPayload for anything else, NaN and the infinities included.
    """
    text = _digits(value)
    if text is None or len(text) > _NUMBER_LENGTH or not _NUMBER.fullmatch(text):
        shown = "a very large number" if isinstance(value, int) and text is None else f"{value!r:.40}"
        raise InvalidPayload(f"{field} is {shown}; it must be a number such as '19.99'.", field=field)
    return Decimal(text)


def _digits(value: object) -> str | None:
    match value:
        case bool():
            return None
        case int():
            # Python refuses to write out integers of more than a few thousand digits.
            return str(value) if value.bit_length() < _NUMBER_LENGTH * 3 else None
        case float():
            return repr(value)
        case Decimal() | str():
            return str(value)
    return None


def exact(value: object, currency: str, *, field: str = "amount") -> Decimal:
    """Return an amount above zero with its currency's number of places: 8.2 USD is 8.20.

    Raises InvalidPayload for a currency not in use, and for an amount that is no number, zero,
    negative, too large, or has more places than the currency.
    """
    return from_minor(_count(number(value, field), currency, field), currency)


def to_minor(amount: Decimal, currency: str, *, field: str = "amount") -> int:
    """Return an amount above zero in minor units: 19.99 USD is 1999. Raises as `exact` does."""
    return _count(number(amount, field), currency, field)


def from_minor(minor: int, currency: str) -> Decimal:
    """Return minor units as an amount: 1999 is 19.99 USD, -5 is -0.05 USD."""
    return Decimal(minor).scaleb(-places(currency), _strict())


def split(amount: Decimal, currency: str, parts: int) -> list[Decimal]:
    """Split an amount into parts that add up to it, the larger first: 10.00 in 3 is 3.34, 3.33, 3.33.

    Raises InvalidPayload for an amount that `exact` refuses, or that has fewer minor units than parts.
    """
    minor = to_minor(amount, currency)
    if not 1 <= parts <= minor:
        raise InvalidPayload(f"parts is {parts!r:.40}; it must be a whole number from 1 to {minor}.", field="parts")
    each, extra = divmod(minor, parts)
    return [from_minor(each + (index < extra), currency) for index in range(parts)]


def _count(amount: Decimal, currency: str, field: str) -> int:
    decimals = places(check_currency(currency))
    if amount <= 0:
        raise InvalidPayload(f"{field} is {amount}; it must be above 0.", field=field)
    most = from_minor(MAX_MINOR, currency)
    # Compared before it is scaled: 1e400 has no place in a whole number.
    if amount > most:
        raise InvalidPayload(f"{field} is larger than {most} {currency}, the most that is taken.", field=field)
    context = _strict()
    try:
        return int(amount.scaleb(decimals, context).to_integral_exact(context=context))
    except DecimalException as exc:
        raise InvalidPayload(f"{field} is {amount}; {currency} has {decimals} decimal places.", field=field) from exc


def _strict() -> Context:
    """Return a context that refuses to round, whatever the thread's own does.

    It has digits enough for any amount in range; what needs more has too many places.
    """
    return Context(prec=_NUMBER_LENGTH, traps=[Inexact, InvalidOperation, Overflow])
