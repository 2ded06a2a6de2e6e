"""Controls that take their keys in the order in which they were pressed.

Textual hands a key to the widget that has the focus when the key arrives, inserts a letter at once, and looks
for the binding of any other key only after it has gone up through all parents. Of keys that arrive together, as
over a slow line, a backspace would come after the letters typed behind it, and letters would reach the field
before.
"""

from __future__ import annotations

from textual import events
from textual.widget import Widget
from textual.widgets import Input, Switch


async def take_key(control: Widget, event: events.Key, letters: bool) -> None:
    """Act on a key at once, or hand it to the widget that has the focus by now.

    Args:
        control: the widget that received the key.
        event: the key; it goes no further where something was done.
        letters: whether the control itself makes use of letters.
    """
    focused = control.screen.focused
    if focused is not None and focused is not control:
        event.stop()
        event.prevent_default()
        focused.post_message(events.Key(event.key, event.character))
        return
    if letters and event.is_printable:
        return
    for node in control.ancestors_with_self:
        for binding in node._bindings.key_to_bindings.get(event.key, ()):
            if await control.app.run_action(binding.action, node):
                event.stop()
                event.prevent_default()
                return


class TextInput(Input):
    """A line of text."""

    async def on_key(self, event: events.Key) -> None:
        await take_key(self, event, letters=True)


class Flag(Switch):
    """A switch."""

    async def on_key(self, event: events.Key) -> None:
        await take_key(self, event, letters=False)
