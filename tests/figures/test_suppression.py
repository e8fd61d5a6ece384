"""Small counts are not given, nor what they could be computed from: pure, by hand and for any series."""

from hypothesis import given
from hypothesis import strategies as st

from app.facts.words import CasualtyOutcome, PersonGroup
from app.figures.figure import CasualtyRange, Figure, MediaCount, Point
from app.figures.suppression import suppress


def points(*counts: tuple[int, int]) -> list[Point]:
    """Of each its count and how many of them are of sexual violence."""
    return [Point(str(place), None, Figure(count, sensitive=of)) for place, (count, of) in enumerate(counts)]


def shown(*counts: tuple[int, int], parts_total: bool = True, smallest: int | None = None) -> list[int | None]:
    """The total, then the points, as they are given."""
    total = Figure(sum(count for count, _ in counts), sensitive=sum(of for _, of in counts))
    given_total, series = suppress(total, points(*counts), parts_total=parts_total, smallest=smallest)
    return [given_total.count, *(point.figure.count for point in series)]


def test_figures_when_no_sexual_violence_is_in_them_and_no_policy_asks_then_are_all_given() -> None:
    assert shown((1, 0), (2, 0), (0, 0)) == [3, 1, 2, 0]


def test_small_figure_when_sexual_violence_is_in_it_then_is_not_given_nor_what_it_could_be_computed_from() -> None:
    assert shown((3, 1), (20, 0), (9, 0)) == [32, None, 20, None]
    assert shown((3, 1), (20, 20), parts_total=False) == [23, None, 20]
    assert shown((4, 4), (4, 4), (9, 9)) == [17, None, None, None]
    assert shown((2, 1), (2, 1), (9, 0)) == [13, None, None, 9]
    assert shown((1, 1), (1, 1), (9, 0)) == [11, None, None, None]
    assert shown((3, 3), (0, 0)) == [None, None, 0]


def test_small_figure_when_there_is_no_other_to_hide_then_the_total_is_hidden() -> None:
    assert shown((3, 1), (0, 0)) == [None, None, 0]
    assert shown((4, 4), (4, 4)) == [None, None, None]
    assert shown(*[(1, 1)] * 5) == [None] * 6
    total, series = suppress(Figure(8, sensitive=0), points((8, 8)), parts_total=True, smallest=None)
    assert (total.count, series[0].figure.count) == (8, 8)


def test_policy_when_it_asks_then_holds_for_every_figure_and_never_loosens() -> None:
    assert shown((7, 0), (30, 0), (20, 0), smallest=10) == [57, None, 30, None]
    assert shown((4, 4), (50, 0), (60, 0), smallest=2) == [114, None, None, 60]
    assert shown((0, 0), (12, 0), smallest=10) == [12, 0, 12]


def test_figure_when_hidden_then_has_no_number_left() -> None:
    killed = CasualtyRange(CasualtyOutcome.KILLED, PersonGroup.CHILD, 2, 2, 1, 1)
    whole = Figure(1, 1, MediaCount(1, 1), MediaCount(0, 0), (killed,), sensitive=1)
    total, _ = suppress(whole, [], parts_total=False, smallest=None)
    nothing = MediaCount(None, None)
    assert (total.count, total.collapsed, total.images, total.videos, total.ranges) == (
        None,
        None,
        nothing,
        nothing,
        (),
    )
    assert total.suppressed


def test_range_when_few_are_counted_in_many_incidents_then_it_alone_is_not_given() -> None:
    def killed(minimum: int, of: int) -> CasualtyRange:
        return CasualtyRange(CasualtyOutcome.KILLED, PersonGroup.CHILD, minimum, None, 20, 20, sensitive=of)

    raped = CasualtyRange(CasualtyOutcome.INJURED, PersonGroup.WOMAN, 3, 3, 20, 20, sensitive=20)
    whole = Figure(20, ranges=(killed(2, 0), raped), sensitive=20)
    total, _ = suppress(whole, [], parts_total=False, smallest=None)
    assert (total.count, total.suppressed, total.ranges) == (20, False, (killed(2, 0), raped.hidden()))
    many_in_few = CasualtyRange(CasualtyOutcome.KILLED, PersonGroup.WOMAN, 40, 40, 2, 2, sensitive=2)
    total, _ = suppress(Figure(20, ranges=(many_in_few,), sensitive=2), [], parts_total=False, smallest=None)
    assert (total.suppressed, total.ranges) == (False, (many_in_few.hidden(),))
    parts = [
        Point(str(of), None, Figure(20, ranges=(killed(minimum, of),))) for minimum, of in ((3, 1), (7, 0), (9, 0))
    ]
    _, series = suppress(Figure(60, ranges=(killed(19, 1),)), parts, parts_total=True, smallest=None)
    assert [point.figure.ranges[0].minimum for point in series if point.figure.ranges] == [None, None, 9]


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=5), st.sampled_from([None, 5, 7]))
def test_series_when_given_with_its_total_then_no_hidden_figure_is_the_only_one_that_fits(
    drawn: list[tuple[int, bool]], smallest: int | None
) -> None:
    """Whoever knows the total and the rest finds at least two numbers that a hidden one may be."""
    counts = [(count, count if is_sensitive else 0) for count, is_sensitive in drawn]
    total, *given_counts = shown(*counts, smallest=smallest)
    threshold = smallest or 5
    hidden = [count for (count, _), one in zip(counts, given_counts, strict=True) if one is None]
    for (count, of), one in zip(counts, given_counts, strict=True):
        assert one is None or one == count
        assert one is None or not 0 < count < (threshold if of or smallest else 0)
    if total is None or not hidden:
        return
    missing = total - sum(one for one in given_counts if one is not None)
    assert missing == sum(hidden)
    assert len(hidden) > 1
    assert len(hidden) < missing
