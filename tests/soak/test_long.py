"""Many lives one after the other's end and one long live through steady faults: memory and descriptors stay level."""
import os
import re
import time
from pathlib import Path

from judge import checks, faults, verify
from judge import media as known_media
from judge.proxy import Cut, FaultProxy
from judge.weir import WHOLE

SECONDS = int(os.environ.get("WEIR_LIVE_SECONDS", "60"))


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) << 10


def test_a_long_live_through_steady_faults_stays_level(make_origin, recording):
    segments = known_media.media(SECONDS).segments
    origin = make_origin(segments, pace=0.25, window=80)
    for seq in range(110, 100 + len(segments), 10):
        origin.fault((faults.status(503), faults.reset(40_000), faults.cut(30_000), faults.status(403))[seq // 10 % 4], kind="segment", seq=seq, times=2)
    sizes, descriptors = [], []
    with FaultProxy(("127.0.0.1", origin.port)) as gate:
        gate.always = Cut(2_000_000)
        with recording.start(gate.url("/live.m3u8"), "--from-start") as weir:
            until = time.monotonic() + SECONDS + 120
            while weir.process.poll() is None and time.monotonic() < until:
                try:
                    sizes.append(resident(weir.process.pid))
                    descriptors.append(len(os.listdir(f"/proc/{weir.process.pid}/fd")))
                except (OSError, TypeError):
                    break
                time.sleep(0.25)
            weir.wait(120, WHOLE)
    checks.balanced(recording, origin, verify.gap_places(recording.ledger(WHOLE)), weir.story())
    third = len(sizes) // 3
    early, late = max(sizes[third // 2:third]), max(sizes[2 * third:])
    assert late - early < 8 << 20, f"memory grew from {early >> 20} to {late >> 20} MiB"
    assert max(descriptors[2 * third:]) <= max(descriptors[:third]) + 4
