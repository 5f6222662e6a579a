"""Long lives through steady faults: memory and descriptors stay level, and nothing is lost unlisted."""
import os
import re
import time
from pathlib import Path

from judge import checks, faults, packages, verify
from judge import media as known_media
from judge.form_origin import FormOrigin
from judge.proxy import Cut, FaultProxy
from judge.units import AUDIO, VIDEO, read_units
from judge.weir import WHOLE

SECONDS = int(os.environ.get("WEIR_LIVE_SECONDS", "60"))


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) << 10


def record_through_faults(origin, recording, entry, count):
    """The run, and what it held in memory and descriptors, four times a second."""
    for seq in range(110, 100 + count, 10):
        act = (faults.status(503), faults.reset(40_000), faults.cut(30_000), faults.status(403))[seq // 10 % 4]
        origin.fault(act, kind="segment", seq=seq, times=2)
    sizes, descriptors = [], []
    with FaultProxy(("127.0.0.1", origin.port)) as gate:
        gate.always = Cut(2_000_000)
        with recording.start(gate.url(entry), "--from-start") as weir:
            until = time.monotonic() + SECONDS + 120
            while weir.process.poll() is None and time.monotonic() < until:
                try:
                    sizes.append(resident(weir.process.pid))
                    descriptors.append(len(os.listdir(f"/proc/{weir.process.pid}/fd")))
                except (OSError, TypeError):
                    break
                time.sleep(0.25)
            weir.wait(120, WHOLE)
    return weir, sizes, descriptors


def stays_level(sizes, descriptors):
    third = len(sizes) // 3
    early, late = max(sizes[third // 2:third]), max(sizes[2 * third:])
    assert late - early < 8 << 20, f"memory grew from {early >> 20} to {late >> 20} MiB"
    assert max(descriptors[2 * third:]) <= max(descriptors[:third]) + 4


def test_a_long_live_through_steady_faults_stays_level(make_origin, recording):
    segments = known_media.media(SECONDS).segments
    origin = make_origin(segments, pace=0.25, window=80)
    weir, sizes, descriptors = record_through_faults(origin, recording, "/live.m3u8", len(segments))
    checks.balanced(recording, origin, verify.gap_places(recording.ledger(WHOLE)), weir.story())
    stays_level(sizes, descriptors)


def test_a_long_live_of_fmp4_with_sound_apart_stays_level(recording):
    package = packages.fmp4_with_audio(known_media.media(SECONDS))
    with FormOrigin(package, pace=0.25, window=80) as origin:
        weir, sizes, descriptors = record_through_faults(origin, recording, "/master.m3u8", len(package.pictures))
        assert recording.ledger(WHOLE)["gaps"] == []
        complaints = verify.delivery_of_lanes(origin.truth_by_kind(), read_units(recording.file), {VIDEO: set(), AUDIO: set()}).complaints()
    assert complaints == [], f"{complaints}\n{weir.story()}"
    stays_level(sizes, descriptors)
