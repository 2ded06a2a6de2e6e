"""The colours of the terminal UI: hues that stay apart for colour-blind eyes (Okabe and Ito 2008)."""

from textual.theme import Theme

DARK = Theme(
    name="reskeras",
    primary="#4ea8de",
    secondary="#56b4e9",
    accent="#e6a23c",
    success="#2fbf9b",
    warning="#f0e442",
    error="#ff7f50",
    foreground="#d5dbe3",
    background="#0e1319",
    surface="#151c25",
    panel="#1d2733",
    dark=True,
    variables={
        "footer-background": "#151c25",
        "footer-key-foreground": "#e6a23c",
        "footer-description-foreground": "#9aa7b5",
        "border": "#4ea8de",
        "border-blurred": "#2a3644",
        "input-cursor-background": "#e6a23c",
        "input-cursor-foreground": "#0e1319",
        "input-selection-background": "#4ea8de 35%",
        "block-cursor-background": "#274156",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "scrollbar": "#2a3644",
        "scrollbar-hover": "#3b4b5d",
        "scrollbar-active": "#4ea8de",
        "scrollbar-background": "#0e1319",
        "scrollbar-corner-color": "#0e1319",
    },
)

LIGHT = Theme(
    name="reskeras-light",
    primary="#005f9e",
    secondary="#0072b2",
    accent="#9a4d00",
    success="#00795a",
    warning="#7a6a00",
    error="#b92b05",
    foreground="#1c2733",
    background="#fbfcfd",
    surface="#eef2f6",
    panel="#dfe6ed",
    dark=False,
    variables={
        "footer-background": "#eef2f6",
        "footer-key-foreground": "#9a4d00",
        "footer-description-foreground": "#46535f",
        "border": "#0072b2",
        "border-blurred": "#c3ced9",
        "input-cursor-background": "#9a4d00",
        "input-cursor-foreground": "#fbfcfd",
        "input-selection-background": "#0072b2 30%",
        "block-cursor-background": "#bfdcf0",
        "block-cursor-foreground": "#0e1319",
        "block-cursor-text-style": "bold",
        "scrollbar": "#c3ced9",
        "scrollbar-hover": "#a5b4c3",
        "scrollbar-active": "#0072b2",
        "scrollbar-background": "#fbfcfd",
        "scrollbar-corner-color": "#fbfcfd",
    },
)

BY_NAME = {"dark": DARK, "light": LIGHT}
"""The themes by what preferences call them."""
