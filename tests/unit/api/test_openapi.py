"""The OpenAPI document, and that the API keeps to it: requests made from it by schemathesis."""

from __future__ import annotations

import falcon.testing
import jsonschema
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.unit.api.conftest import NotingEngine, parts
from vmpath_service.api import application, routes
from vmpath_service.api.openapi import document

METHODS = sorted((method, path) for path, each in routes.OPERATIONS.items() for method in each)


def test_the_document_is_served_and_knows_every_request(client: falcon.testing.TestClient) -> None:
    served = client.simulate_get("/v1/openapi.json").json
    named = {(method.upper(), path) for path, each in served["paths"].items() for method in each}
    assert {each for each in named if each[0] != "PARAMETERS"} == set(METHODS)
    assert served == msgspec.json.decode(msgspec.json.encode(document()))


def test_the_schemas_are_schemas() -> None:
    for schema in document()["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(("method", "path"), METHODS)
def test_no_answer_is_undocumented_and_none_a_500(engine: NotingEngine, method: str, path: str) -> None:
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", application.make(parts(engine)))
    schema.config.base_url = "http://127.0.0.1:9817"

    @settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(schema[path][method].as_strategy())
    def ask(case: schemathesis.Case) -> None:
        case.query.pop("wait", None)
        # what is right by the schema may be refused for its meaning (no such cron expression), with 400
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    ask()
