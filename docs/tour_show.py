"""The README's tour: what the API answered, in a few lines for people."""

import json
import sys
from typing import Any

TIERS = ("exact", "same_picture", "likely")


def show_item(item: dict[str, Any]) -> None:
    print(f"{item['state']}, {item['media_type']}, {item['size_bytes']} bytes")
    print(f"SHA-256 {item['sha256']}")
    print(f"the file claims {item['claims']['width']} x {item['claims']['height']} pixels")


def how_near(ground: dict[str, Any]) -> str:
    if ground["inliers"] is not None:
        return f"{ground['inliers']} points lie alike, of at least {ground['threshold_inliers']}"
    return f"{ground['distance_bits']} of at most {ground['threshold_bits']} bits apart"


def show_matches(page: dict[str, Any]) -> None:
    this = sys.argv[2]
    for match in sorted(page["items"], key=lambda match: TIERS.index(match["tier"])):
        sides = ("query", "reference") if match["query_id"] == this else ("reference", "query")
        print(match["tier"])
        for ground in match["grounds"]:
            print(f"  {ground['version']}: {how_near(ground)}")
        for span in match["segments"]:
            here, there = (
                f"{span[f'{side}_start_ms'] / 1000:.1f}-{span[f'{side}_end_ms'] / 1000:.1f}" for side in sides
            )
            print(f"  seconds {here} of this are seconds {there} of the other, by {span['frames']} frames")


def show_match_ids(page: dict[str, Any]) -> None:
    for match in page["items"]:
        print(match["id"])


def show_found(search: dict[str, Any]) -> None:
    print(f"{search['status']}, {search['outcome']}")
    for item in search["found"]:
        print(item["tier"])


VIEWS = {"found": show_found, "item": show_item, "matches": show_matches, "match_ids": show_match_ids}
VIEWS[sys.argv[1]](json.load(sys.stdin))
