"""Messages: what they say, that the list of kinds is complete, and that nothing secret is in them."""

from __future__ import annotations

import ast
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests import notification_samples as samples
from vmpath_service.model import schemas
from vmpath_service.model.event_kinds import KINDS, find
from vmpath_service.model.maintenances import MAINTENANCE_ENDED
from vmpath_service.model.notification import Notification
from vmpath_service.model.records import Demand, Event, MigrationState, RearrangementState
from vmpath_service.notifier.composing import plain

REPOSITORY = Path(__file__).parents[3]
DIRECTORY = REPOSITORY / "doc" / "source" / "notification_samples"
ENGINE = REPOSITORY / "vmpath_service" / "engine"


def test_the_published_samples_are_what_the_code_sends() -> None:
    made = samples.samples()
    assert {path.stem for path in DIRECTORY.glob("*.json")} == set(made)
    for name, notification in made.items():
        assert (DIRECTORY / f"{name}.json").read_text() == samples.text(notification), name


def test_every_message_fits_the_published_schema() -> None:
    schema = json.loads(schemas.schema(Notification))
    for notification in samples.samples().values():
        jsonschema.validate(plain(notification), schema)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_what_it_is_and_what_comes_next(kind: str) -> None:
    noun = kind.partition(".")[0]
    identity = {"maintenance": samples.WORK, "schedule": "pack"}.get(noun, samples.PLAN)
    step = {"migration": 1, "host": 3}.get(noun)
    found = samples.composer().compose(Event(1, samples.AT, identity, kind, "it happened", step))
    assert found.meaning
    assert found.next
    assert "{" not in found.next
    assert found.subject.__struct_config__.tag == (noun if noun not in ("engine", "cloud") else "service")


def test_every_event_of_the_engine_is_of_a_known_kind() -> None:
    emitted = set(_emitted())
    assert not emitted - set(KINDS)
    assert not set(KINDS) - emitted


def _emitted() -> Iterator[str]:
    """The kinds that the engine tells of, as its source has them."""
    for state in RearrangementState:
        yield f"rearrangement.{state.name.lower()}"
    for each in MigrationState:
        yield f"migration.{each.name.lower()}"
    for demand in Demand:
        yield f"migration.{demand.name.lower()}"
    for ended in MAINTENANCE_ENDED:
        yield f"maintenance.{ended.value}"
    yield from ("host.disabled", "host.enabled", "host.failed")
    for path in sorted(ENGINE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            words = [each.value for each in node.args if isinstance(each, ast.Constant)]
            if called in ("Tell", "tell", "_tell") and isinstance(node.args[0], ast.Constant):
                kind = str(node.args[0].value)
                yield kind if "." in kind else f"maintenance.{kind}"
            elif called == "_order" and path.parent.name == "maintenance":
                yield f"maintenance.{next(itertools.chain(words))}"


def test_what_is_not_known_does_no_harm() -> None:
    found = samples.composer().compose(Event(1, samples.AT, None, "weather.rain", "it rains"))
    assert found.meaning == find("weather.rain").meaning
    gone = samples.composer().compose(Event(1, samples.AT, "gone", "rearrangement.failed", "it failed"))
    assert plain(gone)["subject"] == {"type": "forgotten", "id": "gone"}


@pytest.mark.parametrize(
    "sentence",
    [
        "cannot log in with password=sekret",
        "rabbit://vmpath:sekret@broker:5672/ does not answer",
        "GET https://nova/servers?token=sekret was refused",
        "{'auth_token': 'sekret'}",
    ],
)
def test_no_secret_gets_out(sentence: str) -> None:
    composing = samples.composer(samples.records(explanation=sentence))
    found = composing.compose(Event(1, samples.AT, samples.PLAN, "rearrangement.failed", sentence))
    assert "sekret" not in samples.text(found)


def test_a_plan_is_read_once_for_all_its_migrations() -> None:
    rearrangements = samples.records()
    composing = samples.composer(rearrangements)
    for number in range(20):
        composing.compose(Event(number, samples.AT, samples.PLAN, "migration.done", "done", 1 + number % 2))
    assert rearrangements.plans_read == 1
