"""Reports and charts: whole, self-contained, safe with any text, and right in their numbers."""

import re
import xml.dom.minidom
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from command import command
from script_runs import ScriptRun

from reskeras.report import charts, html, write_charts, write_html
from reskeras.report.courses import MOST_COLUMNS, course, profile
from reskeras.report.svg import Line, heat_map, line_chart, png, ticks
from reskeras.runs import RunError, labels

pytestmark = pytest.mark.any_backend


def recorded(folder, steps=40):
    script = ScriptRun(folder, steps=steps, epochs=2)
    for step in range(1, steps + 1):
        script.grow([step, 2 * step, 3 * step, 4 * step], loss=1 / step)
    return script.epoch(1, loss=0.75, validation_loss=0.8, validation_accuracy=0.5).finish().run


class Page(HTMLParser):
    """The text of a page, and what it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.words, self.fetched, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href") and not value.startswith("data:")]

    def handle_data(self, data):
        self.words.append(data)


def test_a_report_holds_everything_and_fetches_nothing(tmp_path):
    run = recorded(tmp_path / "mine")
    labels.note(run, "first try")
    labels.tag(run, "paper")
    page = Page(write_html([run], tmp_path / "out" / "mine.html").read_text("utf-8"))
    text = " ".join(page.words)
    for part in ("mine", "first try", "#paper", "Verdict", "0.75", "50.00 %", "gradient norm", "finished"):
        assert part in text, part
    assert page.fetched == [] and "script" not in page.tags and page.tags.count("svg") >= 3


def test_a_report_tells_the_scores_of_a_task(tmp_path):
    script = ScriptRun(tmp_path / "mine").grow([1, 2, 3, 4])
    script.events.write("tested", test_loss=0.5, test_accuracy=0.75, test_f1=0.625)
    text = html([script.finish().run, recorded(tmp_path / "other")])
    assert "<th>f1</th><td>0.625</td><td>–</td>" in text and "bleu" not in text


def test_several_runs_share_a_report_and_differences_stand_out(tmp_path):
    runs = [recorded(tmp_path / "one"), recorded(tmp_path / "other", steps=20)]
    text = html(runs)
    assert "A one" in text and "B other" in text and '<tr class="differs"><th>steps done</th>' in text
    drawn = charts(runs)
    # Each run has a map of its own, on one scale.
    maps = [each for name, each in drawn.items() if name.startswith("gradient-norm-layer")]
    ends = {tuple(re.findall(r">(\de[+-]\d\d)<", each)) for each in maps}
    assert len(maps) == 2 and len(ends) == 1
    with pytest.raises(RunError, match="1 to 8 runs; received 9"):
        html([runs[0]] * 9)


def test_text_from_anywhere_is_only_text(tmp_path):
    run = recorded(tmp_path / "a<script>alert(1)<&b")
    labels.note(run, "<img src=x onerror=alert(1)>")
    page = Page(html([run]))
    assert "script" not in page.tags and "img" not in page.tags
    for each in charts([run]).values():
        xml.dom.minidom.parseString(each)


def test_a_run_of_which_nothing_was_measured_has_a_report(tmp_path):
    run = ScriptRun(tmp_path / "empty").finish().run
    assert "Nothing can be said yet" in html([run])
    assert write_charts([run], tmp_path / "charts") == []


def test_a_long_run_has_few_columns_and_keeps_its_spikes(tmp_path):
    values = np.ones((3000, 4))
    values[1234] = 50.0
    run = ScriptRun(tmp_path / "long", steps=3000, epochs=1).grow_many(values).finish().run
    found = course(run, "gradient_norm", "layer")
    assert len(found.steps) <= MOST_COLUMNS and found.steps[-1] == 3000
    whole = run.series("gradient_norm", "layer")
    assert found.values.max() == whole.largest.max()
    assert np.allclose(profile(found), np.median(found.values[found.steps > 2900], axis=0))


def test_lines_are_where_their_numbers_are():
    text = line_chart("t", [Line("up", np.arange(11), np.arange(11.0)), Line("gap", np.arange(3), [1, np.nan, 1])], "x")
    xml.dom.minidom.parseString(text)
    first, second = re.findall(r'<path d="([^"]*)"', text)
    points = [tuple(map(float, each.split())) for each in first[1:].split("L")]
    across, up = np.diff(np.array(points), axis=0).T
    assert np.all(across > 0) and np.allclose(up, up[0], atol=0.2) and up[0] < 0
    assert second.count("M") == 2
    # Told apart without colour.
    assert len(set(re.findall(r'stroke-dasharray="([^"]*)" stroke-linejoin', text))) == 2
    assert "nothing finite" in line_chart("t", [Line("none", np.arange(2), [np.nan, np.inf])], "x")
    assert "<path" in line_chart("t", [Line("one", np.array([3.0]), np.array([2.0]))], "x")


def test_a_map_is_bright_where_values_are_large():
    picture = png(np.array([[0, 1, 255]], np.uint8))
    assert picture.startswith(b"\x89PNG") and picture.endswith(b"IEND\xaeB`\x82")
    data = picture[picture.index(b"IDAT") + 4 :]
    assert zlib.decompressobj().decompress(data) == bytes([0, 0, 1, 255])
    text = heat_map("t", ["a", "b"], np.array([1, 2]), np.array([[1e-6, 1.0], [1e-6, np.nan]]))
    xml.dom.minidom.parseString(text)
    assert "nothing finite" in heat_map("t", ["a"], np.array([1]), np.array([[np.nan]]))


@pytest.mark.parametrize("low, high", [(0, 1), (-3.2, 4.7), (1e-9, 2e-9), (1e6, 3e6)])
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high, 5)
    assert 2 <= len(found) <= 7 and all(low - 1e-12 <= each <= high * (1 + 1e-9) for each in found)


def test_the_command_writes_where_it_is_told(tmp_path):
    recorded(tmp_path / "runs" / "mine")
    done = command("report", "mine", "--runs", tmp_path / "runs", "--out", tmp_path / "x.html")
    assert done.code == 0 and str(tmp_path / "x.html") in done.out and (tmp_path / "x.html").is_file()
    done = command("report", "mine", "--runs", tmp_path / "runs", "--svg", tmp_path / "charts")
    assert done.code == 0 and len(list((tmp_path / "charts").glob("*.svg"))) >= 3
    done = command("report", "mime", "--runs", tmp_path / "runs")
    assert done.code == 2 and "Did you mean" in " ".join(done.err.split()) and "Traceback" not in done.err
