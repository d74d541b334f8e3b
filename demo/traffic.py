"""Carries the plan out over REST: each payment from its creation to its receipt, several at once."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from demo.client import expect
from demo.commands import Accepted, Book
from demo.plan import RISKY, SAFE_RISK, UNKNOWN_CHANNEL, Ending, Kind, Payment, Receipt, Refund, amount

THREADS = 8
CREATED = 201
WATCH_SECONDS = 0.2


def run(book: Book, payments: Iterable[Payment], *, watch: Callable[[], None], stop: threading.Event) -> None:
    """Carry out all payments and wait for every job. `watch` is called meanwhile and may raise."""
    pool = ThreadPoolExecutor(THREADS)
    try:
        told = _results([pool.submit(pay, book, payment) for payment in payments], watch)
        commands = [command for batch in told for command in batch]
        _results([pool.submit(book.follow, command) for command in commands], watch)
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _results[T](futures: list[Future[T]], watch: Callable[[], None]) -> list[T]:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=WATCH_SECONDS, return_when=FIRST_EXCEPTION)
        watch()
        for future in done:
            future.result()
    return [future.result() for future in futures]


def pay(book: Book, payment: Payment) -> list[Accepted]:
    """Carry out one payment; return the e-mail and Slack commands, which nobody has waited for."""
    body = _facts(payment) | {"payment_method": "credit_card", "merchant_id": f"merchant-{payment.number % 9}"}
    expect(book.client.post("/api/v1/transactions/", body, key=f"create-{payment.tx_id}"), CREATED, payment.tx_id)
    _validate(book, payment)
    early = [_refund(book, payment, refund) for refund in payment.refunds if refund.early]
    for command in early:
        # It has met a transaction that is not settled, and waits for its next attempt.
        book.until(command, lambda job: job is None or bool(job["failures"]))
    _settle(book, payment, body)
    for command in early:
        book.follow(command)
    for refund in payment.refunds:
        if not refund.early:
            book.follow(_refund(book, payment, refund))
    return [*_receipt(book, payment), *_slack(book, payment)]


def _facts(payment: Payment) -> dict[str, object]:
    return {
        "tx_id": payment.tx_id,
        "amount": amount(payment.minor, payment.currency),
        "currency": payment.currency,
    }


def _validate(book: Book, payment: Payment) -> None:
    risk = RISKY if payment.ending is Ending.DECLINED else SAFE_RISK
    body = {"tx_id": payment.tx_id, "rules": ["amount_check", "fraud_detection"], "risk_score": risk}
    book.follow(book.send(Kind.VALIDATION, body, key=f"validate-{payment.tx_id}", effect=(payment.tx_id,)))


def _settle(book: Book, payment: Payment, body: dict[str, object]) -> None:
    if payment.ending is Ending.DISAGREES:
        body = body | {"amount": amount(payment.minor + 1, payment.currency)}
    command = _settlement(book, payment, body)
    if payment.sent_twice:
        _settlement(book, payment, body)
    book.follow(command)


def _settlement(book: Book, payment: Payment, body: dict[str, object]) -> Accepted:
    return book.send(
        Kind.SETTLEMENT,
        body,
        key=f"settle-{payment.tx_id}",
        effect=(payment.tx_id, payment.currency, payment.minor),
        succeeds=payment.ending is Ending.SETTLED,
    )


def _refund(book: Book, payment: Payment, refund: Refund) -> Accepted:
    facts = {"amount": amount(refund.minor, payment.currency), "refund_id": refund.refund_id, "reason": "returned"}
    return book.send(
        Kind.REFUND,
        _facts(payment) | facts,
        key=f"refund-{payment.tx_id}-{refund.refund_id}",
        effect=(payment.tx_id, payment.currency, -refund.minor),
        succeeds=refund.succeeds,
    )


def _receipt(book: Book, payment: Payment) -> list[Accepted]:
    if payment.receipt is Receipt.NONE:
        return []
    to = payment.recipient
    context = _facts(payment) | {"name": f"Customer {payment.number}", "reference": payment.tx_id}
    body = {"to": to, "template": "receipt", "context": context}
    succeeds = payment.receipt is not Receipt.REFUSED
    return [book.send(Kind.EMAIL, body, key=f"receipt-{payment.tx_id}", effect=(to,), succeeds=succeeds)]


def _slack(book: Book, payment: Payment) -> list[Accepted]:
    if payment.ending is not Ending.SETTLED:
        title = f"{payment.tx_id} was not settled"
        body = {"type": "settlement-failed", "title": title, "message": payment.ending.value, "severity": "error"}
        return [book.send(Kind.ALERT, body, key=f"alert-{payment.tx_id}", effect=(title,))]
    if payment.channel is None:
        return []
    text = f"{payment.tx_id}: {amount(payment.minor, payment.currency)} {payment.currency} settled"
    message = {"channel": payment.channel, "text": text}
    is_known = payment.channel != UNKNOWN_CHANNEL
    return [book.send(Kind.MESSAGE, message, key=f"tell-{payment.tx_id}", effect=(text,), succeeds=is_known)]
