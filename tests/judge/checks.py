"""The one check every recording scenario ends with."""
from __future__ import annotations

from typing import Optional

from . import verify
from .form_origin import PICTURES, FormOrigin
from .origin import Origin
from .units import AUDIO, VIDEO, read_units
from .weir import LOSSES, WHOLE, Recording, Weir

Place = tuple[int, int]


def exact(recording: Recording, origin: Origin, weir: Optional[Weir], *, lost: set[Place] = frozenset(), from_: Optional[Place] = None,
          to: Optional[Place] = None) -> dict:
    """handed out = delivered + listed, and the ledger lists exactly `lost`; the summary agrees; nothing else lies in the folder."""
    story = weir.story() if weir else ""
    ledger = recording.ledger(LOSSES if lost else WHOLE)
    listed = verify.gap_places(ledger)
    assert listed == set(lost), f"the ledger lists {sorted(listed)}, lost were {sorted(lost)}\n{story}"
    balanced(recording, origin, listed, story, from_, to)
    if weir:
        segments = weir.summary()["segments"]
        assert segments["asked"] == segments["got"] + segments["missing"] and segments["missing"] == len(lost), story
        assert weir.peak_descriptors < 64, f"{weir.peak_descriptors} descriptors\n{story}"
    assert recording.others() == [], story
    return ledger


def balanced(recording: Recording, origin: Origin, listed: set[Place], story: str = "", from_: Optional[Place] = None,
             to: Optional[Place] = None) -> verify.Verdict:
    """handed out = delivered + listed, whatever is listed."""
    verdict = verify.delivery(origin.truth(), read_units(recording.file), listed, from_, to)
    assert verdict.complaints() == [], f"{verdict.complaints()}\n{story}"
    return verdict


def exact_in_lanes(recording: Recording, origin: FormOrigin, weir: Optional[Weir], *, lost: dict[str, set[int]] = {}) -> dict:
    """As exact(), where sound may be a lane of its own: `lost` names, by lane, the sequence numbers that the ledger has to list."""
    story = weir.story() if weir else ""
    ledger = recording.ledger(LOSSES if lost else WHOLE)
    gaps = {lane: verify.gap_places(ledger, number) for number, lane in enumerate(origin.lanes())}
    assert gaps == {lane: {(0, seq) for seq in lost.get(lane, ())} for lane in origin.lanes()}, f"{ledger['gaps']}\n{story}"
    units = read_units(recording.file)
    by_kind = {VIDEO: gaps[PICTURES], AUDIO: gaps[origin.lanes()[-1]]}
    complaints = verify.delivery_of_lanes(origin.truth_by_kind(), units, by_kind).complaints()
    assert complaints == [], f"{complaints}\n{story}"
    if weir:
        segments = weir.summary()["segments"]
        assert segments["asked"] == segments["got"] + segments["missing"] and segments["missing"] == sum(map(len, lost.values())), story
        assert weir.peak_descriptors < 64, f"{weir.peak_descriptors} descriptors\n{story}"
    assert recording.others() == [], story
    return ledger
