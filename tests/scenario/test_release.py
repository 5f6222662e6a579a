"""The binary people get is hardened. WEIR_RELEASE_BIN names it; without one there is nothing to look at."""
import os
import re
import subprocess

import pytest

BINARY = os.environ.get("WEIR_RELEASE_BIN", "")
pytestmark = pytest.mark.skipif(not BINARY, reason="no WEIR_RELEASE_BIN: not a release build")


def readelf(*options):
    return subprocess.run(["readelf", "-W", *options, BINARY], capture_output=True, text=True, check=True).stdout


def test_position_independent():
    assert re.search(r"Type:\s+DYN", readelf("-h")) and re.search(r"FLAGS_1.*\bPIE\b", readelf("-d"))


def test_relocations_are_read_only_and_bound_at_start():
    assert "GNU_RELRO" in readelf("-l") and re.search(r"BIND_NOW|FLAGS.*\bNOW\b", readelf("-d"))


def test_the_stack_is_guarded_and_not_executable():
    assert "__stack_chk_fail" in readelf("-s", "--dyn-syms")
    assert not re.search(r"GNU_STACK.*RWE", readelf("-l"))


def test_library_calls_are_fortified():
    assert re.search(r"__\w+_chk\b(?!_fail)", readelf("--dyn-syms").replace("__stack_chk_fail", ""))


def test_no_path_of_the_builder_is_searched_at_run_time():
    assert not re.search(r"\(R(UN)?PATH\)", readelf("-d"))


def test_libav_is_loaded_by_the_media_tool_alone():
    """Its hundred libraries would cost every process 25 MB (docs/decisions/0009)."""
    assert not re.search(r"NEEDED.*libav", readelf("-d"))
    versions = subprocess.run([BINARY, "version"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"libavformat\s+\d+\.", versions)


def test_profilers_are_loaded_when_somebody_wants_them():
    """The relay has 25 MB for 500 viewers (docs/decisions/0010)."""
    assert not re.search(r"NEEDED.*lib(jemalloc|profiler|dw|unwind)", readelf("-d"))
