"""Commands that are wrong, each of which must be refused, with its field named, and leave nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from demo.client import Client

FACTS: dict[str, Any] = {
    "tx_id": "tx-refused",
    "amount": "19.99",
    "currency": "USD",
    "payment_method": "credit_card",
    "merchant_id": "merchant-1",
}
EMAIL: dict[str, Any] = {"to": "customer@example.org", "template": "welcome", "context": {"name": "Customer"}}
CREATE = "/api/v1/transactions/"
SETTLE = "/api/v1/transactions/settlements/"
VALIDATE = "/api/v1/transactions/validations/"
EMAILS = "/api/v1/notifications/emails/"
MESSAGES = "/api/v1/slack/messages/"
TOO_LONG = "k" * 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One wrong request; without a body it is a GET. `names` is the field that the answer has to name."""

    what: str
    path: str
    body: dict[str, Any] | None = None
    status: int = 400
    names: str | None = None
    key: str = field(default="refused")

    def problem(self, client: Client) -> str | None:
        """Send it; return what is wrong with the answer, None when it was refused as it must be."""
        answer = client.get(self.path) if self.body is None else client.post(self.path, self.body, key=self.key)
        if answer.status != self.status:
            return f"{self.what}: expected {self.status}, got {answer.status} {answer.body}"
        fields = [error["field"] for error in answer.body.get("errors", [])]
        if self.names is not None and self.names not in fields:
            return f"{self.what}: the answer names {fields}, not {self.names}"
        return None


def wrong_requests() -> Iterator[Wrong]:
    """Yield every wrong request."""
    for path in (CREATE, SETTLE):
        for what, name, value in (
            ("NaN", "amount", float("nan")),
            ("a negative amount", "amount", "-5.00"),
            ("no amount at all", "amount", None),
            ("a currency that there is not", "currency", "XYZ"),
            ("a number for an id", "tx_id", 7),
        ):
            yield Wrong(what=f"{what} to {path}", path=path, body=FACTS | {name: value}, names=name)
        yield Wrong(what="half a yen", path=path, body=FACTS | {"currency": "JPY", "amount": "1.5"}, names="amount")
        missing = {name: value for name, value in FACTS.items() if name != "merchant_id"}
        yield Wrong(what="a missing field", path=path, body=missing, names="merchant_id")
    validation = {"tx_id": "tx-refused", "rules": ["amount_check"], "risk_score": 0.3}
    yield Wrong(what="an unknown rule", path=VALIDATE, body=validation | {"rules": ["luck"]}, names="rules")
    yield Wrong(what="a risk above 1", path=VALIDATE, body=validation | {"risk_score": 7}, names="risk_score")
    yield Wrong(what="no address", path=EMAILS, body=EMAIL | {"to": "nobody"}, names="to")
    yield Wrong(what="a second header", path=EMAILS, body=EMAIL | {"subject": "Hi\nBcc: a@b.example"}, names="subject")
    yield Wrong(what="an unknown template", path=EMAILS, body=EMAIL | {"template": "spam"}, names="template")
    yield Wrong(what="a blank text", path=MESSAGES, body={"channel": "#payments", "text": " "}, names="text")
    yield Wrong(what="a key too long", path=EMAILS, body=EMAIL, key=TOO_LONG, names="Idempotency-Key")
    yield Wrong(what="an unknown queue", path="/api/v1/queues/no-such-queue/", status=404)
    yield Wrong(what="an unknown job", path="/api/v1/queues/data-processing/jobs/none/", status=404)
    yield Wrong(what="an unknown transaction", path="/api/v1/transactions/none/", status=404)
