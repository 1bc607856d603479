"""A walk: single migrations, one after the other, until all are where they are to be."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.ranking import final_slack
from vmpath_service.pathfinder.serial.ledger import Ledger
from vmpath_service.pathfinder.serial.places import Places
from vmpath_service.pathfinder.serial.sidesteps import Option, Sidesteps
from vmpath_service.pathfinder.serial.task import Task
from vmpath_service.pathfinder.serial.turns import Taste, Turns

# How many options are tried out each time that nobody can go.
TRIED = 60
# How many moves that an option sets off are followed.
FOLLOWED = 300
# How many looks at a pair of instances are as much work as a move.
GLANCES = 8
# Of how many instances the accounts are as much work as a move.
FEW = 2


@dataclass(frozen=True, slots=True)
class Manner:
    """How a walk is to decide. ``appetite``: how much more an option that sets off a lot counts than several that
    set off as much together; ``seed``, ``noise``: sizes are taken to differ at random by up to so much."""

    appetite: float = 2.0
    seed: int = 0
    noise: float = 0.0
    taste: Taste = field(default_factory=Taste)


class Walk:
    """One walk through a task. ``ledger.made`` is what it came to; ``complete`` whether that is all."""

    def __init__(self, task: Task, manner: Manner) -> None:
        self.task, self.manner = task, manner
        self.ledger = Ledger(task)
        if manner.noise:
            chance = random.Random(manner.seed)
            self.ledger.size = [size * (1 + manner.noise * (chance.random() - 0.5)) for size in self.ledger.size]
            self.ledger.rank = [-size for size in self.ledger.size]
            for guests in self.ledger.waiting:
                guests.sort(key=lambda guest: (self.ledger.rank[guest], guest))
        self._turns = Turns(self.ledger, manner.taste, final_slack(task.cloud, task.goal))
        self._sidesteps = Sidesteps(self.ledger)
        self._tried: dict[tuple[int, tuple[tuple[int, int], ...]], tuple[int, set[int], int]] = {}

    @property
    def complete(self) -> bool:
        return not self.ledger.left

    def run(self, budget: Budget) -> bool:
        """Walk until all are where they are to be (True), nothing helps, or the budget ends."""
        ledger = self.ledger
        budget.spend(len(ledger.where) // FEW)
        if not budget.spend(1 + self._turns.settle(range(len(ledger.waiting)))):
            return self.complete
        ledger.keep()
        spare = False
        places = Places(ledger, spare)
        while ledger.left:
            before = self._sidesteps.work
            option, work = self._best(places)
            if not budget.spend(1 + work + (self._sidesteps.work - before) // GLANCES):
                return False
            if option is None:
                if spare or not self.task.problem.boots:
                    return False
                spare = True
                places = Places(ledger, spare)
                continue
            self._take(option)
            places.next_round()
        return True

    def _best(self, places: Places) -> tuple[Option | None, int]:
        """The option that sets off most for what it costs, and how many moves were tried out for that."""
        appetite = self.manner.appetite
        work = 0
        best: tuple[float, Option] | None = None
        for again in (False, True):
            if again:
                # places may have opened for those who had none
                self._sidesteps.forget()
                places.forget()
            for option in self._sidesteps.options(places, TRIED):
                won, tried = self._gain(option)
                work += tried
                if won > 0 and (best is None or won**appetite / option.cost > best[0]):
                    best = won**appetite / option.cost, option
            if best is not None:
                return best[1], work
        for option in self._sidesteps.deep(places):
            won, tried = self._gain(option)
            work += tried
            if won > 0:
                return option, work
        return None, work

    def _gain(self, option: Option) -> tuple[int, int]:
        """What reaches its goal once the option is taken, less what leaves it, by weight; and the moves tried."""
        ledger = self.ledger
        key = (option.guest, option.aside)
        known = self._tried.get(key)
        if known is not None and all(ledger.stamp[host] <= known[2] for host in known[1]):
            return known[0], 0
        mark = len(ledger.made)
        won = 0
        touched: set[int] = set()
        if self._step(option):
            weights, goal = self.task.problem.weights, ledger.goal
            for guest, source, dest in ledger.made[mark:]:
                touched.update((source, dest))
                if dest == goal[guest]:
                    won += weights[guest]
                elif source == goal[guest]:
                    won -= weights[guest]
        tried = len(ledger.made) - mark
        ledger.take_back(mark)
        self._tried[key] = (won, touched, ledger.clock)
        return won, tried

    def _step(self, option: Option) -> bool:
        """Take an option and what it sets off; False where it is not legal."""
        ledger = self.ledger
        left = [ledger.where[guest] for guest, _ in option.aside]
        for guest, stop in option.aside:
            if not ledger.room.fits(guest, stop):
                return False
            ledger.move(guest, stop)
        dest = ledger.goal[option.guest]
        if not ledger.room.fits(option.guest, dest):
            return False
        left.append(ledger.where[option.guest])
        ledger.move(option.guest, dest)
        self._turns.settle(left, FOLLOWED)
        return True

    def _take(self, option: Option) -> None:
        ledger = self.ledger
        mark = len(ledger.made)
        self._step(option)
        self._sidesteps.count(option)
        touched = {host for _, source, dest in ledger.made[mark:] for host in (source, dest)}
        self._turns.settle(sorted(touched))
        ledger.keep()
