"""Strongly connected components, without recursion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def components(edges: Mapping[int, Iterable[int]]) -> list[list[int]]:
    """The strongly connected components of a directed graph, each after all that it leads to (Tarjan 1972)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    result: list[list[int]] = []
    for root in edges:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        path = [(root, iter(edges[root]))]
        while path:
            node, ahead = path[-1]
            for following in ahead:
                if following not in index:
                    index[following] = low[following] = len(index)
                    stack.append(following)
                    on_stack.add(following)
                    path.append((following, iter(edges.get(following, ()))))
                    break
                if following in on_stack:
                    low[node] = min(low[node], index[following])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == index[node]:
                    component = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    result.append(sorted(component))
    return result


def sinks(edges: Mapping[int, Iterable[int]]) -> list[list[int]]:
    """The components that lead nowhere else."""
    found = components(edges)
    number = {node: position for position, component in enumerate(found) for node in component}
    return [
        component
        for position, component in enumerate(found)
        if all(number[b] == position for a in component for b in edges.get(a, ()))
    ]
