"""Plots for the terminal, drawn cell by cell with numpy."""
