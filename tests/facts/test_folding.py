"""Keys of names and designations, and the vocabulary of weapons that is found by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.facts.folding import fold_area, fold_designation, fold_name
from app.facts.weapons import WEAPONS


@pytest.mark.parametrize(
    "spelling", ["Kh-101", "KH 101", "kh101", "Х-101", "х‑101", "X-101", "Ｋｈ－１０１", "«Х–101»", "H-101"]
)
def test_designation_when_spelled_otherwise_then_one_key(spelling: str) -> None:
    assert fold_designation(spelling) == fold_designation("Kh-101")
    found = WEAPONS.find(spelling)
    assert found is not None
    assert found.name == "Kh-101"


@pytest.mark.parametrize(
    ("one", "other"), [("Kh-10112", "Kh-101"), ("C-300", "S-300"), ("Kh-55", "Kh-59"), ("KX-101", "Kh-101")]
)
def test_designation_when_another_then_another_key(one: str, other: str) -> None:
    assert fold_designation(one) != fold_designation(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Шахед-136", "Shahed-136"), ("С-300", "S-300"), ("Іскандер-М", "Искандер-М"), ("9М723", "9M723")],
)
def test_designation_when_in_another_script_then_the_same_key(one: str, other: str) -> None:
    assert fold_designation(one) == fold_designation(other)


@given(st.text(max_size=30))
def test_keys_when_folded_again_then_as_they_are_and_never_empty(name: str) -> None:
    for fold in (fold_name, fold_designation):
        assert fold(fold(name)) == fold(name)
        assert fold(name) or not name


@given(st.lists(st.text(alphabet="aб/- ", min_size=1, max_size=4), min_size=1, max_size=4))
def test_area_when_folded_then_its_units_stay_apart(units: list[str]) -> None:
    assert fold_area(tuple(units)).count("/") == len(units) - 1


def test_name_when_written_with_marks_or_case_then_the_same_and_scripts_stay_apart() -> None:
    assert fold_name("Médecins  Sans-Frontières") == fold_name("MEDECINS SANS FRONTIERES")
    assert fold_name("Ελλάς") == fold_name("ΕΛΛΑΣ")
    assert fold_name("Київ") != fold_name("Kyiv")


def test_weapons_when_listed_then_each_key_finds_one_and_each_has_a_source() -> None:
    keys = [fold_designation(name) for each in WEAPONS.weapons for name in {each.name, *each.spellings}]
    assert len(keys) == len(set(keys))
    assert all(each.source for each in WEAPONS.weapons)
