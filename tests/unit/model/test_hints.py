"""What may have been meant."""

from __future__ import annotations

from vmpath_service.model.hints import hint, nearest


def test_the_nearest_name_is_offered() -> None:
    assert hint("nigthly", ["drain", "nightly"]) == "; did you mean 'nightly'?"
    assert nearest("nigthly", {"drain", "nightly"}) == "; did you mean 'nightly'?"


def test_where_none_is_near_some_are_named() -> None:
    assert hint("x", "fedcba") == "; there are: a, b, c, d, e, ..."
    assert hint("x", "fedcba", None) == "; there are: a, b, c, d, e, f"
    assert hint("x", []) == "; there are: none"
    assert nearest("x", "abc") == ""
