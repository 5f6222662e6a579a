"""The judge of relays is judged: numbered packets that were lost, torn, repeated or mixed up are noticed, and what is allowed is not."""
import pytest

from judge.relay_load import PACKET, Checker, Numbered, number_of

STREAM = Numbered(frames=16, packets=16)
GROUP = STREAM.per_group
TABLES = STREAM.part(0, 2)


def check(*messages):
    checker = Checker(STREAM)
    for message in messages:
        checker.message(message)
    return checker


def test_each_packet_has_its_number_and_parts_of_the_stream_are_the_same_whoever_makes_them():
    whole = STREAM.part(0, 3 * GROUP)
    assert [number_of(whole, i * PACKET) for i in range(3 * GROUP)] == list(range(3 * GROUP))
    assert b"".join(STREAM.frame(i) for i in range(48)) == whole and STREAM.end_of_frames(48) == 3 * GROUP
    assert Numbered(frames=16, packets=16).part(700, 100) == STREAM.part(700, 100) != Numbered(frames=16, packets=16, seed=1).part(700, 100)
    assert all(whole[i] == 0x47 for i in range(0, len(whole), PACKET)) and b"\x00\x00\x01" not in whole[5 * PACKET:18 * PACKET]


ALLOWED = {
    "all of it": ([STREAM.part(0, 100), STREAM.part(100, 1000)], []), "from a later group on": ([STREAM.part(GROUP, 10)], []),
    "a skip to a key frame": ([STREAM.part(0, 100), STREAM.part(3 * GROUP, 10)], [(100, 3 * GROUP)]),
    "tables told again after a skip": ([STREAM.part(0, 100), TABLES + STREAM.part(2 * GROUP, 10)], [(100, 2 * GROUP)]),
    "older tables, then the group without its own": ([STREAM.part(0, 100), TABLES + STREAM.part(2 * GROUP + 2, 10)], [(100, 2 * GROUP + 2)]),
    "tables first": ([TABLES, STREAM.part(4 * GROUP, 50)], []), "two skips": ([STREAM.part(0, 9), STREAM.part(GROUP, 9), STREAM.part(2 * GROUP, 9)], [(9, GROUP), (GROUP + 9, 2 * GROUP)]),
}


@pytest.mark.parametrize("kind", ALLOWED)
def test_what_a_receiver_may_get_passes_and_its_gaps_are_listed(kind):
    messages, gaps = ALLOWED[kind]
    checker = check(*messages)
    assert checker.gaps == gaps
    if gaps:
        with pytest.raises(AssertionError):
            checker.assert_whole()


def torn(at):
    data = bytearray(STREAM.part(0, 50))
    data[at] ^= 1
    return bytes(data)


WRONG = {
    "a packet lost": [STREAM.part(0, 50), STREAM.part(51, 50)], "a packet twice": [STREAM.part(0, 50), STREAM.part(49, 50)], "the order changed": [STREAM.part(50, 10), STREAM.part(40, 10)],
    "begun within a group": [STREAM.part(5, 50)], "went on within a group": [STREAM.part(0, 50), STREAM.part(GROUP + 20, 50)], "an older group": [STREAM.part(GROUP, 50), STREAM.part(0, 50)],
    "half a packet": [STREAM.part(0, 50)[:-1]], "a bit in the middle": [torn(20 * PACKET + 100)], "a bit in the tables": [torn(60)], "a bit in the head": [torn(30 * PACKET + 1)],
    "another stream": [Numbered(frames=16, packets=16, seed=1).part(0, 50)], "torn inside one message": [STREAM.part(0, 20) + STREAM.part(22, 20)], "nothing": [b""],
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_no_receiver_may_get_is_noticed(kind):
    with pytest.raises(AssertionError):
        check(*WRONG[kind])
