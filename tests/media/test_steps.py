"""From the blurred preview to the original in steps: each shows more than the last, with a purpose and an entry."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.media.previews import in_step
from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media.test_previews import segments
from tests.media.test_renderings import viewed
from tests.media_samples import PHOTOGRAPHS, excerpt, resized, upright
from tests.support.work import Work, work_of

MILD = {"graphic_level": "mild"}
STEPS = ("blurred", "softened", "grey", "clear")
PURPOSE = "&purpose=verification"


@pytest.fixture
def work(hub: Hub) -> Iterator[Work]:
    with work_of(hub.api) as opened:
        yield opened


def decoded(jpeg: bytes) -> Image.Image:
    """The picture, of a JPEG without any metadata."""
    assert set(segments(jpeg)) == {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as shown:
        shown.load()
        return shown


def detail(picture: Image.Image) -> float:
    """The variance of a picture's greys that is finer than 13 waves over 320 pixels, which 16 values cannot hold."""
    grey = np.asarray(picture.convert("L"), dtype=float)
    energy = np.abs(np.fft.fftshift(np.fft.fft2(grey - grey.mean()))) ** 2
    rows, columns = (np.abs(np.linspace(-1, 1, size)) for size in energy.shape)
    is_fine = np.maximum(rows[:, None], columns[None, :]) > 0.08
    return float(energy[is_fine].sum()) / grey.size**2


def test_steps_of_a_picture_when_decoded_then_each_has_less_detail_than_the_next_and_the_blurred_none() -> None:
    small = upright(PHOTOGRAPHS[0]).copy()
    small.thumbnail((320, 320))
    made = {step: decoded(in_step(small, step)) for step in ("blurred", "softened", "grey")}

    assert {picture.mode for picture in made.values()} == {"L"}
    assert {picture.size for picture in made.values()} == {small.size}
    assert detail(made["blurred"]) < detail(made["softened"]) / 3
    assert detail(made["softened"]) < detail(made["grey"]) / 3


def test_step_of_a_strip_when_made_then_no_tile_runs_into_its_neighbour() -> None:
    strip = Image.new("RGB", (320, 90), "black")
    strip.paste("white", (160, 0, 320, 90))

    for step in ("blurred", "softened"):
        shown = np.asarray(decoded(in_step(strip, step, 160)), dtype=int)
        assert shown[:, :150].max() < 16
        assert shown[:, 170:].min() > 240


@pytest.mark.thorough
def test_preview_when_looked_at_in_steps_then_the_blurred_is_silent_and_each_other_an_entry_by_its_name(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item = receive(resized(PHOTOGRAPHS[0], 0.3), labels=MILD)
    work.finish()
    address = f"/v1/evidence/{item['id']}/preview?step="

    plain = hub.verifier.get(f"/v1/evidence/{item['id']}/preview")
    without = [hub.verifier.get(address + step) for step in STEPS[1:]]
    shown = {step: hub.verifier.get(address + step + PURPOSE) for step in STEPS for _ in range(2)}

    assert {(answer.status_code, answer.json()["code"]) for answer in without} == {(422, "purpose_needed")}
    assert plain.content == shown["blurred"].content
    pictures = [decoded(shown[step].content) for step in STEPS]
    assert [picture.mode for picture in pictures] == ["L", "L", "L", "RGB"]
    amounts = [detail(picture) for picture in pictures]
    assert amounts[0] < amounts[1] / 3 < amounts[2] / 9, amounts
    assert viewed(hub, item) == [
        (name, len(shown[step].content))
        for step, name in (("softened", "preview_softened"), ("grey", "preview_grey"), ("clear", "thumbnail"))
    ]
    assert {shown[step].headers["Cache-Control"] for step in STEPS[1:]} == {"no-store"}
    refused = [
        person.get(address + "softened" + PURPOSE) for person in (hub.other_collector, hub.auditor, hub.stranger)
    ]
    assert [answer.status_code for answer in refused] == [403, 403, 404]
    (day,) = hub.verifier.get("/v1/me/exposure").json()["items"]
    assert (day["seen_items"], day["minutes"]) == (1, 0.5)


@pytest.mark.thorough
def test_step_when_nobody_has_labelled_the_item_then_its_collector_alone_sees_more_than_the_blurred(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item = receive(resized(PHOTOGRAPHS[0], 0.3), labels=None)
    work.finish()
    address = f"/v1/evidence/{item['id']}"
    softened = f"{address}/preview?step=softened{PURPOSE}"

    refused = [person.get(softened) for person in (hub.verifier, hub.coordinator)]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(409, "labels_missing")}
    assert [person.get(f"{address}/preview").status_code for person in (hub.verifier, hub.coordinator)] == [200, 200]
    assert hub.collector.get(softened).status_code == 200
    assert hub.entries(item["id"], "evidence.viewed") == 1
    assert hub.coordinator.change(f"{address}/labels", address, "PUT", json=MILD).status_code == 200
    assert [person.get(softened).status_code for person in (hub.verifier, hub.coordinator)] == [200, 200]


@pytest.mark.thorough
def test_strip_when_a_recording_is_looked_through_then_blurred_without_an_entry_and_each_frame_by_itself(
    hub: Hub, receive: Receive, work: Work
) -> None:
    item: dict[str, Any] = receive(excerpt(0, 3, size=(160, 90)), labels=MILD)
    picture = receive(resized(PHOTOGRAPHS[0], 0.3), labels=MILD)
    work.finish()
    address = f"/v1/evidence/{item['id']}/strip"

    blurred = hub.verifier.get(address)
    assert blurred.headers["Content-Type"] == "image/jpeg"
    assert hub.entries(item["id"], "evidence.viewed") == 0
    clear = hub.verifier.get(f"{address}?step=clear{PURPOSE}")
    softened = hub.verifier.get(f"{address}?step=softened{PURPOSE}")
    assert viewed(hub, item) == [("strip", len(clear.content)), ("strip_softened", len(softened.content))]

    pictures = [decoded(answer.content) for answer in (blurred, softened, clear)]
    assert pictures[0].size == pictures[1].size == pictures[2].size
    tiles = [picture.crop((0, 0, 160, 90)) for picture in pictures]
    assert detail(tiles[0]) < detail(tiles[1]) < detail(tiles[2])
    none = hub.verifier.get(f"/v1/evidence/{picture['id']}/strip")
    assert (none.status_code, none.json()["code"]) == (404, "no_rendering")
