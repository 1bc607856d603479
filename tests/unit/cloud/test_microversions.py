import pytest

from vmpath_service.cloud import microversions
from vmpath_service.model.errors import CloudError


def test_requests_name_what_both_sides_speak() -> None:
    new = microversions.negotiate((2, 104), (1, 39))
    assert (new.for_compute(), new.for_compute(87), new.for_placement()) == ("2.100", "2.87", "1.39")
    assert new.notes() == ()
    old = microversions.negotiate((2, 60), (1, 35))
    assert (old.for_compute(), old.for_compute(87), old.for_placement()) == ("2.60", "2.60", "1.35")


def test_what_an_old_cloud_does_not_tell_is_said() -> None:
    notes = microversions.negotiate((2, 72), (1, 39)).notes()
    assert len(notes) == 3
    assert all("2.72 only" in note for note in notes)
    assert any("2.96" in note and "pinned" in note for note in notes)


@pytest.mark.parametrize("compute", [None, (2, 29), (3, 50)])
def test_a_cloud_that_goes_past_the_scheduler_is_refused(compute: tuple[int, int] | None) -> None:
    with pytest.raises(CloudError, match=r"2\.30 is needed"):
        microversions.negotiate(compute, (1, 39))


@pytest.mark.parametrize("placement", [None, (1, 30)])
def test_a_placement_too_old_is_refused(placement: tuple[int, int] | None) -> None:
    with pytest.raises(CloudError, match=r"1\.31 is needed"):
        microversions.negotiate((2, 96), placement)
