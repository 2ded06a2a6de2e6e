"""From one model to another with the same function."""
