"""The one check every recording scenario ends with."""
from __future__ import annotations

from typing import Optional

from . import verify
from .origin import Origin
from .units import read_units
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
