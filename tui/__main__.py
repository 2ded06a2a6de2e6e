"""Run the terminal UI with `python -m reskeras_tui`."""

from .program import main

if __name__ == "__main__":
    main()
