"""How many migrations are under way: what is in use of slots, of the total, of server groups, and of links."""

from __future__ import annotations

from vmpath_service.pathfinder.ways import Key, Ways


class Traffic:
    """Accounts of what is under way, by limited things, each with an integer as its key.

    ``blocker`` names the one thing that keeps a migration from starting, so that whoever is refused can wait for
    just that; ``finish`` returns all that became freer.
    """

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.used: list[float] = [0] * ways.keys
        """Per key: how much is in use."""
        self._exits, self._entries = ways.gates(outward=True), ways.gates(outward=False)
        self.no_exit = [False] * ways.hosts
        """Per host: whether certainly nothing can leave it now."""
        self.no_entry = [False] * ways.hosts
        """Per host: whether certainly nothing can arrive there now."""
        # where there are no slots, there are always more than can be in use
        self._slots = ways.hosts if ways.slots is None else ways.slots

    def blocker(self, guest: int, source: int, dest: int) -> Key | None:
        """What keeps the migration from starting now, or None."""
        used = self.used
        for key, amount, limit in self.ways.shares(guest, source, dest):
            if used[key] + amount > limit:
                return key
        return None

    def full(self, key: Key) -> bool:
        """Whether certainly nobody can have more of the link that this key stands for."""
        return key >= self.ways.first_link and self.used[key] > self.ways.brim[key]

    def idle_in(self, host: int) -> float:
        """How many more migrations to this host its slots admit."""
        return self._slots - self.used[2 * self.ways.hosts + host]

    def start(self, guest: int, source: int, dest: int) -> None:
        """The migration is under way."""
        used = self.used
        for key, amount, _ in self.ways.shares(guest, source, dest):
            used[key] += amount
        self._look(source, dest)

    def _look(self, source: int, dest: int) -> None:
        key, most = self._exits[source]
        self.no_exit[source] = self.used[key] >= most
        key, most = self._entries[dest]
        self.no_entry[dest] = self.used[key] >= most

    def finish(self, guest: int, source: int, dest: int) -> list[Key]:
        """The migration has ended; returns what it no longer takes."""
        used = self.used
        shares = self.ways.shares(guest, source, dest)
        for key, amount, _ in shares:
            used[key] -= amount
        self._look(source, dest)
        return [key for key, _, _ in shares]
