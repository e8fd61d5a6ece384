"""What a corpus is made of: sources that show nothing of each other, as many films as there are."""

from pathlib import Path

import pytest

from benchmarks.corpus import sources
from benchmarks.corpus.__main__ import drawn_beside, each_film_first
from benchmarks.corpus.sources import Source


def film(name: str) -> Source:
    return Source(name, "video", Path(f"{name}.mp4"))


def test_films_when_fewer_are_wanted_than_there_are_pieces_then_one_of_each_film_comes_first() -> None:
    drawn = [film("aaaaaaaa-8"), film("aaaaaaaa-0"), film("bbbbbbbb"), film("aaaaaaaa-16"), film("cccccccc")]

    found = each_film_first(drawn)

    assert [source.name for source in found] == ["aaaaaaaa-8", "bbbbbbbb", "cccccccc", "aaaaaaaa-0", "aaaaaaaa-16"]


def test_packages_when_one_is_added_later_then_it_alone_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def unpacked(download: list[str], into: Path) -> None:
        asked.append(download[-1])
        into.mkdir(parents=True)

    monkeypatch.setattr(sources, "_fetch_package", unpacked)
    sources.fetch(tmp_path)
    first, asked[:] = list(asked), []
    monkeypatch.setattr(sources, "DEBIAN_WITH_FILMS", (*sources.DEBIAN_WITH_FILMS, "films-of-tomorrow"))

    sources.fetch(tmp_path)

    assert "opencv-doc" in first
    assert asked == ["films-of-tomorrow"]


def test_films_when_a_package_has_videos_that_were_not_looked_at_then_they_are_no_sources(tmp_path: Path) -> None:
    (tmp_path / "films" / "a-package").mkdir(parents=True)
    for name in ("tree.avi", "titles.avi"):
        (tmp_path / "films" / "a-package" / name).write_bytes(name.encode())

    assert [source.path.name for source in sources.videos(tmp_path)] == ["tree.avi"]


def photograph(number: int) -> Source:
    return Source(f"{3 * number:08x}", "photograph", Path(f"{number}.jpg"))


def test_sources_beside_one_when_more_are_drawn_later_then_the_first_ones_are_the_same() -> None:
    one, *others = photographs = [photograph(number) for number in range(40)]

    few, more = drawn_beside(one, photographs, (3,), seed=1), drawn_beside(one, photographs, (3, 5), seed=1)

    assert (len(few), more[:3]) == (3, few)
    assert len({source.name for source in more}) == 8
    assert set(more) <= set(others)


def test_sources_beside_one_when_there_are_fewer_then_all_of_its_split() -> None:
    one, *others = photographs = [photograph(number) for number in range(4)]
    of_the_other_split = Source("00000001", "photograph", Path("other.jpg"))

    assert set(drawn_beside(one, [*photographs, of_the_other_split], (3, 5), seed=1)) == set(others)
