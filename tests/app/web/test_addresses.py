"""What the page asked for is not forgotten where a script starts."""

from __future__ import annotations

import inspect

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from app.web.addresses import keep_addresses


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> ForwardMsgQueue:
    """A drawing, two addresses and the end of a script, in the queue of a server that keeps addresses."""
    monkeypatch.setattr(ForwardMsgQueue, "clear", inspect.unwrap(ForwardMsgQueue.clear))
    keep_addresses()
    queue = ForwardMsgQueue()
    drawing, address, download, end = (ForwardMsg() for _ in range(4))
    drawing.delta.new_element.text.body = "a face"
    drawing.metadata.delta_path.append(0)
    address.file_urls_response.response_id = "question 1"
    download.backend_operation_response.request_id = "question 2"
    end.script_finished = ForwardMsg.FINISHED_SUCCESSFULLY
    for message in (drawing, address, download, end):
        queue.enqueue(message)
    return queue


def kinds(messages: list[ForwardMsg]) -> list[str | None]:
    return [message.WhichOneof("type") for message in messages]


@pytest.mark.parametrize("fragments", [None, ["a part of the page"]])
def test_an_address_outlives_the_start_of_a_script(queue: ForwardMsgQueue, fragments: list[str] | None) -> None:
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=fragments)
    sent = queue.flush()
    assert [one.file_urls_response.response_id for one in sent if one.HasField("file_urls_response")] == ["question 1"]
    made = [one.backend_operation_response for one in sent if one.HasField("backend_operation_response")]
    assert [one.request_id for one in made] == ["question 2"]


def test_drawings_of_the_run_before_are_still_dropped(queue: ForwardMsgQueue) -> None:
    queue.clear(retain_lifecycle_msgs=True)
    kept = ["backend_operation_response", "file_urls_response", "script_finished"]
    assert sorted(map(str, kinds(queue.flush()))) == kept


def test_what_was_sent_is_not_sent_again(queue: ForwardMsgQueue) -> None:
    assert kinds(queue.flush()) == ["delta", "file_urls_response", "backend_operation_response", "script_finished"]
    assert queue.is_empty()
    queue.clear(retain_lifecycle_msgs=True)
    assert queue.is_empty()


def test_drawings_that_follow_find_their_place(queue: ForwardMsgQueue) -> None:
    """Streamlit replaces a drawing that waits by its place in the queue: nothing else may stand there."""
    queue.clear(retain_lifecycle_msgs=True)
    for text in ("first", "second"):
        drawing = ForwardMsg()
        drawing.delta.new_element.text.body = text
        drawing.metadata.delta_path.append(0)
        queue.enqueue(drawing)
    sent = queue.flush()
    assert [message.delta.new_element.text.body for message in sent if message.HasField("delta")] == ["second"]
    assert sum(message.HasField("file_urls_response") for message in sent) == 1


def test_calling_it_twice_wraps_once(queue: ForwardMsgQueue) -> None:
    once = ForwardMsgQueue.clear
    keep_addresses()
    assert ForwardMsgQueue.clear is once
