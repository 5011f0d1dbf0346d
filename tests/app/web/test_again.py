"""A page that draws itself anew does not swallow what somebody has clicked meanwhile."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest


def page(clicked: bool) -> None:
    import streamlit as st
    from streamlit.runtime.scriptrunner import get_script_run_ctx
    from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

    from app.web.state import again

    if "drawn" not in st.session_state:
        st.session_state["drawn"] = True
        context = get_script_run_ctx()
        assert context is not None
        assert context.script_requests is not None
        if clicked:  # what a click in the navigation asks for, while the script is under way
            context.script_requests.request_rerun(RerunData(query_string="to=gallery"))
        again()
    st.text(st.query_params.get("to", "here"))


@pytest.mark.parametrize(("clicked", "where"), [(True, "gallery"), (False, "here")])
def test_a_click_that_waits_goes_first(clicked: bool, where: str) -> None:
    at = AppTest.from_function(page, args=(clicked,), default_timeout=30).run()
    assert not at.exception
    assert [text.value for text in at.text] == [where]
