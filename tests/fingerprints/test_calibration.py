"""``exhibit calibrate``: what is counted, which files are copies of which, and the command on real files."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from app.cli import main
from app.fingerprints.calibration import (
    PAIRS_FOR_LOOSER,
    Asked,
    Curve,
    Taken,
    Together,
    measure,
    new_curves,
)
from app.fingerprints.calibration_files import escaped, read_files
from app.fingerprints.matching import Prints
from app.fingerprints.pictures import HeldPictures
from app.kernel.errors import Misconfigured
from tests.fingerprints.test_matching import prints_of
from tests.media_samples import PHOTOGRAPHS, mirrored, resized


def taken(name: str) -> Taken:
    return Taken(name, Prints(False))


def curve_of(true: Sequence[int | None], unrelated: Sequence[int | None], default: int = 31) -> Curve:
    curve = Curve("pdq", True, default, range(65))
    copy, stranger = Asked(taken("copy"), frozenset({"a"})), Asked(taken("stranger"), frozenset())
    for value in true:
        curve.add(copy, taken("a"), value)
    for value in unrelated:
        curve.add(stranger, taken("a"), value)
    return curve


def test_counting_when_a_threshold_is_reached_then_includes_it() -> None:
    curve = curve_of([10, 31, 32, None], [31, 90, None])
    assert (curve.at(31).found, curve.at(31).wrong) == (2, 1)
    assert (curve.at(30).found, curve.at(30).wrong) == (1, 0)


def test_counting_when_points_are_meant_then_more_is_nearer() -> None:
    curve = new_curves()["orb"]
    curve.add(Asked(taken("copy"), frozenset({"a"})), taken("a"), 12)
    curve.add(Asked(taken("copy"), frozenset({"a"})), taken("b"), 11)
    assert (curve.at(12).found, curve.at(12).wrong, curve.at(11).wrong) == (1, 0, 1)


def test_suggestion_when_a_pair_is_wrong_then_is_stricter_and_says_on_how_many_pairs_it_rests() -> None:
    curve = curve_of([10, 20, 28], [25] + [100] * 299)
    assert curve.suggested is not None
    assert (curve.suggested.threshold, curve.suggested.found) == (20, 2)
    assert curve.wrong_share_below == pytest.approx(0.01)
    assert curve.nearest[0].value == 25


@pytest.mark.thorough
def test_suggestion_when_few_pairs_were_measured_then_is_no_looser_than_the_present_threshold() -> None:
    few, many = curve_of([10, 40], [100] * 50), curve_of([10, 40], [100] * PAIRS_FOR_LOOSER)
    assert few.suggested is not None
    assert many.suggested is not None
    assert (few.suggested.threshold, many.suggested.threshold) == (10, 40)


def test_suggestion_when_even_the_strictest_is_wrong_then_there_is_none() -> None:
    assert curve_of([0], [0]).suggested is None


def write(directory: Path, *names: str) -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_files_when_in_subdirectories_then_are_copies_of_what_these_are_named_like(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.mp4", "a/1.jpg", "b/2.mp4", "unrelated/3.jpg", ".hidden/4.jpg", "a/.5.jpg")
    (tmp_path / "a" / "link.jpg").symlink_to(tmp_path / "a.jpg")
    files = read_files(tmp_path)
    assert files.originals == ["a.jpg", "b.mp4"]
    assert files.copies == {"a/1.jpg": {"a.jpg"}, "b/2.mp4": {"b.mp4"}, "unrelated/3.jpg": frozenset()}
    assert files.links == ["a/link.jpg"]


def test_name_when_it_would_steer_a_terminal_or_is_no_text_then_is_shown_escaped_and_unlike_any_other() -> None:
    assert escaped("Überführung ٣.jpg") == "Überführung ٣.jpg"
    assert escaped("a\n\x1b[2J\u202e\udcff.jpg") == r"a\n\x1b[2J\u202e\udcff.jpg"
    assert escaped(r"a\n.jpg") == r"a\\n.jpg"


def test_files_when_a_table_names_them_then_it_alone_says_what_is_a_copy(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.jpg", "c.jpg", "deep/d.jpg")
    (tmp_path / "copies.csv").write_text("file,of\nb.jpg,a.jpg\nb.jpg,c.jpg\ndeep/d.jpg,\n", encoding="utf-8")
    files = read_files(tmp_path)
    assert files.originals == ["a.jpg", "c.jpg"]
    assert files.copies == {"b.jpg": {"a.jpg", "c.jpg"}, "deep/d.jpg": frozenset()}


@pytest.mark.parametrize(
    ("names", "table"),
    [
        ((), None),
        (("a.jpg", "other/1.jpg"), None),
        (("a.jpg", "a.png", "a/1.jpg"), None),
        (("a.jpg", "b.jpg"), "file,of\nmissing.jpg,a.jpg\n"),
        (("a.jpg", "b.jpg"), "file,of\n../b.jpg,a.jpg\n"),
        (("a.jpg", "b.jpg"), "name\nb.jpg\n"),
        (("a.jpg", "b.jpg", "c.jpg"), "file,of\nb.jpg,a.jpg\na.jpg,c.jpg\n"),
    ],
)
def test_files_when_what_is_said_fits_no_file_then_nothing_is_measured(
    tmp_path: Path, names: tuple[str, ...], table: str | None
) -> None:
    write(tmp_path, *names)
    if table is not None:
        (tmp_path / "copies.csv").write_text(table, encoding="utf-8")
    with pytest.raises(Misconfigured):
        read_files(tmp_path)


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("file,of\nb.jpg,ä.jpg\n".encode("latin-1"), "UTF-8"),
        ("file,of\nb.jpg,a.jpg\n".encode("utf-16"), "UTF-8"),
        (b"file,of\n" + b"b" * 131_073 + b",a.jpg\n", "field larger than field limit"),
        (b"file,of\n\x1b[2J.jpg,a.jpg\n", r"no file \\x1b\[2J\.jpg"),
    ],
)
def test_files_when_the_table_cannot_be_read_then_is_told_what_is_wrong_with_it(
    tmp_path: Path, table: bytes, what: str
) -> None:
    write(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "copies.csv").write_bytes(table)
    with pytest.raises(Misconfigured, match=f"copies.csv.*{what}"):
        read_files(tmp_path)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("originals")
    for number, path in enumerate(PHOTOGRAPHS[:3]):
        (directory / f"p{number}.jpg").write_bytes(resized(path, 0.3))
    return directory


@pytest.mark.thorough
def test_command_when_copies_are_known_then_measures_them_and_tells_what_it_could_not_decode(
    originals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("p0", "p1", "p2"):
        (tmp_path / f"{name}.jpg").write_bytes((originals / f"{name}.jpg").read_bytes())
    (tmp_path / "p0").mkdir()
    (tmp_path / "p0" / "mirrored.jpg").write_bytes(mirrored(originals / "p0.jpg"))
    (tmp_path / "p1").mkdir()
    (tmp_path / "p1" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    before = sorted(tmp_path.rglob("*"))

    out = tmp_path.parent / f"{tmp_path.name}-out"
    assert main(["calibrate", str(tmp_path), "--out", str(out)]) == 1

    told = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    assert told["not_decoded"] == ["p1/broken.jpg"]
    assert told["algorithms"]["pdq"]["copies"] == 1
    assert told["algorithms"]["pdq"]["unrelated"] == 5
    assert told["algorithms"]["pdq"]["present"] == {"threshold": 31, "found": 1, "wrong": 0}
    assert told["algorithms"]["orb"]["present"]["found"] == 1
    assert told["together"]["found_firmly"] == 1
    assert told["together"]["wrong"] == 0
    assert "not decoded, and left out: p1/broken.jpg" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.thorough
def test_command_when_no_copies_are_told_then_makes_edits_and_writes_table_and_drawing(
    originals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(originals), "--out", str(tmp_path / "out"), "--edits-of", "1"]) == 0

    rows = list(csv.DictReader((tmp_path / "out" / "calibration.csv").read_text(encoding="utf-8").splitlines()))
    at_12 = next(row for row in rows if row["algorithm"] == "orb" and row["threshold"] == "12")
    assert (at_12["copies"], at_12["wrong"], at_12["unrelated"]) == ("10", "0", "23")
    assert int(at_12["found"]) >= 9
    drawing = ElementTree.parse(tmp_path / "out" / "calibration.svg")
    assert len(drawing.findall("{http://www.w3.org/2000/svg}polyline")) == 12
    assert "made by exhibit calibrate" in capsys.readouterr().out


@pytest.mark.thorough
def test_command_when_names_are_hostile_then_writes_them_escaped_and_tells_of_links(
    originals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photograph = (originals / "p0.jpg").read_bytes()
    for name in ("p0\udcff.jpg", "p1\x1b[2J.jpg"):  # The same picture twice, so they are a wrong pair.
        (tmp_path / name).write_bytes(photograph)
    (tmp_path / "p0\udcff").mkdir()
    (tmp_path / "p0\udcff" / "copy\nwrong: none.jpg").write_bytes(mirrored(originals / "p0.jpg"))
    (tmp_path / "unrelated").mkdir()
    (tmp_path / "unrelated" / "\udcfe.jpg").write_bytes(b"no picture")
    (tmp_path / "link\n.jpg").symlink_to(originals / "p1.jpg")

    out = tmp_path.parent / f"{tmp_path.name}-out"
    assert main(["calibrate", str(tmp_path), "--out", str(out)]) == 1

    told = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    assert (told["not_decoded"], told["symbolic_links"]) == ([r"unrelated/\udcfe.jpg"], [r"link\n.jpg"])
    assert told["algorithms"]["pdq"]["copies"] == 1
    said = capsys.readouterr().out
    assert r"wrong: p1\x1b[2J.jpg and p0\udcff.jpg (same_picture)" in said
    assert r"wrong: p0\udcff/copy\nwrong: none.jpg and p1\x1b[2J.jpg" in said
    assert r"a symbolic link, and left out: link\n.jpg" in said
    assert "\x1b" not in said
    assert (out / "calibration.txt").read_text(encoding="utf-8") in said


@pytest.mark.thorough
def test_command_when_an_original_is_named_in_no_utf_8_then_makes_edits_of_it(originals: Path, tmp_path: Path) -> None:
    for name, source in (("\udcff.jpg", "p0.jpg"), ("a.jpg", "p1.jpg")):
        (tmp_path / name).write_bytes((originals / source).read_bytes())
    out = tmp_path.parent / f"{tmp_path.name}-out"
    assert main(["calibrate", str(tmp_path), "--out", str(out), "--edits-of", "1"]) == 0


def test_command_when_the_results_would_go_into_a_file_then_says_so_before_it_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "a.jpg", "b.jpg")  # No pictures: measured, they would be what is told of.
    assert main(["calibrate", str(tmp_path), "--out", str(tmp_path / "a.jpg")]) == 2
    assert "a.jpg: no directory, nor can one be made: File exists." in capsys.readouterr().err


@pytest.mark.parametrize("most", ["0", "-1", "x"])
def test_command_when_a_number_is_none_then_says_what_is_expected(
    capsys: pytest.CaptureFixture[str], most: str
) -> None:
    with pytest.raises(SystemExit):
        main(["calibrate", ".", f"--most={most}"])
    assert f"argument --most: {most!r} is no whole number from 1 on" in capsys.readouterr().err


@pytest.mark.thorough
def test_command_when_there_is_one_original_then_says_that_pairs_are_needed(
    originals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "only.jpg").write_bytes((originals / "p0.jpg").read_bytes())
    assert main(["calibrate", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "At least two originals" in capsys.readouterr().err


@pytest.mark.thorough
def test_measuring_when_a_frame_agrees_with_a_picture_by_points_alone_then_counts_as_matches_do() -> None:
    picture = prints_of(Image.open(PHOTOGRAPHS[0]).convert("RGB").resize((640, 427)))
    frames = [replace(one, time_ms=7000) for one in picture.features]
    curves, together = new_curves(), Together()
    assert isinstance(picture.pictures, HeldPictures)
    shown = HeldPictures({7000: picture.pictures.jpegs[0]})
    video = Taken("video.mp4", Prints(True, (), tuple(frames), pictures=shown))
    measure(curves, together, Asked(video, frozenset()), Taken("picture.jpg", replace(picture, prints=())))
    assert (together.unrelated, together.wrong_firmly) == (1, 1)
