"""The error tree: one base, three families, and a message for each."""

from datetime import timedelta

import pytest

from queues import errors
from queues.errors import JobError, JobTimeout, PermanentError, QueueError, QueueRejected, QueueUnavailable, RetryLater

ERRORS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, QueueError)]
PLAIN = [each for each in ERRORS if each is not RetryLater]


@pytest.mark.parametrize("error", PLAIN, ids=lambda error: error.__name__)
def test_an_errors_docstring_is_its_message(error: type[QueueError]) -> None:
    """Without a message of its own an error says the first line of its docstring."""
    raised = error()

    assert str(raised) == raised.message == (error.__doc__ or "").partition("\n")[0]
    assert raised.field is None
    assert error("Another.", field="amount").field == "amount"
    assert str(error("Another.", field="amount")) == "Another."


def test_every_error_has_a_code_of_its_own() -> None:
    """REST answers with the code, so no two errors share one."""
    codes = [error.code for error in ERRORS]

    assert len(set(codes)) == len(codes)
    assert all(code.islower() and code.isascii() for code in codes)


def test_the_families_tell_whose_fault_it_is() -> None:
    """What the caller did, what the provider did, and what a processor says are three families."""
    families = (QueueRejected, QueueUnavailable, JobError)
    for error in ERRORS:
        assert sum(issubclass(error, family) for family in families) <= 1, error
    assert issubclass(errors.QueueFull, QueueUnavailable)
    assert issubclass(errors.JobIdConflict, QueueRejected)
    assert issubclass(errors.PayloadTooLarge, errors.InvalidPayload)
    assert {PermanentError, RetryLater, JobTimeout} <= {error for error in ERRORS if issubclass(error, JobError)}


def test_retry_later_says_when() -> None:
    """It carries the wait; a negative one is a mistake."""
    later = RetryLater(timedelta(seconds=30), "rate limited")

    assert (later.after, str(later)) == (timedelta(seconds=30), "rate limited")
    assert str(RetryLater(timedelta(0))) == (RetryLater.__doc__ or "").partition("\n")[0]
    with pytest.raises(ValueError, match="negative"):
        RetryLater(timedelta(seconds=-1))
