"""What can go wrong with a transaction beyond a payload that is not valid."""

from queues import QueueRejected


class TransactionConflict(QueueRejected):
    """A transaction of that id is known with other facts."""

    code = "transaction_conflict"


class NotThereYet(Exception):
    """The transaction is not there, or not settled, yet: the job before this one may still be under way."""
