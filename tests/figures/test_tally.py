"""Items as arrays: any of them count as sets of Python do."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.figures.figure import Figure, MediaCount
from app.figures.tally import IMAGE, METHODS_FROM, SENSITIVE, VIDEO, Tally
from app.figures.words import METHOD_BITS

ITEMS = st.dictionaries(
    st.integers(1, 2**62), st.tuples(st.integers(1, 9), st.integers(0, 2**6 - 1).filter(lambda flags: flags & 3 != 3))
)
"""Number → number of its bytes, and flags: with the first three methods."""
Items = dict[int, tuple[int, int]]
COPIES = {7: 2, 9: 2, 2**40: 1}


def counted(items: Items) -> Figure:
    def media(flag: int) -> MediaCount:
        of = [COPIES.get(capture, capture) for capture, flags in items.values() if not flag or flags & flag]
        return MediaCount(len(of), len(set(of)))

    every = media(0)
    sensitive = sum(1 for _, flags in items.values() if flags & SENSITIVE)
    return Figure(every.count, every.collapsed, media(IMAGE), media(VIDEO), sensitive=sensitive)


def series(parts: dict[str | None, Items]) -> dict[str | None, Figure]:
    return {key: counted(items) for key, items in parts.items() if items}


def tally(items: Items) -> Tally:
    joined = np.array(sorted(COPIES)), np.array([COPIES[copy] for copy in sorted(COPIES)])
    rows = (struct.pack(">qqi", item, capture, flags & ~SENSITIVE) for item, (capture, flags) in items.items())
    sensitive = (struct.pack(">q", item) for item, (_, flags) in items.items() if flags & SENSITIVE)
    return Tally(b"".join(rows), b"".join(sensitive), joined)


@given(ITEMS)
def test_items_when_there_are_any_then_count_with_copies_and_without(items: Items) -> None:
    assert tally(items).total() == counted(items)


@given(ITEMS)
def test_media_types_and_methods_when_parted_by_them_then_each_is_a_point_and_none_is_one(items: Items) -> None:
    def having(mask: int, wanted: int) -> Items:
        return {item: (capture, flags) for item, (capture, flags) in items.items() if flags & mask == wanted}

    kinds = {"image": having(3, IMAGE), "video": having(3, VIDEO), None: having(3, 0)}
    assert tally(items).by_media_type() == series(kinds)
    bits = {str(METHOD_BITS[place]): 1 << METHODS_FROM + place for place in range(3)}
    methods: dict[str | None, Items] = {name: having(bit, bit) for name, bit in bits.items()}
    assert tally(items).by_method() == series({**methods, None: having(sum(bits.values()), 0)})


@given(ITEMS, st.data())
def test_keys_when_items_have_some_then_each_counts_once_under_each_and_without_any_under_none(
    items: Items, data: st.DataObject
) -> None:
    some = st.lists(st.sampled_from(sorted(items)), max_size=6) if items else st.just([])
    keyed: dict[str | None, list[int]] = data.draw(st.dictionaries(st.sampled_from(["a", "b", None]), some))
    with_key = {item for key, named in keyed.items() if key is not None for item in named}
    none = (items.keys() - with_key) | set(keyed.get(None, ()))
    parts = {key: set(named) for key, named in keyed.items() if key is not None} | {None: none}
    asked = [(key, b"".join(struct.pack(">q", item) for item in named)) for key, named in keyed.items()]
    expected = series({key: {item: items[item] for item in named} for key, named in parts.items()})
    assert tally(items).by_key(asked) == expected
