"""What something happened to is remembered, told on, and forgotten in order."""

from __future__ import annotations

import threading

from vmpath_service.cloud.changes import Changes


def test_what_happened_after_a_mark() -> None:
    changes = Changes()
    changes.happened("a")
    mark = changes.mark()
    assert changes.since(mark) == frozenset()
    changes.happened("b")
    changes.happened("a")
    assert changes.since(mark) == {"a", "b"}
    assert changes.since(0) == {"a", "b"}
    assert changes.since(changes.mark()) == frozenset()


def test_more_than_is_remembered_is_not_known() -> None:
    changes = Changes(remembered_at_most=2)
    for name in "abc":
        changes.happened(name)
    assert changes.since(0) is None
    assert changes.since(1) == {"b", "c"}


def test_watches_are_called_until_they_end() -> None:
    changes = Changes()
    calls: list[str] = []

    def broken() -> None:
        raise ValueError("this one is broken")

    changes.watch(["a"], broken)
    end = changes.watch(["a", "b"], lambda: calls.append("first"))
    changes.watch(["b"], lambda: calls.append("second"))
    changes.happened("c")
    assert calls == []
    changes.happened("a")
    assert calls == ["first"]
    changes.happened("b")
    assert calls == ["first", "first", "second"]
    end()
    end()
    changes.happened("a")
    changes.happened("b")
    assert calls == ["first", "first", "second", "second"]


def test_who_watches_is_called_once_for_what_is_told_together() -> None:
    changes = Changes(remembered_at_most=3)
    calls: list[str] = []
    changes.watch(["a", "b"], lambda: calls.append("first"))
    changes.watch(["b", "c"], lambda: calls.append("second"))
    changes.happened("a", "b", "d")
    assert calls == ["first", "second"]
    assert changes.since(1) == {"b", "d"}
    changes.happened()
    assert changes.since(0) == {"a", "b", "d"}
    assert calls == ["first", "second"]


def test_one_can_wait_until_something_is_told() -> None:
    changes = Changes()
    mark = changes.mark()
    assert changes.told_of([], mark, 0)
    assert not changes.told_of(["a"], mark, 0)
    changes.happened("a")
    teller = threading.Timer(0.01, changes.happened, ["b"])
    teller.start()
    assert changes.told_of(["a", "b"], mark, 10)
    assert not changes.told_of(["a"], changes.mark(), 0)
    teller.join()
