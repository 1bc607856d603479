"""A constraint, a cost and a policy of a package of their own, installed and found as an operator's would be."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.clouds import cloud, target
from vmpath_service.model import files
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.constraints import registry
from vmpath_service.model.constraints.contract import ConstraintContract
from vmpath_service.model.costs.contract import CostContract
from vmpath_service.model.options import read_options
from vmpath_service.pathfinder import PathSettings, check_plan, find_path
from vmpath_service.policies.contract import PolicyContract

SOURCE = pathlib.Path(__file__).parents[1] / "example_plugins"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The directory in which pip has installed the package."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--target", str(folder / "installed")]
    subprocess.run([*pip, *options, str(folder / "source")], check=True, timeout=120)
    return folder / "installed"


@pytest.fixture
def vmpath(installed):
    def run(*words):
        program = "import sys; from vmpath_service.cmd.vmpath import main; sys.exit(main(sys.argv[1:]))"
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        command = [sys.executable, "-c", program, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

    return run


@pytest.fixture
def plugins(installed, monkeypatch):
    """The classes themselves."""
    monkeypatch.syspath_prepend(str(installed))
    from vmpath_examples.customers import CustomersCost
    from vmpath_examples.quiet_neighbours import QuietNeighboursConstraint

    return QuietNeighboursConstraint, CustomersCost


LOUD, QUIET = ({"metadata": {"noise": kind}} for kind in ("loud", "quiet"))
HOSTS = {"a": 9, "b": 9, "c": 9, "d": 9}
# l is to come where q still is; the others have nothing to do with it
INSTANCES = {"l": ("a", 2), "q": ("b", 2), "x": ("c", 3), "y": ("d", 3)}
SNAPSHOT = cloud(HOSTS, INSTANCES, of_instance={"l": LOUD, "q": QUIET})
TARGET = target(l="b", q="a", x="d", y="c")


def test_they_keep_their_contracts(plugins):
    constraint, cost = plugins
    compiled = ConstraintContract(constraint).check(SNAPSHOT)
    assert compiled.veto is not None
    ConstraintContract(lambda: constraint({"loud": 1})).check(SNAPSHOT)
    CostContract(cost).run()
    CostContract(lambda: cost({"own_projects": ("p",), "customer": 3})).run()


@pytest.mark.parametrize("name", registry.DEFAULT)
def test_so_do_our_own_constraints(name):
    snapshot = cloud(HOSTS, INSTANCES, apart={"g": ["x", "y"]}, together={"h": ["l", "q"]}, immovable=["x"])
    ConstraintContract(lambda: registry.find(name)()).check(snapshot)


def test_the_rule_holds_at_every_moment_and_orders_only_what_it_looks_at(plugins):
    rules = (*registry.make(), plugins[0]())
    plan = find_path(compile_cloud(SNAPSHOT, rules), TARGET, PathSettings(), snapshot_identity="sha256:0")
    assert plan.outcome == "found"
    check = check_plan(SNAPSHOT, plan, rules, TARGET)
    assert check.problems == ()
    assert check.figures.suspects == 0
    by_name = {each.instance: each for each in plan.migrations}
    # x and y, who exchange their hosts, wait for nobody
    assert (by_name["x"].after, by_name["y"].after) == ((), ())
    # l and q cannot: wherever one is in flight to, the other must not be
    assert plan.summary.extra_migrations == 1
    first, second, third = (each for each in plan.migrations if each.instance in "lq")
    assert first.id in second.after
    assert second.id in third.after
    # without the rule, they exchange their hosts at once
    free = find_path(compile_cloud(SNAPSHOT), TARGET, PathSettings(), snapshot_identity="sha256:0")
    assert free.summary.extra_migrations == 0
    told = check_plan(SNAPSHOT, free, rules, TARGET).problems
    assert any("would have 1 loud instances beside a quiet one" in problem for problem in told)


def test_the_programs_find_them_by_name(vmpath, tmp_path):
    snapshot, wanted, plan = (str(tmp_path / f"{name}.json") for name in ("cloud", "target", "plan"))
    files.save(SNAPSHOT, snapshot)
    files.save(TARGET, wanted)
    given = ("--snapshot", snapshot, "--target", wanted)
    rule = ("--constraint", "quiet-neighbours")
    found = vmpath("path", "find", *given, *rule, "--cost", "customers", "--cost-set", "customer=3", "-o", plan)
    assert (found.returncode, found.stdout) == (0, "")
    assert vmpath("path", "check", "--snapshot", snapshot, "--plan", plan, *rule).returncode == 0
    bears = vmpath("path", "find", *given, *rule, "--constraint-set", "quiet-neighbours.loud=1", "-f", "json")
    assert json.loads(bears.stdout)["summary"]["extra_migrations"] == 0
    assert vmpath("path", "find", *given, "-o", plan).returncode == 0
    broken = vmpath("path", "check", "--snapshot", snapshot, "--plan", plan, *rule)
    assert broken.returncode == 1
    assert "loud instances beside a quiet one" in broken.stderr
    for wrong, sentence in (
        (("--constraint", "quiet-neighbors"), "did you mean 'quiet-neighbours'?"),
        ((*rule, "--constraint-set", "quiet-neighbours.loud=x"), "option loud: found 'x'"),
        (("--constraint-set", "quiet-neighbours.loud=1"), "expected NAME.OPTION=VALUE with the name of a constraint"),
    ):
        refused = vmpath("path", "find", *given, *wrong)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert sentence in refused.stderr


def test_a_policy_keeps_its_contract(installed, monkeypatch):
    monkeypatch.syspath_prepend(str(installed))
    from vmpath_examples.even_counts import EvenCountsPolicy

    def make(_, **given):
        return EvenCountsPolicy(read_options(EvenCountsPolicy.declared(), given, texts=False, where="test"))

    PolicyContract(make).run()
    PolicyContract(lambda compiled: make(compiled, max_memory=3000, exclude_hosts=("b",))).run()


def test_a_policy_is_found_by_name_has_the_guards_and_composes(vmpath, tmp_path):
    snapshot = str(tmp_path / "cloud.json")
    files.save(cloud({"a": 90, "b": 90, "c": 90}, {f"x{number}": ("a", 10) for number in range(9)}), snapshot)
    apply = ("policy", "apply", "even-counts", "--snapshot", snapshot)
    evened = vmpath(*apply, "-f", "json")
    assert len(json.loads(evened.stdout)["placement"]) == 6
    assert "score after:  27 squared instances (most 3, fewest 3)" in evened.stderr
    assert len(json.loads(vmpath(*apply, "-f", "json", "--set", "max_memory=25").stdout)["placement"]) == 2
    assert len(json.loads(vmpath(*apply, "-f", "json", "--set", "difference=6").stdout)["placement"]) == 2
    both = vmpath("policy", "apply", "heal, even-counts", "--snapshot", snapshot, "-f", "json")
    assert len(json.loads(both.stdout)["placement"]) == 6
    wrong = vmpath(*apply, "--set", "diference=2")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)


def test_what_it_costs_decides_who_steps_aside(plugins):
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10},
        {"x": ("a", 6), "y": ("b", 8)},
        of_instance={"x": {"project_id": "customer"}, "y": {"project_id": "us"}},
    )
    cost = plugins[1]({"own_projects": ("us",)})
    settings = PathSettings(objective="cost", cost=cost)
    plan = find_path(compile_cloud(snapshot), target(x="b", y="a"), settings, snapshot_identity="sha256:0")
    assert [each.instance for each in plan.migrations if each.bypass] == ["y"]
