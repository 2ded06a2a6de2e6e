"""The commands of `reskeras`, one a file, and what they share."""
