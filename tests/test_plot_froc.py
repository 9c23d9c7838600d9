"""Free-response curves on paper."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from sklearn.utils import Bunch

from medcourse import plots
from medcourse.errors import CourseError
from medcourse.froc import bootstrap_froc, froc


@pytest.fixture(scope="module")
def scans():
    rng = np.random.default_rng(0)
    return [Bunch(nodule_scores=rng.normal(1, 1, 2), false_positive_scores=rng.normal(0, 1, 9)) for _ in range(12)]


def test_dots_stand_where_cpm_reads_the_curve_on_an_axis_of_doublings(scans):
    figure = plots.plot_froc({"net": froc(scans)}, title="Simulated")
    (ax,) = figure.axes
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1/8", "1/4", "1/2", "1", "2", "4", "8"]
    line, dots = ax.lines
    assert dots.get_xdata() == pytest.approx([0.125, 0.25, 0.5, 1, 2, 4, 8])
    assert dots.get_ydata() == pytest.approx(np.interp(dots.get_xdata(), line.get_xdata(), line.get_ydata()))
    places = ax.transData.transform([(x, 0) for x in dots.get_xdata()])[:, 0]
    assert np.diff(places) == pytest.approx(np.full(6, np.diff(places).mean()))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("false positives a scan", "sensitivity")


def test_a_band_lies_around_its_curve(scans):
    band = bootstrap_froc(scans, n_bootstraps=100)
    figure = plots.plot_froc({"net": band, "none": froc(scans)}, unit="patient")
    bands = [each for each in figure.axes[0].collections if isinstance(each, PolyCollection)]
    assert len(bands) == 1
    heights = bands[0].get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(band.low.min())
    assert heights.max() == pytest.approx(band.high.max())
    assert "false positives a patient" in figure.get_label()
    assert f"net: {band.sensitivity[0]:.2f} at 1/8" in figure.get_label()


def test_no_curve_is_refused():
    with pytest.raises(CourseError, match="at least one named curve"):
        plots.plot_froc({})
