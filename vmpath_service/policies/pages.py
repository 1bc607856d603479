"""How much memory instances on one host share: the hierarchical model of page sharing.

Sindelar, Sitaraman and Shenoy, Sharing-aware algorithms for virtual machine colocation (SPAA 2011): the instances are
leaves of a tree; every inner node stands for pages that all instances below it have in common, those of an operating
system, of its distribution, of its version, of an application on it. A host holds the pages of a node once, however
many instances below the node are on it. What an instance needs beside is its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.snapshot import Instance

# From the root: what instances below a node have in common.
LEVELS = ("os", "distribution", "version", "application")

Node = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageModel:
    """What is known of the pages of instances.

    ``keys``: per level of ``LEVELS``, the metadata key that holds its value. ``shares``: per level, and for ``image``,
    the part of an instance's memory that is pages of that level; together less than one.
    """

    keys: Mapping[str, str]
    shares: Mapping[str, float]

    def nodes(self, instance: Instance) -> list[tuple[Node, int]]:
        """The nodes above an instance from the root on, each with its pages in MiB as this instance has them.

        A level of which the instance says nothing ends its path; the image, below all of them, stands alone.
        """
        memory = instance.memory_mb()
        path: list[str] = []
        found: list[tuple[Node, int]] = []
        for level in LEVELS:
            value = instance.metadata.get(self.keys.get(level, level))
            if value is None:
                break
            path.append(value)
            found.append((tuple(path), int(memory * self.shares.get(level, 0.0))))
        if instance.image is not None:
            found.append(((*path, f"image {instance.image}"), int(memory * self.shares.get("image", 0.0))))
        return [(node, pages) for node, pages in found if pages]


class SharedMemory:
    """Real memory per host: of the pages of a node as many as the instance with most of them has, once."""

    def __init__(self, cloud: CompiledCloud, model: PageModel, where: Sequence[int]) -> None:
        self.cloud = cloud
        self.nodes = [model.nodes(each) for each in cloud.snapshot.instances]
        self.own = [
            each.memory_mb() - sum(pages for _, pages in nodes)
            for each, nodes in zip(cloud.snapshot.instances, self.nodes, strict=True)
        ]
        self.used: list[int] = [0] * len(cloud.snapshot.hosts)
        """Per host, real memory in MiB."""
        self._held: list[dict[Node, dict[int, int]]] = [{} for _ in cloud.snapshot.hosts]
        for guest, host in enumerate(where):
            if host != NOWHERE:
                self.add(guest, host)
        for guest, host in cloud.also_at.items():
            if host != where[guest]:
                self.add(guest, host)

    def add(self, guest: int, host: int) -> None:
        """The instance arrives."""
        self.used[host] += self.growth(guest, host)
        held = self._held[host]
        for node, pages in self.nodes[guest]:
            counts = held.setdefault(node, {})
            counts[pages] = counts.get(pages, 0) + 1

    def remove(self, guest: int, host: int) -> None:
        """The instance leaves."""
        held = self._held[host]
        for node, pages in self.nodes[guest]:
            counts = held[node]
            counts[pages] -= 1
            if not counts[pages]:
                del counts[pages]
            if not counts:
                del held[node]
        self.used[host] -= self.growth(guest, host)

    def growth(self, guest: int, host: int) -> int:
        """By how much the real memory of the host would grow with the instance."""
        held = self._held[host]
        more = self.own[guest]
        for node, pages in self.nodes[guest]:
            counts = held.get(node)
            more += max(0, pages - max(counts)) if counts else pages
        return more
