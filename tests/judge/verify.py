"""The independent verifier: handed out = delivered + listed.

First verdict, without decoding: the access units of what was published, in order, against those of the recording; every one that
is missing must lie in a unit that the ledger (`weir verify --json`) lists as a gap. Second, for finished files: the frame numbers
and beeps that a decoder sees and hears.
"""
from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Sequence

from . import media
from .origin import Handed
from .units import AUDIO, VIDEO, AccessUnit, of_kind, read_units

HALF_FRAME = 0.5 / media.RATE


@dataclass
class Verdict:
    """What is wrong, in words; empty when nothing is."""

    unlisted: list[str] = field(default_factory=list)    # missing and not in the ledger
    foreign: list[str] = field(default_factory=list)     # delivered, never handed out, or twice, or out of order
    listed_in_vain: list[str] = field(default_factory=list)  # the ledger lists a gap, yet all of it is there
    times: list[str] = field(default_factory=list)       # dts not rising, sound and picture moved against each other
    missing: dict[tuple[int, int], int] = field(default_factory=dict)  # place -> units missing there

    def take(self, other: "Verdict") -> None:
        for name in ("unlisted", "foreign", "listed_in_vain", "times"):
            getattr(self, name).extend(getattr(other, name))
        for place, count in other.missing.items():
            self.missing[place] = self.missing.get(place, 0) + count

    def complaints(self) -> list[str]:
        return [f"{name}: {len(found)}, e.g. {found[:3]}" for name in ("unlisted", "foreign", "listed_in_vain", "times")
                if (found := getattr(self, name))]


@dataclass(frozen=True)
class Expected:
    unit: AccessUnit
    place: tuple[int, int]  # generation, media sequence
    order: int


def gap_places(ledger: dict, lane: int | None = None) -> set[tuple[int, int]]:
    """(generation counted from 0, media sequence) of every unit in the ledger's gaps, or in those of one lane. `first_gen`: as
    weir.ledger() adds it."""
    places, base = set(), ledger.get("first_gen", 0)
    for gap in ledger.get("gaps", []):
        if lane is None or gap.get("lane", 0) == lane:
            low, high = gap["u"]
            places |= {(gap.get("gen", base) - base, seq) for seq in range(low, high + 1)}
    return places


def delivery(truth: Sequence[Handed], delivered: Iterable[AccessUnit], gaps: set[tuple[int, int]], from_: tuple[int, int] | None = None,
             to: tuple[int, int] | None = None) -> Verdict:
    """Compares what was published from place `from_` to place `to` (both included) with what a recording holds. Where a short body
    was handed out as whole, its last unit of each kind is torn, and nobody's loss."""
    places = [(handed.gen, handed.seq) for handed in truth]
    part = truth[places.index(from_) if from_ else 0:places.index(to) + 1 if to else len(places)]
    verdict = delivery_of_lanes({VIDEO: part, AUDIO: part}, delivered, {VIDEO: gaps, AUDIO: gaps})
    in_vain = (gaps & {(handed.gen, handed.seq) for handed in part}) - verdict.missing.keys()
    verdict.listed_in_vain = [str(place) for place in sorted(in_vain)]
    return verdict


def delivery_of_lanes(truth: dict[str, Sequence[Handed]], delivered: Iterable[AccessUnit], gaps: dict[str, set]) -> Verdict:
    """As delivery(), with sound and pictures handed out apart: by kind, what was published and what the ledger lists."""
    delivered = list(delivered)
    verdict, shifts = Verdict(), {}
    for kind in (VIDEO, AUDIO):
        wanted = [Expected(unit, (handed.gen, handed.seq), order) for order, handed in enumerate(truth[kind])
                  for unit in _sound_units(handed, kind)]
        torn = {(handed.gen, handed.seq) for handed in truth[kind] if handed.torn}
        here = Verdict()
        shifts[kind] = _walk(wanted, of_kind(delivered, kind), gaps[kind], torn, here)
        in_vain = (gaps[kind] & {expected.place for expected in wanted}) - here.missing.keys()
        here.listed_in_vain += [f"{kind} {place}" for place in sorted(in_vain)]
        verdict.take(here)
    _compare_shifts(shifts, verdict)
    return verdict


def _sound_units(handed: Handed, kind: str) -> list[AccessUnit]:
    units = of_kind(handed.segment.units, kind)
    return units[:-1] if handed.torn else units


