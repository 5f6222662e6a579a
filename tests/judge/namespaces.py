"""A network or a set of mounts of our own for one test. Root only.

    if namespaces.possible(): namespaces.within(test, network=True)
"""
from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from pathlib import Path
from typing import Callable

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
PUBLIC = "93.184.215.14"  # any public address will do: inside, it is ours


def _unshare(flags: int) -> bool:
    return ctypes.CDLL(None, use_errno=True).unshare(flags) == 0


def _private_mounts() -> bool:
    """False in a chroot, whose root is no mount of its own."""
    return subprocess.run(["mount", "--make-rprivate", "/"], stderr=subprocess.DEVNULL).returncode == 0


def possible() -> bool:
    """Tried in a thread that ends at once."""
    answer: list[bool] = []
    thread = threading.Thread(target=lambda: answer.append(os.geteuid() == 0 and _unshare(CLONE_NEWNS | CLONE_NEWNET) and _private_mounts()))
    thread.start()
    thread.join()
    return answer == [True]


def within(test: Callable[[], None], network: bool = False, mounts: bool = False) -> None:
    """Runs `test` in a thread of its own; it, the threads and the processes it starts see a network where loopback carries PUBLIC and
    nothing reaches the world, or mounts that nobody else sees."""
    failure: list[BaseException] = []

    def body() -> None:
        try:
            if not _unshare((CLONE_NEWNET if network else 0) | (CLONE_NEWNS if mounts else 0)):
                raise OSError(ctypes.get_errno(), "unshare")
            if network:
                subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
                subprocess.run(["ip", "address", "add", f"{PUBLIC}/32", "dev", "lo"], check=True)
            if mounts and not _private_mounts():
                raise OSError("mount --make-rprivate / failed")
            test()
        except BaseException as error:  # handed to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def mount_tmpfs(folder: Path, megabytes: int) -> None:
    """Only inside within(mounts=True)."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=777", "none", str(folder)], check=True)
