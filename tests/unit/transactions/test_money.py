"""Amounts are exact or refused."""

from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues import InvalidPayload
from transactions.money import MAX_MINOR, check_currency, exact, from_minor, number, places, split, to_minor

CURRENCIES = st.sampled_from(["JPY", "USD", "KWD", "CLF"])


@pytest.mark.parametrize(
    ("digits", "currency", "minor"),
    [
        ("19.99", "USD", 1999),
        ("8.20", "USD", 820),
        ("1.10", "USD", 110),
        ("7.77", "USD", 777),
        ("0.29", "USD", 29),
        ("100", "JPY", 100),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("1e2", "USD", 10000),
        ("0.01", "USD", 1),
        ("9999999999999.99", "USD", MAX_MINOR),
    ],
)
def test_amount_is_counted_in_its_currencys_own_minor_units(digits: str, currency: str, minor: int) -> None:
    """Case B60: int(19.99 * 100) is 1998; ours is 1999, from a string and from a number alike."""
    for value in (digits, Decimal(digits), float(digits)):
        amount = exact(value, currency)
        assert to_minor(amount, currency) == minor
        assert amount == Decimal(digits)
        assert -int(amount.as_tuple().exponent) == places(currency)


@pytest.mark.parametrize(
    ("value", "currency"),
    [
        ("1.005", "USD"),
        (1.005, "USD"),
        ("100.5", "JPY"),
        ("1.2345", "KWD"),
        ("1e-30", "USD"),
        ("1e-999999999", "USD"),
        ("1." + "0" * 60 + "1", "USD"),
        (Decimal("0." + "0" * 90 + "1"), "JPY"),
    ],
)
def test_amount_with_more_places_than_its_currency_is_refused(value: object, currency: str) -> None:
    """Case B60: 1.005 USD is not rounded to 1.00 or 1.01, it is refused."""
    with pytest.raises(InvalidPayload, match="decimal places") as caught:
        exact(value, currency)
    assert caught.value.field == "amount"


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "sNaN",
        "-NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "1e999999999",
        "",
        " 1",
        "1 ",
        "1,5",
        "1_000",
        "0x10",
        "١٢",
        ".5",
        "5.",
        "abc",
        "9" * 101,
        "0",
        "0.00",
        "-0",
        "-1",
        "-0.01",
        "10000000000000.00",
        True,
        False,
        None,
        [],
        {},
        b"1",
        0,
        -5,
        10**400,
        pytest.param(10**5000, id="an integer too long to be written"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1e400"),
        Decimal("-0.00"),
        float("nan"),
        float("inf"),
        1e300,
    ],
)
def test_what_is_no_amount_is_refused_with_its_field(value: object) -> None:
    """Case B55: NaN, infinities, huge, empty, boolean and otherwise odd amounts are named errors."""
    with pytest.raises(InvalidPayload) as caught:
        exact(value, "USD", field="total")
    assert caught.value.field == "total"
    assert "total" in caught.value.message


@pytest.mark.parametrize(
    "code",
    [
        "usd",
        "US",
        "USDT",
        "BTC",
        "ZZZ",
        "",
        "XXX",
        "XTS",
        "XAU",
        "XDR",
        "DEM",
        "FRF",
        "USD\n",
        " USD",
        "\uff35\uff33\uff24",
        None,
        840,
    ],
)
def test_code_that_is_no_currency_in_use_is_refused(code: object) -> None:
    """Lower case, crypto, test, metal, fund and withdrawn codes are all refused, by the field's name."""
    with pytest.raises(InvalidPayload, match="ISO 4217") as caught:
        check_currency(code)
    assert caught.value.field == "currency"


def test_withdrawn_currency_can_still_be_read() -> None:
    """An old row in a currency that is gone must not break the page that shows it."""
    assert from_minor(12345, "DEM") == Decimal("123.45")
    with pytest.raises(InvalidPayload) as caught:
        places("QQQ")
    assert caught.value.field == "currency"


@pytest.mark.parametrize(("currency", "expected"), [("JPY", 0), ("USD", 2), ("KWD", 3), ("CLF", 4), ("ISK", 0)])
def test_currency_has_the_places_that_iso_gives_it(currency: str, expected: int) -> None:
    """JPY has none, USD two, KWD three, CLF four."""
    assert places(currency) == expected


def test_split_gives_the_remainder_to_the_first_parts() -> None:
    """Case B60: 10.00 in 3 is 3.34, 3.33 and 3.33."""
    assert split(Decimal("10.00"), "USD", 3) == [Decimal("3.34"), Decimal("3.33"), Decimal("3.33")]
    assert split(Decimal(100), "JPY", 3) == [Decimal(34), Decimal(33), Decimal(33)]


@pytest.mark.parametrize("parts", [0, -1, 101])
def test_split_into_parts_that_cannot_be_is_refused(parts: int) -> None:
    """A part is at least one minor unit."""
    with pytest.raises(InvalidPayload) as caught:
        split(Decimal("1.00"), "USD", parts)
    assert caught.value.field == "parts"


@given(minor=st.integers(1, MAX_MINOR), currency=CURRENCIES)
def test_every_amount_survives_the_way_through_text(minor: int, currency: str) -> None:
    """Minor units to an amount, to its digits and back are the same minor units."""
    amount = from_minor(minor, currency)
    assert to_minor(exact(str(amount), currency), currency) == minor
    assert number(f"{amount:f}", "amount") == amount


@given(minor=st.integers(1, MAX_MINOR), parts=st.integers(1, 50), currency=CURRENCIES)
def test_every_split_adds_up(minor: int, parts: int, currency: str) -> None:
    """The parts add up to the amount and differ by one minor unit at most."""
    shares = [to_minor(part, currency) for part in split(from_minor(minor, currency), currency, min(parts, minor))]
    assert sum(shares) == minor
    assert max(shares) - min(shares) <= 1


def test_amounts_are_exact_whatever_the_threads_decimal_context() -> None:
    """A context of three digits, set by somebody else, rounds no money."""
    with localcontext(Context(prec=3)):
        assert to_minor(exact("12345.67", "USD"), "USD") == 1234567
        assert str(from_minor(1234567, "USD")) == "12345.67"
