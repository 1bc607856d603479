"""What the layouts so far teach about the next one: room is made early on for who came late.

Known as squeaky wheel optimization (Joslin, Clements, 1999): a quick constructive method is run over and over, and who
fared badly is looked after sooner the next time. Here, room is made before all others start for those who come last in
the best layout so far, so that chains of long migrations, each waiting for the one before, are broken at their
beginning.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from vmpath_service.pathfinder.hastening.justification import Layout
from vmpath_service.pathfinder.hastening.style import Style

# Who comes after this share of the makespan is late: by turns, since it depends on the cloud how many should count.
LATE = (0.93, 0.85, 0.97, 0.9)
# Where it was in vain for all of them, each of them counts with this chance.
SOME = 0.7


class Lessons:
    """``best``: the shortest layout so far; ``in_vain``: how many have been made since."""

    def __init__(self) -> None:
        self.best: Layout | None = None
        self.in_vain = 0
        self._style = Style()
        self._late: Mapping[int, float] = {}
        self._chance = random.Random(1)

    def learn(self, layout: Layout | None, style: Style, late: Mapping[int, float]) -> None:
        """A layout was made in this style, in which these counted as late; None for one that was given up."""
        self.in_vain += 1
        if layout is not None and (self.best is None or layout.makespan < self.best.makespan):
            self.best, self._style, self._late, self.in_vain = layout, style, late, 0

    def taught(self, bound: float) -> tuple[Style, Mapping[int, float]]:
        """In which style the next layout is to be made, and who counts as late in it, from the best one so far.

        Nobody is late who comes before ``bound``.
        """
        assert self.best is not None
        goal = self.best.problem.goal
        since = max(bound, LATE[self.in_vain % len(LATE)] * self.best.makespan)
        late = dict(self._late)
        for move, end in zip(self.best.moves, self.best.ends, strict=True):
            came_late = end > since and move.dest == goal[move.guest]
            if came_late and (self.in_vain < len(LATE) or self._chance.random() < SOME):
                late[move.guest] = late.get(move.guest, 0.0) + 1.0
        return self._style, late
