"""Where runs are kept."""

from pathlib import Path

RUNS_FOLDER = Path("saved_models")
"""Where runs are kept when nobody says otherwise, below the working folder."""
