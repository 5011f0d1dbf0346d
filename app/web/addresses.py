"""Keeps what the page asked for from being lost where a script starts at the same moment."""

from __future__ import annotations

import functools
from collections.abc import Callable

from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

_Clear = Callable[..., None]
#: Answers to a question of the page. No run of a script says them again: only whoever asks again would get another one.
_ANSWERS = frozenset({"file_urls_response", "backend_operation_response"})


def keep_addresses() -> None:
    """Lets an answer survive the start of a script: where a file goes, and where one that was asked for lies.

    Before it sends a file, the page asks the server for an address; it asks for another one where a file is only made
    when somebody downloads it. Streamlit, up to 1.67 at least, throws either answer away where a script starts before
    it was sent (`ForwardMsgQueue.clear` keeps other messages that are no drawing): the page then waits, for an upload
    for ever, and shows nothing. Who hands over two photos one after the other loses the second, the more easily the
    busier the machine is. Calling this again changes nothing.
    """
    if not hasattr(ForwardMsgQueue.clear, "__wrapped__"):
        ForwardMsgQueue.clear = _keeping(ForwardMsgQueue.clear)  # type: ignore[method-assign]


def _keeping(clear: _Clear) -> _Clear:
    @functools.wraps(clear)
    def keeping(
        queue: ForwardMsgQueue, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None
    ) -> None:
        before = list(queue._queue)
        clear(queue, retain_lifecycle_msgs, fragment_ids_this_run)
        if not retain_lifecycle_msgs:  # everything was sent
            return
        kept = {id(message) for message in queue._queue}
        answers = (message for message in before if message.WhichOneof("type") in _ANSWERS)
        queue._queue += [answer for answer in answers if id(answer) not in kept]

    return keeping
