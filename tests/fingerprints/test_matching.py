"""The explanation of a pair: the same from either side, by all areas and by points; and in words."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.fingerprints.algorithms.algorithm import hamming
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.alignment import Segment
from app.fingerprints.hasher import Hasher
from app.fingerprints.matching import Explanation, Ground, Print, Prints, explain, rule_of, thresholds_of
from app.fingerprints.pictures import HeldPictures
from app.fingerprints.views import INVERSE, SYMMETRIES, symmetry_of
from app.fingerprints.wording import explain_in_words
from app.media.frames import WorkingFrames
from tests.media_samples import PHOTOGRAPHS
from tests.support.examples import examples

BITS = st.binary(min_size=32, max_size=32)
VIEWS = [f"{area}{symmetry}" for area in ("", "trimmed.", "framed.") for symmetry in SYMMETRIES]


@cache
def picture(number: int) -> Image.Image:
    image = Image.open(PHOTOGRAPHS[number]).convert("RGB")
    image.thumbnail((800, 800))
    return image


def prints_of(image: Image.Image) -> Prints:
    frames = WorkingFrames()
    hasher = Hasher(on_further=frames.take_further)
    hasher.take_picture(np.asarray(image))
    hasher.end_video(0)
    return Prints(False, hasher.prints, hasher.features, image.size, HeldPictures(frames.jpegs))


def crop(image: Image.Image) -> Image.Image:
    return image.crop((image.width // 8, image.height // 8, image.width * 7 // 8, image.height * 7 // 8))


def found(explanation: Explanation | None) -> Explanation:
    assert explanation is not None
    return explanation


@st.composite
def stills(draw: st.DrawFn, centre: bytes) -> Prints:
    """A picture with a few views, some near the centre."""
    prints = []
    for view in draw(st.lists(st.sampled_from(VIEWS), unique=True, max_size=6)):
        flipped = draw(st.sets(st.integers(0, 255), max_size=40))
        value = bytearray(centre)
        for bit in flipped:
            value[bit // 8] ^= 1 << bit % 8
        prints.append(Print("pdq/1", 0, view, bytes(value), draw(st.sampled_from([0, 60, 100]))))
    return Prints(False, prints)


@pytest.mark.thorough
@given(st.data())
@settings(max_examples=examples(200))
def test_two_pictures_when_their_sides_are_swapped_then_the_answer_is_the_same(data: st.DataObject) -> None:
    centre = data.draw(BITS)
    query, reference = data.draw(stills(centre)), data.draw(stills(centre))
    forth = explain(query, reference, thresholds_of())
    back = explain(reference, query, thresholds_of())
    assert (forth is None) == (back is None)
    if forth is not None and back is not None:
        assert forth.tier == back.tier
        assert [one.distance_bits for one in forth.grounds] == [one.distance_bits for one in back.grounds]


@pytest.mark.thorough
@pytest.mark.parametrize("symmetry", ["identity", "mirror", "rotate_90", "transverse"])
def test_crop_when_turned_then_points_say_how_it_lies_from_either_side(symmetry: str) -> None:
    whole = prints_of(picture(0))
    part = prints_of(Image.fromarray(np.ascontiguousarray(SYMMETRIES[symmetry](np.asarray(crop(picture(0)))))))

    forth = found(explain(whole, part, thresholds_of())).grounds[0]
    back = found(explain(part, whole, thresholds_of())).grounds[0]
    assert (forth.transformation, back.transformation) == (symmetry, INVERSE[symmetry])
    assert forth.inliers == back.inliers
    assert back.outline is not None
    assert forth.outline is not None
    assert all(90 < place < 910 for corner in back.outline for place in corner), "inside the whole"
    assert all(not 0 <= place <= 1000 for corner in forth.outline for place in corner), "around the part"
    assert {tuple(round(place / 125) for place in corner) for corner in back.outline} == {
        (1, 1),
        (7, 1),
        (7, 7),
        (1, 7),
    }


@pytest.mark.thorough
def test_points_when_fewer_agree_than_a_case_asks_for_then_likely_or_nothing() -> None:
    whole, part = prints_of(picture(0)), prints_of(crop(picture(0)))
    by_points = found(explain(part, whole, thresholds_of({"phash": 0, "dhash": 0})))
    inliers = by_points.grounds[0].inliers or 0
    stricter = thresholds_of({"phash": 0, "dhash": 0}, inliers=inliers + 1, inliers_likely=inliers)
    none = thresholds_of({"phash": 0, "dhash": 0}, inliers=inliers + 2, inliers_likely=inliers + 1)
    assert by_points.tier == "same_picture"
    assert found(explain(part, whole, stricter)).tier == "likely"
    assert explain(part, whole, none) is None


@pytest.mark.thorough
def test_letterboxed_copy_then_its_area_without_borders_is_the_picture() -> None:
    image = picture(0)
    boxed = Image.new("RGB", (image.width, image.height * 7 // 5))
    boxed.paste(image, (0, image.height // 5))
    ground = found(explain(prints_of(boxed), prints_of(image), thresholds_of())).grounds[0]
    assert (ground.algorithm, ground.query_view, ground.reference_view) == ("pdq", "trimmed", "whole")


@pytest.mark.thorough
def test_other_photographs_then_nothing() -> None:
    first, *others = (prints_of(picture(number)) for number in range(4))
    assert [explain(first, other, thresholds_of()) for other in others] == [None] * 3


@pytest.mark.thorough
def test_pictures_without_a_known_size_then_points_agree_and_no_place_is_said() -> None:
    whole, part = prints_of(picture(0)), replace(prints_of(crop(picture(0))), size=None)
    ground = found(explain(part, whole, thresholds_of())).grounds[0]
    assert (ground.inliers or 0) >= 12
    assert (ground.outline, ground.points) == (None, None)


@given(st.data())
def test_hashes_when_pictures_have_many_views_then_the_nearest_two_of_all_are_named(data: st.DataObject) -> None:
    """Each view is compared with each, one of the two upright, one by one."""
    centre = data.draw(BITS)
    query, reference = data.draw(stills(centre)), data.draw(stills(centre))
    sure = [
        [one for one in prints.prints if (one.quality or 0) >= PDQ.minimum_quality] for prints in (query, reference)
    ]
    distances = [
        hamming(one.value, other.value)
        for one, other in product(*sure)
        if symmetry_of(one.view) == "identity" or symmetry_of(other.view) == "identity"
    ]
    nearest = min(distances, default=256)

    explanation = explain(query, reference, thresholds_of({"pdq": 31}))

    named = None if explanation is None else explanation.grounds[0].distance_bits
    assert named == (nearest if nearest <= 31 else None)


def test_rule_when_a_threshold_is_another_then_it_is_another_rule() -> None:
    rules = [thresholds_of(), thresholds_of({"pdq": 30}), thresholds_of(inliers=13), thresholds_of(inliers_likely=9)]
    assert len({rule_of(one) for one in rules}) == 4


def test_words_when_the_reference_holds_the_query_then_say_so() -> None:
    ground = Ground(
        algorithm="orb",
        version="orb/1",
        inliers=143,
        threshold_inliers=12,
        outline=((125, 125), (875, 125), (875, 875), (125, 875)),
    )
    assert explain_in_words("same_picture", [ground.as_json()], []) == (
        "Local features: 143 points agree; the query is the marked quadrilateral of the reference"
        " (at least 12 are asked for)."
    )


def test_words_when_a_video_was_turned_and_slowed_then_name_its_spans() -> None:
    ground = Ground(algorithm="pdq", version="pdq/1", transformation="mirror", distance_bits=6, threshold_bits=31)
    span = Segment(3000, 14500, 61000, 72500, 20, 6, speed=-500, transformation="mirror")
    words = explain_in_words("same_picture", [ground.as_json()], [Explanation("x", [], [span]).as_json()[1][0]])
    assert words == (
        "pdq: 6 bits differ, with the query mirrored (up to 31 are the same picture by this rule)."
        " Seconds 3.0-14.5 of the query appear at seconds 61.0-72.5 of the reference, played backwards,"
        " at 0.50 times the speed, mirrored."
    )


def test_words_when_the_speed_differs_by_less_than_is_said_then_do_not_say_it() -> None:
    span = Segment(0, 9900, 0, 9900, 20, 2, speed=-1004)
    words = explain_in_words("same_picture", [], Explanation("x", [], [span]).as_json()[1])
    assert words == "Seconds 0.0-9.9 of the query appear at seconds 0.0-9.9 of the reference, played backwards."


def test_words_when_points_agree_in_a_mirrored_frame_then_read_as_a_sentence() -> None:
    turned = Ground(algorithm="orb", version="orb/1", inliers=31, transformation="mirror", outline=((0, 0),) * 4)
    frame = replace(turned, outline=None, query_ms=7000, reference_ms=400)
    whole, moments = (explain_in_words("same_picture", [one.as_json()], []) for one in (turned, frame))
    agree = "Local features: 31 points agree, with the query mirrored"
    assert whole == f"{agree}; the query is the marked quadrilateral of the reference."
    assert moments == f"{agree}, at second 7.0 of the query and second 0.4 of the reference."


def test_words_when_a_hash_alone_is_near_then_do_not_say_that_it_is_the_same_picture() -> None:
    ground = Ground(algorithm="phash", version="phash/1", distance_bits=6, threshold_bits=10)
    assert explain_in_words("likely", [ground.as_json()], []) == (
        "phash: 6 bits differ (up to 10 are alike by this rule)."
        " That is too little to be sure: a person has to look at both."
    )


def test_words_when_the_bytes_are_the_same_then_say_that_alone() -> None:
    assert explain_in_words("exact", [], []) == "The two files have the same bytes: their SHA-256 is the same."
