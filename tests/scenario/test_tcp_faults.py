"""F1 of the test matrix against the HLS follower: connections that break in every way, through the fault proxy."""
import pytest

from judge import checks
from judge.proxy import Cut, FaultProxy, Good, HalfOpen, Reset, Slice, Stall, Trickle
from judge.weir import WHOLE, seeded, wait_until

PATIENCE = 180


def record_through(origin, recording, *plans, always=Good(), seconds=PATIENCE):
    """The first connection, which reads the playlist, is good for the playlist only."""
    with FaultProxy(("127.0.0.1", origin.port)) as gate:
        gate.script(Cut(1400), *plans)
        gate.always = always
        weir = recording.download(gate.url("/live.m3u8"), "--from-start", seconds=seconds)
        assert len(gate.used) > len(plans), "not every plan was met by a connection"
    return weir


PLANS = [Reset(), Reset(100), Reset(30_000), Stall(), Stall(90), Stall(30_000), HalfOpen(), HalfOpen(30_000), Cut(0), Cut(1), Cut(90),
         Cut(30_000), Trickle(1)]


@pytest.mark.parametrize("plan", PLANS, ids=repr)
def test_F1_FC2_63_broken_connections_lose_nothing(make_origin, recording, plan):
    origin = make_origin(window=100)
    weir = record_through(origin, recording, plan, Cut(150_000), plan)
    checks.exact(recording, origin, weir)


def test_F1_every_connection_ends_after_a_quarter_megabyte(make_origin, recording, media):
    origin = make_origin(media.segments[:40], window=100)
    weir = record_through(origin, recording, always=Cut(250_000))
    checks.exact(recording, origin, weir)


def test_F1_cut_at_many_offsets_of_an_answer_head(make_origin, recording):
    origin = make_origin(window=100)
    rng = seeded("head offsets")
    plans = [plan for offset in sorted(rng.sample(range(1, 110), 10)) for plan in (Cut(offset), Cut(160_000))]
    weir = record_through(origin, recording, *plans, always=Cut(200_000))
    checks.exact(recording, origin, weir)


def test_F1_tiny_slices_are_put_together(make_origin, recording, media):
    origin = make_origin(media.segments[:6], window=100)
    weir = record_through(origin, recording, always=Slice(most=700))
    checks.exact(recording, origin, weir)


def test_F1_refused_for_some_seconds(make_origin, recording):
    origin = make_origin(window=100)
    with FaultProxy(("127.0.0.1", origin.port)) as gate:
        gate.always = Cut(250_000)
        with recording.start(gate.url("/live.m3u8"), "--from-start") as weir:
            wait_until(lambda: origin.published() >= 6, 30, "the live")
            gate.refuse()
            wait_until(lambda: origin.published() == 20, 30, "the live to be over")
            gate.accept_again()
            weir.wait(60, WHOLE)
    checks.exact(recording, origin, weir)
