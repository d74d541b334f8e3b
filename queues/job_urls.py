"""Any job id as a part of a URL, and back.

Most ids stand there as they are, slashes included. What a client or a proxy would change on
the way (dot segments, empty segments, control characters) is written as "~" and base64.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from django.urls import register_converter

_MARK: Final = "~"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")


class JobIdConverter:
    """A job id in a URL path: `<job_id:...>` once this module is imported."""

    regex = r"(?s:.+)"

    def to_python(self, value: str) -> str:
        """Return the id; raise ValueError, which Django answers as 404, for what stands for none."""
        if not value.startswith(_MARK):
            return value
        encoded = value.removeprefix(_MARK)
        return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()

    def to_url(self, value: str) -> str:
        """Return what stands for the id."""
        if value.startswith(_MARK) or _is_changed(value):
            return _MARK + urlsafe_b64encode(value.encode()).decode().rstrip("=")
        return value


def _is_changed(value: str) -> bool:
    return not {"", ".", ".."}.isdisjoint(value.split("/")) or _CONTROL.search(value) is not None


register_converter(JobIdConverter, "job_id")
