"""Free unprivileged ports on loopback, below the range from which the kernel takes those of outgoing connections.

Each process has a block of ports to itself, so that tests of several processes, runs and checkouts never meet: it holds
a lock on the block's file in /tmp until it ends.
"""

import fcntl
import os
import socket

_FIRST, _LAST, _BLOCK = 20000, 32000, 200
_block = None  # (first port, the locked file)
_next = 0


def _is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


def _take_block():
    count = (_LAST - _FIRST) // _BLOCK
    for attempt in range(count):
        number = (os.getpid() + attempt) % count
        path = f"/tmp/posthouse-ports-{number}"
        try:
            file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except PermissionError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            continue
        return _FIRST + number * _BLOCK, file
    raise RuntimeError("no free block of ports")


def free_port():
    global _block, _next
    if _block is None:
        _block = _take_block()
    for _ in range(_BLOCK):
        port = _block[0] + _next
        _next = (_next + 1) % _BLOCK
        if _is_free(port):
            return port
    raise RuntimeError("no free port in the block of this process")
