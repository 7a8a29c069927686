"""Free unprivileged ports on loopback, below the range from which the kernel takes those of outgoing connections."""

import os
import socket

_FIRST, _LAST = 20000, 32000
_next = _FIRST + (os.getpid() * 97) % (_LAST - _FIRST)


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


def free_port():
    global _next
    for _ in range(_LAST - _FIRST):
        _next = _FIRST + (_next + 1 - _FIRST) % (_LAST - _FIRST)
        if _is_free(_next):
            return _next
    raise RuntimeError("no free port")
