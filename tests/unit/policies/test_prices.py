"""What freeing hosts costs at least, and which are the best to free."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from vmpath_service.policies.prices import Holding, priced


def holding(host, room, *sizes, may_be_freed=True):
    free = tuple(most - sum(size[at] for size in sizes) for at, most in enumerate(room))
    return Holding(host, may_be_freed, free, room, [(size, 1) for size in sizes])


def test_the_host_with_the_fewest_instances_is_freed_first():
    hosts = [
        holding(0, (8, 8), (1, 1), (1, 1), (1, 1)),
        holding(1, (8, 8), (4, 4)),
        holding(2, (8, 8), (2, 2), (2, 2)),
    ]
    prices = priced(hosts, 1)
    assert prices.order == (1, 2, 0)
    assert 0.99 < prices.bound <= 1


def test_a_host_that_could_take_in_nothing_is_freed_rather_than_one_that_can():
    # the first is out of the one class, with much of the other left over
    lopsided = holding(0, (8, 8), (4, 1), (4, 1))
    roomy = holding(1, (8, 8), (1, 1), (1, 1))
    prices = priced([lopsided, roomy, holding(2, (8, 8), (4, 4), (3, 3))], 2)
    assert prices.order[0] == 0


def test_one_that_may_not_be_freed_is_not_named():
    hosts = [holding(0, (8, 8), (1, 1), may_be_freed=False), holding(1, (8, 8), (2, 2), (2, 2))]
    assert priced(hosts, 1).order == (1,)


SIZES = st.tuples(st.integers(1, 5), st.integers(0, 5))


@given(
    st.lists(st.lists(SIZES, max_size=3), min_size=2, max_size=3),
    st.integers(1, 2),
)
@settings(max_examples=60, deadline=None)
def test_no_placement_costs_less_than_the_bound(guests, number):
    room = (8, 8)
    hosts = [holding(at, room, *sizes) for at, sizes in enumerate(guests)]
    if any(min(each.free) < 0 for each in hosts) or number >= len(hosts):
        return
    every = [(at, size) for at, sizes in enumerate(guests) for size in sizes]
    least = None
    for where in itertools.product(range(len(hosts)), repeat=len(every)):
        loads = [[0, 0] for _ in hosts]
        for (_, size), host in zip(every, where, strict=True):
            for at in (0, 1):
                loads[host][at] += size[at]
        fits = all(load[at] <= room[at] for load in loads for at in (0, 1))
        if fits and len(set(where)) <= len(hosts) - number:
            moved = sum(home != host for (home, _), host in zip(every, where, strict=True))
            least = moved if least is None else min(least, moved)
    if least is not None:
        assert priced(hosts, number).bound <= least
