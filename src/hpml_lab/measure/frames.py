"""The frames that an error passed through, and all that they keep alive."""

import traceback


def clear_frames(error: BaseException) -> None:
    """Empties the frames that an error, and those behind it, passed through.

    Who keeps the error (a debugger, a logger) would else keep every tensor of the step.
    """
    waiting = [error]
    while waiting:
        found = waiting.pop()
        traceback.clear_frames(found.__traceback__)
        found.__traceback__ = None
        # An error may be behind itself; those that are done have no traceback any more.
        behind = (found.__cause__, found.__context__)
        waiting += [other for other in behind if other and other.__traceback__]
