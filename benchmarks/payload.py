"""The job that every system carries: a settlement and its metadata.

Only the standard library, because each peer's environment imports it.
"""

from typing import Any, Final

NOOP: Final = "bench.noop.v1"
SLEEP: Final = "bench.sleep.v1"
SLEEP_SECONDS: Final = 0.05


def settlement(index: int) -> dict[str, Any]:
    """Return the payload of the job with that index, as JSON values; every index gives the same size."""
    return {
        "txId": f"tx-{index:08d}",
        "amount": "1249.90",
        "currency": "EUR",
        "paymentMethod": "credit_card",
        "merchantId": "merchant-0456",
    }


def metadata(index: int) -> dict[str, Any]:
    """Return the metadata of the job with that index, as JSON values."""
    return {
        "correlationId": f"settlement-{index:08d}",
        "user": {
            "sub": "6f1c0a52-93d7-4be2-a9de-1f5f5d0c7d11",
            "tenant": "org-north",
            "roles": ["customer", "premium"],
            "displayName": "Ada Example",
            "email": "ada@example.com",
        },
        "source": "transaction-service",
        "timestamp": "2026-01-01T12:00:00.000001Z",
        "businessContext": {"transactionType": "payment", "riskLevel": "low"},
    }


def job(index: int) -> dict[str, Any]:
    """Return a whole job: the payload's fields with `metadata` beside them."""
    return {**settlement(index), "metadata": metadata(index)}


def index_of(tx_id: str) -> int:
    """Return the index of the job with that transaction id."""
    return int(tx_id[3:])
