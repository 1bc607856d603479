"""Making room on a host where slots idle although somebody waits: instances step aside before anybody is stuck.

Who waits longest-moving first gets a place kept on its host, and so many of the instances that are there and wait to
go elsewhere are sent aside that it can come: to hosts that keep room to spare after all who are to come have come.
Everything that this needs is claimed at once and there at once, so each relief ends with one instance where it is to
end; nobody steps aside in vain. Instances that leave anyway take no more of the outgoing slots of their host than
without stepping aside, which is why this costs little time; those that are to stay step aside only when nothing else
moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmpath_service.pathfinder.hastening.course import Course

# How many hosts, those with most to spare first, are looked at for a place: at most, and for all movers together.
LOOKS = 500
LOOKS_IN_ALL = 5_000_000
# How many places are looked for until the hosts are sorted anew: at least, as a share of the number of hosts, and more
# where sorting takes long.
USES = 10
FEWEST = 10
SHARE = 100
SORTED = 1_000_000
# After what share of the longest migration a host is looked at again where nothing has changed on it, and a place is
# looked for again for a class that had none.
AGAIN = 0.07
NOWHERE_AGAIN = 0.02
# How often one instance that is to stay may step aside.
PATIENCE = 2
# How many may step aside for one.
MOST_ASIDE = 8


class Relief:
    """Relieves the hosts of one course."""

    def __init__(self, course: Course) -> None:
        self._course = course
        cloud = course.problem.cloud
        self.able = course.style.aside and cloud.snapshot.network is None
        self._stepped: dict[int, int] = {}
        self._failed: dict[int, tuple[int, float]] = {}
        self._nowhere: dict[int, float] = {}
        """Per class of instances: until when no place is looked for, since there was none."""
        self._looks = min(LOOKS, 1 + LOOKS_IN_ALL // max(1, len(course.problem.movers)))
        self._by_spare: list[int] = []
        columns = zip(*(kind.demand for kind in cloud.classes), strict=True)
        self._least = course.room.pack(tuple(map(min, columns)))
        """The least of each dimension that anybody asks for, packed."""
        self._asked = -1
        for kind in cloud.classes:
            self._asked &= course.room.mask[kind.example]
        self._uses = 0
        self._spares: dict[int, tuple[int, float]] = {}
        self._mean = [
            sum(row[d] for row in cloud.capacity) / len(cloud.capacity) or 1.0 for d in range(len(cloud.dimensions))
        ]

    def relieve(self, touched: Iterable[int]) -> int:
        """Relieve the hosts that need it, the one that most waits for first; returns the steps of work."""
        course = self._course
        hosts = [host for host in touched if course.incoming[host] and self._has_slot(host)]
        foresight, seconds = course.foresight, course.seconds
        if foresight is None:
            hosts.sort(key=lambda host: (-len(course.incoming[host]), host))
        else:
            longest = {host: max(foresight.tails(course.incoming[host])) for host in hosts}
            hosts.sort(key=lambda host: (-longest[host], host))
        work = 0
        for host in hosts:
            # nothing has changed since it was tried in vain
            free, until = self._failed.get(host, (0, 0.0))
            if free == course.room.free[host] and course.now < until:
                continue
            waiting = [guest for guest in course.incoming[host] if guest not in course.claims]
            if foresight is None:
                waiting.sort(key=lambda guest: (-seconds[guest], guest))
            else:
                tails = dict(zip(waiting, foresight.tails(waiting), strict=True))
                waiting.sort(key=lambda guest: (-tails[guest], -seconds[guest], guest))
            emptied = self._emptied(host)
            tries = course.style.claimants
            for guest in waiting:
                mask = course.room.mask[guest]
                if (emptied - course.room.need[guest]) & mask != mask:
                    continue
                work += 10
                tries -= 1
                if self.make_room_for(guest):
                    break
                if not tries:
                    self._failed[host] = (course.room.free[host], course.now + AGAIN * course.longest)
                    break
            else:
                self._failed[host] = (course.room.free[host], course.now + AGAIN * course.longest)
        return work

    def make_room_for(self, guest: int, settled: bool = False) -> bool:
        """Keep a place for an instance on its next host and send aside who is in its way; False if that is not
        possible now. ``settled``: whether instances that are to stay step aside too."""
        course = self._course
        host = course.heading[guest]
        if host in course.down or not self._has_slot(host):
            return False
        gone: list[int] = [*course.leaving[host], *(g for g in course.outgoing[host] if g in course.claims)]
        if self._suffices(guest, host, gone):
            course.claim(guest, host)
            course.try_to_start(guest)
            return True
        chosen: list[int] = []
        places: dict[int, int] = {}
        for other in self._candidates(guest, host, settled):
            if len(chosen) >= MOST_ASIDE:
                break
            place = self._place(other, host)
            if place is None:
                continue
            course.room.hold(other, place)
            places[other] = place
            chosen.append(other)
            if self._suffices(guest, host, gone + chosen):
                break
        for other, place in places.items():
            course.room.release(other, place)
        if not chosen or not self._suffices(guest, host, gone + chosen):
            return False
        for other in list(chosen):
            rest = [each for each in chosen if each != other]
            if self._suffices(guest, host, gone + rest):
                chosen = rest
        course.claim(guest, host)
        for other in chosen:
            place = places[other]
            if place != course.heading[other]:
                self._stepped[other] = self._stepped.get(other, 0) + 1
                course.turn_aside(other, place)
            course.claim(other, place)
            course.try_to_start(other)
        course.try_to_start(guest)
        return True

    def last_resort(self, hosts: Iterable[int]) -> bool:
        """When nothing moves: let also those step aside who are to stay. Whether that helped."""
        if not self.able:
            return False
        course = self._course
        # time does not pass while nothing moves: nothing of what was looked for in vain is taken for granted
        self._uses = 0
        self._nowhere.clear()
        looks, self._looks = self._looks, len(course.owed)
        before = len(course.moves)
        for host in hosts:
            for guest in sorted(course.incoming[host], key=lambda guest: (course.seconds[guest], guest)):
                if guest not in course.claims and self.make_room_for(guest, settled=True):
                    break
        self._looks = looks
        return len(course.moves) > before

    def _emptied(self, host: int) -> int:
        """What would be free on the host once all had left who wait to go elsewhere, packed."""
        course, need = self._course, self._course.room.need
        leaving = sum(need[guest] for guest in course.leaving[host])
        return course.room.free[host] + leaving + sum(need[guest] for guest in course.outgoing[host])

    def _has_slot(self, host: int) -> bool:
        """Whether a slot for arrivals idles for which no place is kept yet."""
        kept = len(self._course.claimed[host])
        return kept == 0 and self._course.traffic.idle_in(host) > 0

    def _candidates(self, guest: int, host: int, settled: bool) -> Sequence[int]:
        """Who could leave the host: who waits to go elsewhere, big ones first, then small ones that are to stay."""
        course = self._course
        seconds, claims = course.seconds, course.claims
        found = [other for other in course.outgoing[host] if other != guest and other not in claims]
        found = [other for other in found if not course.stops.get(other)]
        # who is counted against the newcomer has to go, whatever its size
        crowding = self._crowding(guest, host)
        found.sort(key=lambda other: (other not in crowding, -seconds[other], other))
        if settled:
            mobile = course.problem.mobile
            staying = [
                other
                for other in course.residents[host]
                if other not in course.pending
                and mobile[other]
                and other not in claims
                and self._stepped.get(other, 0) < PATIENCE
            ]
            staying.sort(key=lambda other: (other not in crowding, seconds[other], other))
            found += staying
        return found

    def _crowding(self, guest: int, host: int) -> set[int]:
        """Residents that count in a counter that keeps the instance out."""
        room, limits = self._course.room, self._course.problem.cloud.counter_limits
        full = {c for c in room.counters_of.get(guest, ()) if room.counts[c].get(host, 0) >= limits[c]}
        if not full:
            return set()
        return {each for each in self._course.residents[host] if full & set(room.counters_of.get(each, ()))}

    def _suffices(self, guest: int, host: int, leaving: Iterable[int]) -> bool:
        """Whether the instance may come in once these have left."""
        room = self._course.room
        free = room.free[host] - room.need[guest]
        missing = {counter: 1 + room.counts[counter].get(host, 0) for counter in room.counters_of.get(guest, ())}
        for other in leaving:
            free += room.need[other]
            for counter in room.counters_of.get(other, ()):
                if counter in missing:
                    missing[counter] -= 1
        mask = room.mask[guest]
        limits = room.cloud.counter_limits
        return free & mask == mask and all(count <= limits[counter] for counter, count in missing.items())

    def _place(self, guest: int, source: int) -> int | None:
        """Where the instance can go now: where it is to end, or the host with most room to spare."""
        course = self._course
        room, cloud, goal = course.room, course.problem.cloud, course.problem.goal[guest]
        open_now = goal != source and goal not in course.down and course.traffic.idle_in(goal) > 0
        if open_now and room.fits(guest, goal) and cloud.may_pass(source, goal):
            return goal
        kind = cloud.class_of[guest]
        if course.now < self._nowhere.get(kind, 0.0):
            return None
        if self._uses <= 0:
            self._look_again()
        self._uses -= 1
        free, need, mask = room.free, room.need[guest], room.mask[guest]
        claimed, idle_in = course.claimed, course.traffic.idle_in
        looks = max(self._looks, LOOKS_IN_ALL // (1 + 100 * len(course.pending)))
        for host in self._by_spare[:looks]:
            if (free[host] - need) & mask != mask or idle_in(host) <= len(claimed[host]) or host == source:
                continue
            if not room.fits(guest, host) or not cloud.admits(guest, host):
                continue
            if cloud.free_passage() or (cloud.may_pass(source, host) and cloud.may_pass(host, goal)):
                return host
        if guest not in room.counters_of:
            self._nowhere[kind] = course.now + NOWHERE_AGAIN * course.longest
        return None

    def _look_again(self) -> None:
        """Sort the hosts that have room for anybody at all by what they have to spare."""
        course = self._course
        receives, down = course.problem.receives, course.down
        free, asked, least = course.room.free, self._asked, self._least
        self._by_spare = [
            host
            for host in range(len(receives))
            if receives[host] and (free[host] - least) & asked == asked and host not in down
        ]
        known, owed = self._spares, course.owed
        spares = {}
        for host in self._by_spare:
            packed = free[host] - owed[host]
            seen = known.get(host)
            spares[host] = seen[1] if seen is not None and seen[0] == packed else self._spare(host, packed)
        # equals stay in the order of the hosts
        self._by_spare.sort(key=spares.__getitem__, reverse=True)
        hosts = len(receives)
        uses = max(USES, hosts // SHARE, hosts * hosts // SORTED)
        # towards the end few places are looked for, and time passes between
        self._uses = max(FEWEST, uses * len(self._course.pending) // max(1, len(self._course.problem.movers)))

    def _spare(self, host: int, packed: int) -> float:
        """What the host has to spare after all have come, over what a host has on average."""
        spare = self._course.room.amounts(packed)
        score = min((amount / most for amount, most in zip(spare, self._mean, strict=True)), default=0.0)
        self._spares[host] = (packed, score)
        return score