def _walk(wanted: list[Expected], got: list[AccessUnit], gaps: set, torn: set, verdict: Verdict) -> list[tuple[int, float]]:
    """Goes through both lists once; returns (order of its segment, shift in time) of each unit that was delivered."""
    where: dict[bytes, list[int]] = defaultdict(list)
    for i, expected in enumerate(wanted):
        where[expected.unit.digest].append(i)
    shifts, at, torn_at, last_dts = [], 0, set(), None
    for number, unit in enumerate(got):
        if last_dts is not None and unit.dts <= last_dts:
            verdict.times.append(f"{unit.kind} unit {number}: dts {unit.dts:.4f} after {last_dts:.4f}")
        last_dts = unit.dts
        spots = where.get(unit.digest, [])
        spot = bisect_left(spots, at)
        if spot == len(spots):
            # A unit cut in two at the edge of a listed gap is torn, not foreign: at most one a gap.
            near = {expected.place for expected in wanted[max(0, at - 1):at + 1]} & (gaps | torn)
            if near and not near & torn_at:
                torn_at |= near
            else:
                verdict.foreign.append(f"{unit.kind} unit {number} at {unit.dts:.3f}" + (" (again)" if spots else ""))
            continue
        _note_missing(wanted[at:spots[spot]], gaps, verdict)
        at = spots[spot] + 1
        shifts.append((wanted[at - 1].order, unit.pts - wanted[at - 1].unit.pts))
    _note_missing(wanted[at:], gaps, verdict)
    return shifts


def _note_missing(lost: list[Expected], gaps: set, verdict: Verdict) -> None:
    for expected in lost:
        verdict.missing[expected.place] = verdict.missing.get(expected.place, 0) + 1
        if expected.place not in gaps:
            verdict.unlisted.append(f"{expected.unit.kind} at {expected.unit.dts:.3f} of segment {expected.place}")


def _compare_shifts(shifts: dict[str, list], verdict: Verdict) -> None:
    """Inside each segment picture and sound must have moved by the same time, and all of it alike."""
    by_order: dict[int, dict[str, list[float]]] = defaultdict(lambda: {VIDEO: [], AUDIO: []})
    for kind, rows in shifts.items():
        for order, shift in rows:
            by_order[order][kind].append(shift)
    for order, both in by_order.items():
        for kind, found in both.items():
            if found and max(found) - min(found) > HALF_FRAME:
                verdict.times.append(f"{kind} moved by {max(found) - min(found):.3f} s inside published segment {order}")
        if both[VIDEO] and both[AUDIO] and abs(both[VIDEO][0] - both[AUDIO][0]) > HALF_FRAME:
            verdict.times.append(f"sound moved by {both[AUDIO][0] - both[VIDEO][0]:.3f} s against the picture in published segment {order}")


def same_units(source: list[AccessUnit], delivered: list[AccessUnit]) -> list[str]:
    """For real parts, where one stream goes in and a file comes out: every unit, in order, none twice. Complaints, if any."""
    found = []
    for kind in (VIDEO, AUDIO):
        want, got = of_kind(source, kind), of_kind(delivered, kind)
        if [u.digest for u in want] != [u.digest for u in got]:
            digests = {u.digest for u in got}
            absent = [f"{u.dts:.3f}" for u in want if u.digest not in digests]
            found.append(f"{kind}: {len(want)} units handed out, {len(got)} delivered, absent at {absent[:5]}{'…' if len(absent) > 5 else ''}")
        found += [f"{kind}: dts {b.dts:.4f} after {a.dts:.4f}" for a, b in zip(got, got[1:]) if b.dts <= a.dts][:3]
    if not found:
        moved = [d.pts - s.pts for k in (VIDEO, AUDIO) for s, d in zip(of_kind(source, k), of_kind(delivered, k))]
        if moved and max(moved) - min(moved) > 0.002:
            found.append(f"times moved unevenly, by {min(moved):.4f} to {max(moved):.4f} s")
    return found


def decoded(path: Path, numbers: Iterable[int]) -> list[str]:
    """A finished file as a viewer meets it: exactly these frame numbers, and a beep where each whole second of the picture starts."""
    numbers, found = list(numbers), []
    shown = media.shown_numbers(path)
    if shown != numbers:
        wrong = next((i for i, (a, b) in enumerate(zip(shown, numbers)) if a != b), min(len(shown), len(numbers)))
        found.append(f"{len(shown)} frames shown, {len(numbers)} wanted; first difference at {wrong}: {shown[wrong:wrong + 3]}")
    pictures = of_kind(read_units(path), VIDEO)
    if len(pictures) != len(shown):
        return found + [f"{len(pictures)} pictures in the file, {len(shown)} shown"]
    when = dict(zip(shown, sorted(unit.pts for unit in pictures)))
    beeps = media.beep_times(path)
    wanted = [when[number] for number in shown if number % media.RATE == 0]
    for second in wanted[1:-1]:  # at the edges a beep may be cut
        if not any(abs(beep - second) < HALF_FRAME for beep in beeps):
            found.append(f"no beep with the frame at {second:.3f} s")
    if len(beeps) > len(wanted) + 1:
        found.append(f"{len(beeps)} beeps for {len(wanted)} seconds")
    return found
