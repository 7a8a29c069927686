"""Waiting for a condition with a deadline: the only place that lets time pass."""

import time


class NeverHappened(AssertionError):
    pass


def until(condition, what, seconds=20.0, interval=0.02):
    """Calls `condition` until it returns something true, and returns that.

    `what` completes the sentence "... did not happen in N s"; it may be a function, which is then asked at the end.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise NeverHappened(f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(interval)
