"""In which manner a course is run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """``aside``: whether anybody steps aside before everybody is stuck.

    ``big``: who takes at least this share of the longest migration is made room for before all others start.
    ``claimants``: for how many of those who wait for a host, the biggest first, room is sought at one time.
    ``weight``: how much more it counts that a migration is long than that its source will be full.
    ``links``: how much more it counts that links on the way have much left to do.
    ``opening``: how much more it counts that a migration is short where somebody has to leave a host before any of
    those can come who wait for it, where there are links; 0 to leave that out.
    ``ahead``: whether those go first on whom the longest chain waits, where hosts have slots.
    ``even``: instances make stops that bring together what is free of one resource class and of the others, where
    such a stop adds at least so much to what can be taken, for each unit of what the instance takes itself, while all
    is to be moved yet and room is free evenly; 0 to leave that out.
    ``seed``: of small random changes in who goes first; 0 for none.
    """

    aside: bool = True
    big: float = 0.5
    claimants: int = 1
    weight: float = 0.3
    links: float = 3.0
    opening: float = 0.0
    ahead: bool = False
    even: float = 0.0
    seed: int = 0
