"""Pages opened by name, and the component of Identify, as its script in the browser sees it."""

import json

from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from model.settings import ROOT


def open_page(name="identify", **query):
    """Open a page; ``query`` is that of the app's address before."""
    at = AppTest.from_file(ROOT / "ui" / "frame.py", default_timeout=60)
    at.query_params.update(query)
    at.run()
    if name != "identify":
        at.switch_page(f"../pages/{name}.py").run()
    assert not at.exception
    return at


def mounted(at):
    (found,) = at.get("bidi_component")
    return found.proto


def data(at):
    """Return what the component was given."""
    return json.loads(mounted(at).json)


def trigger(at, **events):
    """Run the script as the browser does when the component sets triggers."""
    states, first = at._tree.get_widget_states(), at.get("bidi_component")[0].proto.id
    trigger = WidgetState(id=f"$$STREAMLIT_INTERNAL_KEY_{first}__events")
    trigger.json_trigger_value = json.dumps(
        [{"event": name, "value": value} for name, value in events.items()]
    )
    states.widgets.append(trigger)
    at._run(states)
    assert not at.exception
    return at
