"""The OpenAPI schema is whole, and says how each command answers."""

import io
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import override_settings


def schema() -> Any:
    """Generate the schema, refusing every warning."""
    out = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    return yaml.safe_load(out.getvalue())


def test_the_project_schema_is_valid() -> None:
    """Every view of every app describes itself without a warning."""
    paths = schema()["paths"]

    assert "/api/v1/queues/{name}/jobs/{job_id}/" in paths


@override_settings(ROOT_URLCONF="tests.unit.queues.api_urls")
def test_a_command_shows_its_request_and_its_answers() -> None:
    """The serializer in, 202 with the job out, and problem details for the rest."""
    operation = schema()["paths"]["/api/v1/paint/"]["post"]

    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Paint")
    assert operation["responses"]["202"]["content"]["application/json"]["schema"]["$ref"].endswith("/Accepted")
    for status in ("400", "401", "409", "413", "422", "503"):
        content = operation["responses"][status]["content"]
        assert content["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
    assert {p["name"] for p in operation["parameters"]} == {"Idempotency-Key", "X-Correlation-ID", "traceparent"}


@pytest.mark.django_db
def test_the_schema_is_served(client: Any) -> None:
    """It is there for whoever builds a client."""
    assert client.get("/api/schema/").status_code == 200
