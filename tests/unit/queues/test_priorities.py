"""The five levels, and that there is no sixth."""

from typing import Any

import pytest

from queues.errors import InvalidOptions
from queues.priorities import Priority


def test_the_levels_are_the_specifications() -> None:
    """CRITICAL 1, HIGH 3, NORMAL 5, LOW 7, BULK 10; a lower number is more urgent."""
    assert {level.name: level.value for level in Priority} == {
        "CRITICAL": 1,
        "HIGH": 3,
        "NORMAL": 5,
        "LOW": 7,
        "BULK": 10,
    }
    assert min(Priority) is Priority.CRITICAL


@pytest.mark.parametrize("level", Priority)
def test_a_level_is_read_from_its_number(level: Priority) -> None:
    """The number and the level are one."""
    assert Priority.parse(level.value) is level
    assert Priority.parse(level) is level


@pytest.mark.parametrize("value", [0, 2, 4, 11, -1, 1.0, None, True, False, "1", "HIGH", [1], 10**400])
def test_any_other_value_is_refused(value: Any) -> None:
    """Case B05: no number stands for highest or lowest by chance; the error lists the five."""
    with pytest.raises(
        InvalidOptions, match=r"1 \(CRITICAL\), 3 \(HIGH\), 5 \(NORMAL\), 7 \(LOW\), 10 \(BULK\)"
    ) as caught:
        Priority.parse(value)

    assert caught.value.field == "priority"
    assert len(caught.value.message) < 200
