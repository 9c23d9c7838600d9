"""Numbers and pictures come from records, and their absence is said in words."""

import json

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from medcourse.errors import CourseError
from medcourse.grading.harmless import markdown
from medcourse.grading.records import fill


@pytest.fixture
def course(tmp_path):
    for folder in ("course", "bench/results", "solutions/pictures/07_x"):
        (tmp_path / folder).mkdir(parents=True)
    cost = {"seconds": 12.3, "peak_gb": 0.84, "on": "2 cores of a machine"}
    (tmp_path / "bench/results/cost.json").write_text(json.dumps({"course/07_x": cost}))
    row = {"unit": "07_x", "paper": "p", "claim": "more", "paper_figure": "none", "seeds": 5}
    rows = [
        {**row, "ours": 1.234, "low": 1.0, "high": 1.5, "holds": True, "verdict": "holds", "data": "simulated"},
        {
            **row,
            "ours": None,
            "low": None,
            "high": None,
            "holds": None,
            "verdict": "cannot be told",
            "data": "simulated",
        },
        {**row, "ours": 9.0, "low": 8.0, "high": 10.0, "holds": True, "verdict": "holds", "data": "real"},
    ]
    (tmp_path / "bench/results/effects.json").write_text(json.dumps({"rows": rows}))
    speed = {"device": "a GPU", "side": 32, "batch": 16, "measured_mb": 3.04, "torch": "2"}
    steps = [
        {**speed, "input": "2D", "parameters": 5922, "mflops": 1.5, "training_mb": 2.0, "ms_per_step": 2.0},
        {**speed, "input": "3D", "parameters": 17522, "mflops": 96.0, "training_mb": 40.26, "ms_per_step": 100.0},
    ]
    (tmp_path / "bench/results/speed.json").write_text(json.dumps({"rows": steps}))
    (tmp_path / "solutions/pictures/07_x/map.png").write_bytes(b"png")
    return tmp_path


def filled(course, text, name="course/07_x.py"):
    notebook = new_notebook(cells=[new_markdown_cell(text)])
    fill(notebook, course / name)
    return notebook.cells[0]


def test_cost_and_effects_are_the_measured_ones(course):
    assert filled(course, "It costs: {{cost}}").source == (
        "It costs: running all cells takes 12 s and 0.8 GB of memory on 2 cores of a machine."
    )
    table = filled(course, "{{effects}}").source.splitlines()
    assert table[2:] == ["| more | none | 1.2 (1 to 1.5) | holds |", "| more | none |  | cannot be told |"]


def test_large_numbers_are_written_out(course):
    path = course / "bench/results/effects.json"
    row = {"unit": "07_x", "claim": "fewer", "paper_figure": "none", "ours": -101.6, "low": -1527.1, "high": -50.6}
    path.write_text(json.dumps({"rows": [{**row, "verdict": "holds", "data": "simulated"}]}))
    table = filled(course, "{{effects}}").source.splitlines()
    assert table[2:] == ["| fewer | none | -102 (-1,527 to -51) | holds |"]


def test_a_claim_with_bars_stays_in_its_column_of_the_table(course):
    path = course / "bench/results/effects.json"
    row = {"unit": "07_x", "claim": "|a - b| below 1", "paper_figure": "none", "ours": 1.0, "low": 1.0, "high": 1.0}
    path.write_text(json.dumps({"rows": [{**row, "verdict": "holds", "data": "simulated"}]}))
    html = str(markdown(filled(course, "{{effects}}").source))
    assert [html.count("<td>"), html.count("<td>|a - b| below 1</td>"), html.count("<td>holds</td>")] == [4, 1, 1]


def test_a_look_back_quotes_single_claims_and_those_that_came_out_the_other_way(course):
    path = course / "bench/results/effects.json"
    row = {"unit": "07_x", "paper_figure": "said", "ours": -1.5, "low": -2.0, "high": -1.0, "data": "simulated"}
    rows = [
        {**row, "claim": "AUC, a|b above 0", "verdict": "opposite shown"},
        {**row, "claim": "Dice, above 0", "verdict": "not shown"},
        {**row, "claim": "Dice of lesions, above 0", "verdict": "holds", "unit": "08_y"},
        {**row, "claim": "Dice of lesions, above 0", "verdict": "opposite shown", "data": "real"},
    ]
    path.write_text(json.dumps({"rows": rows}))
    assert filled(course, "Dice: {{effect: 07_x: Dice,}}.").source == "Dice: -1.5 (-2 to -1), not shown."
    assert filled(course, "{{opposites}}").source.splitlines()[2:] == [
        "| [7](07_x.ipynb) | AUC, a\\|b above 0 | said | -1.5 (-2 to -1) |"
    ]
    code = new_code_cell('TALLY = """{{tally}}"""')
    fill(new_notebook(cells=[code]), course / "course/20_z.py")
    assert code.source.splitlines() == [
        'TALLY = """unit,holds,not shown,opposite shown,cannot be told',
        "07_x,0,1,1,0",
        '08_y,1,0,0,0"""',
    ]
    with pytest.raises(CourseError, match=r"one effect of 07_x that begins with 'Brier'.*found 0"):
        filled(course, "{{effect: 07_x: Brier}}")
    path.write_text(json.dumps({"rows": [{**rows[0], "verdict": "maybe"}]}))
    with pytest.raises(CourseError, match=r"maybe.*07_x"):
        filled(course, "{{tally}}")


def test_speed_stands_beside_what_flops_predict(course):
    table = filled(course, "{{speed}}").source.splitlines()
    assert table[2:] == [
        "| a GPU | 2D | 32 x 32, 16 | 5,922 | 1.50 | 2.0, 3.0 MB | 2.0 ms | 1.0, 1.0 |",
        "| a GPU | 3D | 32 x 32 x 32, 16 | 17,522 | 96.00 | 40.3, 3.0 MB | 100.0 ms | 50.0, 64.0 |",
    ]


@pytest.mark.parametrize("record", [None, '{"rows": []}'])
def test_speed_that_was_not_measured_is_not_made_up(course, record):
    path = course / "bench/results/speed.json"
    path.unlink() if record is None else path.write_text(record)
    with pytest.raises(CourseError, match=r"bench/speed.py"):
        filled(course, "{{speed}}")


def test_a_stream_is_told_in_events_time_and_memory(course):
    path = course / "bench/results/stream.json"
    row = {"events": 10**6, "how": "streamed", "seconds": 4.21, "added_mb": 29.6, "raw_mb": 40.0, "on": "1 thread"}
    path.write_text(json.dumps({"rows": [row]}))
    table = filled(course, "{{stream}}").source.splitlines()
    assert table[2:] == ["| 1,000,000 | streamed | 4.2 s | 30 MB | 40 MB |", "", "On 1 thread."]
    path.write_text('{"rows": []}')
    with pytest.raises(CourseError, match=r"bench/stream.py"):
        filled(course, "{{stream}}")


def test_pictures_are_attached(course):
    cell = filled(course, "![A map](attachment:map.png)")
    assert cell.attachments == {"map.png": {"image/png": "cG5n"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{cost}}", r"cost of course/08_y.*bench/cost.py"),
        ("{{effects}}", r"effects of 08_y.*medcourse effects 08_y"),
        ("![A map](attachment:map.png)", r"08_y/map.png.*bench/pictures.py"),
    ],
)
def test_what_was_not_measured_is_not_made_up(course, text, said):
    with pytest.raises(CourseError, match=said):
        filled(course, text, "course/08_y.py")
