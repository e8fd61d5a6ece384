"""Turns and scales in whole steps: they never leave out what is alike, and let through little besides."""

import numpy as np
import pytest

from app.fingerprints.point_pairs import DEGREES_APART, SCALES_APART, Headings, heading, is_alike

PAIRS = 20_000
NEAR = 1e-4


def apart(degrees: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of points that turn and scale so much otherwise than a similarity: which are alike, and which may be."""
    chance = np.random.default_rng(5)
    angles, scales = chance.uniform(0, 2 * np.pi, (3, PAIRS)), np.exp(chance.uniform(-1.2, 1.2, (3, PAIRS)))
    query, reference = Headings.of(scales[0], angles[0]), Headings.of(scales[1], angles[1])
    turn = scales[1] / scales[0] * np.exp(1j * (angles[1] - angles[0]))
    similarity = turn * ratio * np.exp(1j * np.deg2rad(degrees))
    may_be = reference.apart(query).apart(heading(similarity)).may_be_alike()
    return is_alike(turn, similarity), may_be


@pytest.mark.parametrize("sign", [-1, 1])
def test_pair_when_it_is_just_alike_then_is_let_through(sign: int) -> None:
    share = 1 - NEAR * np.random.default_rng(6).random(PAIRS)
    for degrees, ratio in (
        (sign * DEGREES_APART * share, np.ones(PAIRS)),
        (np.zeros(PAIRS), SCALES_APART ** (sign * share)),
    ):
        alike, may_be = apart(degrees, ratio)
        assert alike.all()
        assert may_be.all()


@pytest.mark.parametrize("sign", [-1, 1])
def test_pair_when_it_is_clearly_not_alike_then_is_left_out(sign: int) -> None:
    for degrees, ratio in (
        (np.full(PAIRS, sign * 1.01 * DEGREES_APART), np.ones(PAIRS)),
        (np.full(PAIRS, sign * 179.0), np.ones(PAIRS)),
        (np.zeros(PAIRS), np.full(PAIRS, SCALES_APART ** (1.02 * sign))),
    ):
        alike, may_be = apart(degrees, ratio)
        assert not alike.any()
        assert not may_be.any()
