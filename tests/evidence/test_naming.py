from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np

from xai_audit.evidence.naming import Suspect, explained

NAN = math.nan


def suspects(**given):
    return [Suspect(cue, *numbers) for cue, numbers in given.items()]


def pairs(**given):
    return {tuple(names.split("__")): value for names, value in given.items()}


def test_less_than_a_third_left_is_explained():
    two = suspects(a=(0.6, 0.5), b=(0.6, 0.1))
    assert explained(two, pairs(a__b=0.33)) == {"a": "b"}
    assert explained(two, pairs(a__b=0.34)) == {}
    assert explained(two, pairs(a__b=NAN)) == {}
    assert explained(two, pairs(a__b=-0.3)) == {"a": "b"}
    assert explained(two, {}) == {}
    assert explained(two, pairs(a__gone=0.0)) == {}


def carried(cue, effect, area, photos):
    return Suspect(cue, effect, area, pulls=True, carriers=frozenset(photos))


def test_a_narrow_cue_with_half_of_the_effect_does_not_stand_for_a_wide_one():
    """The edge of a wall: put back it restores the decision, but most of the wall is elsewhere."""
    both = pairs(wall__edge=0.25, edge__wall=0.0)
    assert explained(suspects(wall=(0.9, 0.6), edge=(0.5, 0.3)), both) == {"edge": "wall"}
    assert explained(suspects(wall=(0.9, 0.6), edge=(0.7, 0.3)), both) == {"wall": "edge"}


def test_a_wide_cue_with_less_of_the_effect_does_not_explain_what_it_holds():
    put_back = pairs(tag__wall=0.1, wall__tag=0.9)
    assert explained(suspects(wall=(0.35, 0.6), tag=(0.6, 0.05)), put_back) == {}
    assert explained(suspects(wall=(0.45, 0.6), tag=(0.6, 0.05)), put_back) == {"tag": "wall"}


def test_a_piece_that_its_carriers_do_not_need_is_explained_by_what_they_need():
    wall = Suspect("wall", 0.4, 0.5, carriers=frozenset("abcd"), needed=0.4)
    piece = Suspect("piece", 0.6, 0.3, pulls=True, carriers=frozenset("abcd"), needed=0.05)
    assert explained([wall, piece], pairs(piece__wall=0.6)) == {"piece": "wall"}
    assert explained([wall, replace(piece, needed=0.3)], pairs(piece__wall=0.6)) == {}
    # Nor does the piece explain the wall, though it is narrow and leaves little of its effect.
    pull = replace(wall, pulls=True, area=0.7)
    assert explained([pull, piece], pairs(wall__piece=0.1)) == {"piece": "wall"}
    assert explained([wall, replace(piece, carriers=frozenset("xyz"))], {}) == {}
    assert explained([replace(wall, needed=0.1), replace(piece, needed=0.01)], {}) == {}
    assert explained([replace(wall, needed=math.nan), piece], {}) == {}


def test_a_narrow_cue_of_the_same_carriers_explains_a_wide_one_that_has_more():
    wide = carried("wide", 0.6, 0.5, "abcd")
    assert explained([wide, carried("tag", 0.4, 0.1, "abc")], pairs(wide__tag=0.6)) == {
        "wide": "tag"
    }
    needed = Suspect("tag", 0.4, 0.1, carriers=frozenset("abcdef"))  # and the class relies on it
    assert explained([wide, needed], pairs(wide__tag=0.6)) == {"wide": "tag"}
    # Others carry it; too much is left; it has too little of the effect; the wider explains less.
    assert explained([wide, carried("tag", 0.4, 0.1, "axyz")], pairs(wide__tag=0.6)) == {}
    assert explained([wide, carried("tag", 0.4, 0.1, "abc")], pairs(wide__tag=0.8)) == {}
    assert explained([wide, carried("tag", 0.39, 0.1, "abc")], pairs(wide__tag=0.6)) == {}
    assert explained([wide, carried("tag", 0.6, 0.1, "abc")], pairs(tag__wide=0.6)) == {}
    # A border is no narrow part of the background: of a narrower cue less than half may be left.
    assert explained([wide, carried("border", 0.5, 0.3, "abcd")], pairs(wide__border=0.6)) == {}
    border = {"wide": "border"}
    assert explained([wide, carried("border", 0.5, 0.3, "abcd")], pairs(wide__border=0.4)) == border
    assert explained([wide, carried("border", 0.39, 0.3, "abcd")], pairs(wide__border=0.4)) == {}
    assert explained([wide, carried("border", 0.5, 0.47, "abcd")], pairs(wide__border=0.4)) == {}


def test_where_both_explain_each_other_the_narrower_stays():
    both = pairs(a__b=0.0, b__a=0.0)
    assert explained(suspects(a=(0.6, 0.5), b=(0.4, 0.1)), both) == {"a": "b"}
    assert explained(suspects(a=(0.6, math.inf), b=(0.4, 0.9)), both) == {"a": "b"}
    # One area, or two properties: the larger effect; equal in all: by name.
    assert explained(suspects(a=(0.6, 0.061), b=(0.4, 0.06)), both) == {"b": "a"}
    assert explained(suspects(a=(0.4, math.inf), b=(0.6, math.inf)), both) == {"a": "b"}
    assert explained(suspects(a=(0.6, 0.1), b=(0.6, 0.1)), both) == {"b": "a"}


def test_chains_lead_to_their_end():
    three = suspects(a=(0.6, 0.9), b=(0.6, 0.5), c=(0.6, 0.1))
    assert explained(three, pairs(a__b=0.0, b__c=0.1)) == {"a": "c", "b": "c"}
    # What explains directly and leaves least is named.
    assert explained(three, pairs(a__b=0.1, a__c=0.05)) == {"a": "c"}
    assert explained(three, pairs(a__b=0.05, a__c=0.1)) == {"a": "b"}


def test_of_a_circle_the_largest_effect_stays():
    circle = pairs(a__b=0.0, b__c=0.0, c__a=0.0)
    three = suspects(a=(0.5, 0.9), b=(0.7, 0.5), c=(0.6, 0.1))
    assert explained(three, circle) == {"a": "b", "c": "b"}
    # A larger one that only leads into the circle is still explained by it.
    four = [*three, Suspect("d", 0.9, 1.0)]
    assert explained(four, circle | pairs(d__a=0.0)) == {"a": "b", "c": "b", "d": "b"}


def test_some_cue_always_stays_unexplained():
    rng = np.random.default_rng(0)
    names = "abcdef"
    for _ in range(300):
        given = [
            Suspect(n, e, a)
            for n, e, a in zip(
                names, rng.random(6) + 0.2, rng.choice([0.1, 0.5, 1], 6), strict=True
            )
        ]
        holes = {(p, q): rng.choice([0.0, 1.0]) for p, q in itertools.permutations(names, 2)}
        found = explained(given, holes)
        assert len(found) < 6
        assert not set(found.values()) & set(found)  # what explains is itself unexplained
