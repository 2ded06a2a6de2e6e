"""A run, or several side by side, as charts and as one HTML file that needs nothing else.

reskeras.report.write_html([reskeras.runs.open("runs/my-run")], "my-run.html")
"""

from reskeras.report.charts import charts, write_charts
from reskeras.report.page import html, write_html

__all__ = ["charts", "html", "write_charts", "write_html"]
