"""The rules that names of jobs and queues keep."""

from typing import Any

import pytest

from queues.errors import InvalidJobName, InvalidQueueName, QueueRejected
from queues.names import QueueName, check_job_name, check_queue_name

JOB_NAMES = [
    "transaction.settlement.v1",
    "notification.email.send.v2",
    "slack.alert.critical.v1",
    "data.cleanup.expired.v1",
    "file.process.image.v3",
    "a.b.v1",
    "a.b.v10",
    "a.b.v1000000",
    "mp3.to2.ogg.v7",
    "v1.v2.v3",
]
NO_JOB_NAMES = [
    "process-data",
    "handle-event",
    "slack-message",
    "notification",
    "transaction.settlement",
    "transaction.v1",
    "transaction.settlement.v0",
    "transaction.settlement.v01",
    "transaction.settlement.v",
    "transaction.settlement.v1.0",
    "transaction.settlement.v1a",
    "transaction.settlement.V1",
    "transaction.settlement.v-1",
    "transaction.settlement.v1\n",
    "\ntransaction.settlement.v1",
    "transaction.settlement.v1 ",
    " transaction.settlement.v1",
    "Transaction.settlement.v1",
    "transaction.Settlement.v1",
    "transaction-x.settlement.v1",
    "transaction_x.settlement.v1",
    "1transaction.settlement.v1",
    "transaction..v1",
    ".settlement.v1",
    "transaction.settlement..v1",
    "transactión.settlement.v1",
    "transaction.settlement.v\u0661",
    "transaction/settlement/v1",
    "",
    ".",
    "a." + "b" * 255 + ".v1",
    None,
    7,
    b"transaction.settlement.v1",
    ["transaction.settlement.v1"],
]


@pytest.mark.parametrize("name", JOB_NAMES)
def test_a_domain_an_action_and_a_version_are_a_job_name(name: str) -> None:
    """Lower-case words joined by dots, at least two, and a version from v1 up."""
    assert check_job_name(name) == name


@pytest.mark.parametrize("name", NO_JOB_NAMES, ids=lambda name: ascii(name)[:30])
def test_anything_else_is_no_job_name(name: Any) -> None:
    """The error names the field and shows a name that is right."""
    with pytest.raises(InvalidJobName, match=r"'transaction\.settlement\.v1'") as caught:
        check_job_name(name)

    assert caught.value.field == "name"
    assert isinstance(caught.value, QueueRejected)
    assert len(caught.value.message) < 300


def test_a_job_name_may_fill_its_length() -> None:
    """255 characters pass, 256 do not."""
    longest = f"a.{'b' * 250}.v1"

    assert len(longest) == 255
    assert check_job_name(longest) == longest
    with pytest.raises(InvalidJobName):
        check_job_name(f"a{longest}")


def test_the_eight_queues_of_the_specification_exist() -> None:
    """They have the specification's names."""
    assert [str(name) for name in QueueName] == [
        "transaction-processing",
        "transaction-settlement",
        "notification-email",
        "notification-push",
        "slack-messages",
        "slack-alerts",
        "data-processing",
        "file-processing",
    ]
    assert QueueName("slack-alerts") is QueueName.SLACK_ALERTS


@pytest.mark.parametrize("name", [*QueueName, "reports", "eu-west-1", "a", "a1-2b"])
def test_a_kebab_case_name_is_a_queue_name(name: str) -> None:
    """It comes back as a plain string."""
    checked = check_queue_name(name)

    assert checked == name
    assert type(checked) is str


@pytest.mark.parametrize(
    "name",
    ["", "Reports", "my_queue", "my queue", "-a", "a-", "a--b", "1a", "a.b", "a:b", "a\n", "ä", "a" * 256, None, 3],
    ids=lambda name: ascii(name)[:12],
)
def test_anything_else_is_no_queue_name(name: Any) -> None:
    """The error names the field and shows a name that is right."""
    with pytest.raises(InvalidQueueName, match="'transaction-processing'") as caught:
        check_queue_name(name)

    assert caught.value.field == "queue"
