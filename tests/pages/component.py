"""The component of the Identify page, as its script in the browser sees it."""

import json

from streamlit.proto.WidgetStates_pb2 import WidgetState


def mounted(at):
    (found,) = at.get("bidi_component")
    return found.proto


def data(at):
    """Return what the component was given."""
    return json.loads(mounted(at).json)


def send(at, *, failed=None, **messages):
    """Run the script as the browser does when the component sends messages."""
    heard = data(at)["heard"]
    listed = [
        {"id": number, "name": name, "value": value}
        for number, (name, value) in enumerate(messages.items(), heard + 1)
    ]
    return trigger(at, **({"failed": failed} if failed else {"messages": listed}))


def trigger(at, **events):
    """Run the script as the browser does when the component sets triggers."""
    states = at._tree.get_widget_states()
    trigger = WidgetState(id=f"$$STREAMLIT_INTERNAL_KEY_{mounted(at).id}__events")
    trigger.json_trigger_value = json.dumps(
        [{"event": name, "value": value} for name, value in events.items()]
    )
    states.widgets.append(trigger)
    at._run(states)
    assert not at.exception
    return at


def shown_answer(at):
    """Return the answer that the component shows: of a photo, or of a link."""
    given = data(at)
    return (given["upload"] or given["shared"])["answer"]


def text(phrase):
    """Return a phrase, which is a list of text and labels, as plain text."""
    return "".join(part if isinstance(part, str) else part["label"] for part in phrase)
