"""The terminal UI of reskeras: screens that design, start and follow runs."""
