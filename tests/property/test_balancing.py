"""Layouts that make free room even: whatever comes out holds, and it is the same each time."""

import pytest
from hypothesis import given, settings

from tests.property.path_problems import problems
from tests.property.test_path import SLOW, limits, plan_for
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import check_plan
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.hastening import portfolio
from vmpath_service.pathfinder.hastening.course import Course
from vmpath_service.pathfinder.hastening.style import Style
from vmpath_service.pathfinder.ordering import legal
from vmpath_service.pathfinder.problem import pose
from vmpath_service.pathfinder.samples import Sample, sample


@pytest.fixture(scope="module", autouse=True)
def even():
    """All clouds count as uneven, however small they are; a few layouts of each are enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portfolio, "FEW", 0)
        patch.setattr(portfolio, "UNEVEN", 2.0)
        patch.setattr(portfolio, "STEPS", 20_000)
        yield


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(problems(), limits)
def test_what_is_found_for_uneven_clouds_holds(problem, limits):
    plan = plan_for(problem, objective="time", limits=limits)
    check = check_plan(problem[0], plan, target=problem[1])
    assert check.problems == ()
    assert check.figures.suspects == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_cloud_is_laid_out_evenly_and_the_same_each_time(seed):
    snapshot, target = sample(Sample(hosts=12, instances=100, fill=0.8, groups=3, seed=seed))
    problem = pose(compile_cloud(snapshot), target, Limits(per_host=2))
    courses = [Course(problem, Style(big=0.8, ahead=True, even=0.2)) for _ in range(2)]
    assert all(course.run(Budget(100_000)) for course in courses)
    assert legal(problem, courses[0].moves)
    assert courses[0].moves == courses[1].moves
    assert courses[0].starts == courses[1].starts
