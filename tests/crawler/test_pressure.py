"""How many links are under way at once, where the processor is what they wait for."""

from __future__ import annotations

from webtext.crawler.fetch.pressure import LAG_SECONDS, Pressure


def look(pressure: Pressure, *lags: float) -> int:
    for lag in lags:
        pressure.lagged(lag)
    return pressure.limit


def test_a_loop_that_lags_has_fewer_and_one_that_does_not_has_more_again() -> None:
    pressure = Pressure(256)
    assert look(pressure, *[0.001] * 50) == 256
    late = [look(pressure, *[2 * LAG_SECONDS] * 5) for _ in range(6)]
    assert late == [128, 64, 32, 32, 32, 32]  # an eighth may always be
    more = [look(pressure, *[0.0] * 5) for _ in range(12)]
    assert more == sorted(more)
    assert more[0] == 41
    assert more[-1] == 256


def test_a_commit_that_waits_for_the_disk_is_no_sign() -> None:
    pressure = Pressure(256)
    assert look(pressure, *[0.0, 1.0, 0.0, 0.9, 0.0] * 20) == 256


def test_one_link_may_always_be_under_way() -> None:
    assert look(Pressure(1), *[9.9] * 50) == 1
