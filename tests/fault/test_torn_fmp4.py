"""An fMP4 recording that ends anywhere in its bytes: inside the header, a moof, an mdat, or between two fragments.

One recording is killed; copies of it are cut at 50 places, as a machine that died there would have left them: the raw file ends at
that byte, and the journal says nothing of what comes later. The same command must then go on: whole fragments before the cut are
kept, the rest is fetched again while the origin has it, else listed; `weir verify` never finds damage.
"""
import json
import shutil
import subprocess

import pytest

from judge import checks, fragments, packages, verify
from judge import media as known_media
from judge.faults import edited
from judge.form_origin import FormOrigin
from judge.units import AUDIO, VIDEO, boxes, read_units
from judge.weir import LOSSES, WHOLE, Recording, kill_at_bytes, seeded

CUTS, SEGMENTS, KILLED_AT = 50, 20, 900_000
PLACES = ("header", "moof", "mdat", "between", "before")
SHARES = 5  # the cuts are made in so many tests, each with its own places


class Template:
    """The recording that was killed, and its only raw file."""

    def __init__(self, folder, weir_run):
        self.folder = folder
        recording = Recording(folder)
        self.raw = max(recording.raw(), key=lambda path: path.stat().st_size)
        self.data = self.raw.read_bytes()
        self.journal = recording.journal.read_bytes().splitlines(keepends=True)
        self.header, _ = fragments.split_header(self.data)
        self.fragments = fragments.fragments(self.data)
        assert self.header and len(self.fragments) > 10, weir_run.story()

    def copy(self, folder, cut, with_journal):
        shutil.copytree(self.folder, folder)
        with open(folder / self.raw.name, "r+b") as raw:
            raw.truncate(cut)
        if with_journal:
            Recording(folder).journal.write_bytes(b"".join(self.journal_until(cut)))
        return Recording(folder)

    def journal_until(self, cut):
        """The lines that were written before the raw file had more than `cut` bytes."""
        number, kept = next(row["f"] for row in map(json.loads, self.journal) if row.get("path") == self.raw.name), []
        for line in self.journal:
            row = json.loads(line)
            if row.get("f") == number and row["k"] != "raw" and row.get("off", 0) + row.get("n", 0) > cut:
                break
            kept.append(line)
        return kept

    def units_before(self, cut):
        return fragments.read_fragments(self.header, self.data[len(self.header):cut]) if cut > len(self.header) else []


@pytest.fixture(scope="module")
def source():
    return packages.fmp4_in_small_fragments(known_media.media(60)).part(0, SEGMENTS)


@pytest.fixture(scope="module")
def origin(source):
    with FormOrigin(source, pace=0.15, window=1000) as made:
        yield made


@pytest.fixture(scope="module")
def template(origin, tmp_path_factory):
    """Killed before the live is over; then the live goes on to its end."""
    folder = tmp_path_factory.mktemp("template")
    recording = Recording(folder)
    with recording.start(origin.url, "--from-start") as weir:
        assert kill_at_bytes(weir, recording, KILLED_AT, 60), weir.story()
    origin.skip(SEGMENTS)
    assert origin.published() == SEGMENTS
    return Template(folder, weir)


def cuts_of(template, rng, count):
    """(kind of place, byte), as many of each kind as of the others."""
    found = []
    for i in range(count):
        fragment, place = rng.choice(template.fragments[1:]), PLACES[i % len(PLACES)]
        spans = {"header": (0, len(template.header)), "moof": (fragment.moof[0] + 1, fragment.moof[1] - 1),
                 "mdat": (fragment.mdat + 1, fragment.end - 1), "between": (fragment.end, fragment.end),
                 "before": (fragment.start + 1, fragment.moof[0])}  # styp and sidx that stand before the moof
        found.append((place, rng.randint(*spans[place])))
    return found


def opens(path):
    seen = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", str(path)], capture_output=True,
                          text=True)
    return seen.returncode == 0 and not seen.stderr and sorted(seen.stdout.split()) == ["audio", "video"]


def holds(recording, wanted):
    kept = {unit.digest for unit in read_units(recording.file)}
    return [f"{unit.kind} at {unit.dts:.3f}" for unit in wanted if unit.digest not in kept]


@pytest.mark.parametrize("share", range(SHARES))
def test_the_rest_is_fetched_again_while_the_origin_has_it(origin, template, tmp_path, share):
    origin.window = 1000
    for place, cut in cuts_of(template, seeded(f"torn open {share}"), CUTS // 2 // SHARES):
        recording = template.copy(tmp_path / f"{place}-{cut}", cut, with_journal=True)
        weir = recording.download(origin.url, "--from-start")
        story = f"cut at {cut} ({place})\n{weir.story()}"
        recording.ledger(WHOLE)
        assert holds(recording, template.units_before(cut)) == [], story
        checks.balanced(recording, origin, set(), story)
        assert recording.others() == [] and opens(recording.file), story


@pytest.mark.parametrize("share", range(SHARES))
def test_what_is_gone_is_listed_and_every_whole_fragment_is_kept(origin, template, tmp_path, share):
    origin.window = 6
    still_live = edited(lambda text: text.replace("#EXT-X-ENDLIST\n", ""))  # a finished playlist that begins later is another stream
    for place, cut in cuts_of(template, seeded(f"torn gone {share}"), CUTS // 2 // SHARES):
        recording = template.copy(tmp_path / f"{place}-{cut}", cut, with_journal=True)
        origin.fault(still_live, kind="playlist")
        weir = recording.download(origin.url, "--from-start")
        story = f"cut at {cut} ({place})\n{weir.story()}"
        kept = template.units_before(cut)
        if not kept:  # there was nothing to go on from: a recording of what the window has
            recording.ledger(WHOLE)
            checks.balanced(recording, origin, set(), story, from_=(0, 100 + SEGMENTS - 6))
            continue
        ledger = recording.ledger(LOSSES)
        gaps = verify.gap_places(ledger)
        assert holds(recording, kept) == [], story
        checks.balanced(recording, origin, gaps, story)
        lost = {(0, seq) for seq in range(100, 100 + SEGMENTS - 6)}
        assert gaps <= lost and max(gaps) == max(lost), f"{sorted(gaps)}\n{story}"
        assert recording.others() == [] and opens(recording.file), story


def test_a_raw_file_shorter_than_its_journal_promised_is_no_damage_either(origin, template, tmp_path):
    """A disk that forgot what it had said was safe: the journal is whole, the raw file is not."""
    origin.window = 1000
    for place, cut in cuts_of(template, seeded("torn promised"), 5):
        recording = template.copy(tmp_path / f"{place}-{cut}", cut, with_journal=False)
        weir = recording.download(origin.url, "--from-start")
        story = f"cut at {cut} ({place})\n{weir.story()}"
        gaps = verify.gap_places(recording.ledger(None))
        assert verify.delivery_of_lanes(origin.truth_by_kind(), read_units(recording.file), {VIDEO: gaps, AUDIO: gaps}).complaints() == [], story
        assert opens(recording.file), story


def test_every_place_of_the_cuts_is_met(template):
    rng = seeded("places")
    for place, cut in cuts_of(template, rng, 30):
        whole = [end for _, _, end in boxes(template.data[:template.fragments[-1].end])]
        assert (cut in whole) == (place == "between") or place in ("before", "header")
