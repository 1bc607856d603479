"""Plug-ins by name: what is found, and what is said of what is not."""

import importlib.metadata

import pytest

from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.constraints.capacity import CapacityConstraint
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.plugins import Registry


def registry(group, base=Constraint, own=()):
    return Registry(group, "constraint", base, own)


def test_an_installed_plug_in_is_loaded():
    assert registry("vmpath.constraints").find("capacity") is CapacityConstraint


def test_own_ones_need_no_installation():
    found = registry("vmpath.nothing", own=(CapacityConstraint,))
    assert found.find("capacity") is CapacityConstraint
    assert found.available() == ("capacity",)


def test_an_unknown_name_and_nothing_else_is_said(capfd):
    with pytest.raises(InvalidInput, match=r"^there is no constraint 'capacty'; did you mean 'capacity'\?$"):
        registry("vmpath.constraints").find("capacty")
    with pytest.raises(InvalidInput, match=r"^there is no constraint 'x'; there are: none$"):
        registry("vmpath.nothing").find("x")
    assert capfd.readouterr() == ("", "")


def test_a_plug_in_of_another_kind():
    with pytest.raises(InvalidInput, match=r"plug-in 'drain' of vmpath\.policies is not a Constraint"):
        registry("vmpath.policies").find("drain")


def test_a_plug_in_that_cannot_be_imported(monkeypatch):
    broken = importlib.metadata.EntryPoint("broken", "there.is:nothing", "vmpath.broken")
    found = registry("vmpath.broken")
    monkeypatch.setattr(found, "available", lambda: (broken.name,))
    with pytest.raises(InvalidInput, match=r"constraint 'broken' cannot be loaded from vmpath\.broken"):
        found.find("broken")
