"""A network of our own for one test: its loopback can carry public addresses, and nothing in it reaches the world. Root only."""
from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from typing import Callable

CLONE_NEWNET = 0x40000000
PUBLIC = "93.184.215.14"  # any public address will do: inside, it is ours


def possible() -> bool:
    return os.geteuid() == 0 and _try_unshare()


def _try_unshare() -> bool:
    answer: list[bool] = []

    def attempt() -> None:
        answer.append(ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return answer == [True]


def within(test: Callable[[], None]) -> None:
    """Runs `test` in a thread of its own, in a new network namespace; threads and processes it starts are there too."""
    failure: list[BaseException] = []

    def body() -> None:
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            subprocess.run(["ip", "address", "add", f"{PUBLIC}/32", "dev", "lo"], check=True)
            test()
        except BaseException as error:  # handed to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
