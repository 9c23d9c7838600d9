"""Tables of answers in the dresses that real ones come in, and what a damaged one says."""

import gzip

import numpy as np
import pytest

from medcourse.datasets import read_crowd_table
from medcourse.datasets.table_columns import find_layout
from medcourse.errors import CourseError


def answers_of(table):
    """The answers as (worker, item, class), names and not codes."""
    return [
        (table.worker_names[w], table.item_names[i], table.classes[k])
        for w, i, k in zip(table.worker, table.item, table.label, strict=True)
    ]


def truth_of(table):
    return {
        name: table.classes[code] if code >= 0 else None
        for name, code in zip(table.item_names, table.truth, strict=True)
    }


EXPECTED = [("w1", "q1", "0"), ("w2", "q1", "1"), ("w2", "q2", "1")]
DRESSES = {
    "usual": "worker,item,label\nw1,q1,0\nw2,q1,1\nw2,q2,1\n",
    "other words": "annotator_id;question;answer\nw1;q1;0\nw2;q1;1\nw2;q2;1\n",
    "other order": "label\titem\tworker\n0\tq1\tw1\n1\tq1\tw2\n1\tq2\tw2\n",
    "camel case and more columns": "taskId,time,workerId,response\nq1,9,w1,0\nq1,7,w2,1\nq2,8,w2,1\n",
    "no header": "w1\tq1\t0\nw2\tq1\t1\nw2\tq2\t1\n",
    "blanks": "w1 q1 0\nw2  q1 1\nw2 q2 1\n",
    "byte order mark, Windows": "\ufeffworker,item,label\r\nw1,q1,0\r\nw2,q1,1\r\nw2,q2,1\r\n",
    "blank lines": "\nworker,item,label\n\nw1,q1,0\nw2,q1,1\n\nw2,q2,1\n\n",
    "quotes and blanks": '"worker","item","label"\n"w1"," q1","0"\nw2 ,q1,1\nw2,q2,1\n',
    "numbers of a program that knows missing ones": "worker,item,label\nw1,q1,0.0\nw2,q1,1.0\nw2,q2,1.0\n",
    "numbered rows": ",worker,item,label\n0,w1,q1,0\n1,w2,q1,1\n2,w2,q2,1\n",
}


@pytest.mark.parametrize("text", DRESSES.values(), ids=DRESSES)
def test_the_same_answers_in_any_dress(tmp_path, text):
    path = tmp_path / "answers.csv"
    path.write_text(text, encoding="utf-8", newline="")
    table = read_crowd_table(path)
    assert answers_of(table) == EXPECTED
    assert table.truth is None
    with gzip.open(tmp_path / "answers.csv.gz", "wt", encoding="utf-8", newline="") as file:
        file.write(text)
    path.unlink()
    assert answers_of(read_crowd_table(tmp_path)) == EXPECTED


def test_the_layout_of_snow_2008(tmp_path):
    path = tmp_path / "rte.standardized.tsv"
    path.write_text(
        "!amt_annotation_ids\t!amt_worker_ids\torig_id\tresponse\tgold\n"
        "HGZ1\tA19IBSKBTABMR3\t25\t1\t1\nHGZ2\tAEX5NCH03LWSG\t25\t0\t1\nHGZ3\tAEX5NCH03LWSG\t16\t0\t0\n"
    )
    table = read_crowd_table(path)
    assert table.columns == {"worker": "!amt_worker_ids", "item": "orig_id", "label": "response", "truth": "gold"}
    assert answers_of(table)[1] == ("AEX5NCH03LWSG", "25", "0")
    assert truth_of(table) == {"25": "1", "16": "0"}


def test_the_layout_of_a_platforms_own_files(tmp_path):
    path = tmp_path / "mturk_answers.csv"
    path.write_text(
        "HITId,WorkerId,WorkTimeInSeconds,AssignmentId,Input.song,Input.true_genre,Answer.genre\n"
        '3X,A1,12,9Z,"blues, slow.wav",blues,jazz\n3Y,A2,9,9Y,"blues, slow.wav",blues,blues\n'
    )
    table = read_crowd_table(path)
    assert table.columns["truth"] == "Input.true_genre"
    assert answers_of(table) == [("A1", "blues, slow.wav", "jazz"), ("A2", "blues, slow.wav", "blues")]
    path.write_text("image_id,annotator,diagnosis,seconds_taken_time\n1,a,benign,3\n")
    assert answers_of(read_crowd_table(path)) == [("a", "1", "benign")]


@pytest.mark.parametrize(
    "truths",
    ["item,truth\nq2,1\nq1,0\n", "task,label\nq1,0\nq2,1\n", "q1\t0\nq2\t1\n", "id,GT,seen\nq1,0,x\nq2,1,y\nq9,1,z\n"],
)
def test_the_truth_in_a_second_file(tmp_path, truths):
    (tmp_path / "answers.csv").write_text(DRESSES["usual"])
    (tmp_path / "truth.csv").write_text(truths)
    (tmp_path / "README.txt").write_text("These are answers of two workers.\nThey are made up.\n")
    table = read_crowd_table(tmp_path)
    assert answers_of(table) == EXPECTED
    assert truth_of(table) == {"q1": "0", "q2": "1"}


def test_without_a_header_the_truths_tell_items_from_workers(tmp_path):
    (tmp_path / "answers.txt").write_text("q1\tw1\t0\nq1\tw2\t1\nq2\tw2\t1\n")
    (tmp_path / "truth.txt").write_text("q1\t0\nq2\t1\n")
    assert answers_of(read_crowd_table(tmp_path)) == EXPECTED


def test_names_that_look_like_a_header_are_none(tmp_path):
    (tmp_path / "answers.csv").write_text("user_1,image_1,class_0\nuser_2,image_1,class_1\nuser_2,image_2,class_1\n")
    assert answers_of(read_crowd_table(tmp_path))[0] == ("user_1", "image_1", "class_0")


@pytest.mark.parametrize("unknown", ["", "NA", "nan", "?", "None", "-1"])
def test_a_truth_that_is_not_known(tmp_path, unknown):
    path = tmp_path / "answers.csv"
    path.write_text(f"worker,item,label,true_label\na,1,0,0\na,2,1,{unknown}\nb,2,1,{unknown}\n")
    table = read_crowd_table(path)
    assert table.truth.tolist() == [0, -1]
    assert table.classes == ["0", "1"]


def test_minus_one_is_a_class_where_it_was_answered(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("worker,item,label,gold\na,1,-1,-1\na,2,1,1\n")
    table = read_crowd_table(path)
    assert table.classes == ["-1", "1"]
    assert table.truth.tolist() == [0, 1]


def test_classes_are_sorted_as_numbers_or_as_words_and_hold_those_that_only_the_truth_has(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("worker,item,label,gold\na,1,10,9\na,2,2,2\n")
    assert read_crowd_table(path).classes == ["2", "9", "10"]
    path.write_text("worker,item,label\na,1,mitosis\na,2,debris\n")
    assert read_crowd_table(path).classes == ["debris", "mitosis"]


def test_of_repeated_answers_the_last_counts_and_empty_ones_do_not(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("worker,item,label\na,1,0\na,2,1\na,1,1\nb,1,\nb,2,0\n")
    table = read_crowd_table(path)
    assert answers_of(table) == [("a", "2", "1"), ("a", "1", "1"), ("b", "2", "0")]
    assert (table.n_repeated, table.n_empty) == (1, 1)
    assert "3 answers of 2 workers about 2 items" in table.description


DAMAGED = {
    "more fields": (
        "worker,item,label\na,1,0\nb,1,1,9\n",
        "answers.csv: expected 3 fields in each row;.* line 3, saw 4",
    ),
    "no worker": ("worker,item,label\na,1,0\n,1,1\n", "line 3: expected a name in the column of the worker, got none"),
    "two truths": (
        "worker,item,label,truth\na,1,0,0\na,2,0,0\nb,1,1,1\n",
        "line [24]: expected one truth of item '1', got '[01]' and '[01]'",
    ),
    "unknown words": ("wo,it,la\n1,2,0\n1,3,1\n", "line 1: expected a header of words such as worker.* got wo, it, la"),
    "header only": ("worker,item,label\n", "expected at least one row, found none"),
    "no labels": ("worker,item,label\na,1,\n", "expected at least one answer, found rows without a label"),
    "no answers": ("item,truth\n1,0\n2,1\n", "expected a table with columns for worker.*columns item, truth"),
    "empty": ("", "found answers.csv with nothing"),
    "no table": ("Answers\n", "found answers.csv with no columns"),
}


@pytest.mark.parametrize(("text", "said"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_table_says_where_and_what(tmp_path, text, said):
    path = tmp_path / "answers.csv"
    path.write_text(text)
    with pytest.raises(CourseError, match=said):
        read_crowd_table(path)


def test_what_is_no_text(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_bytes(b"worker,item,label\na,1,\xff\n")
    with pytest.raises(CourseError, match="expected text in UTF-8"):
        read_crowd_table(path)
    (tmp_path / "answers.csv").rename(tmp_path / "answers.csv.gz")
    with pytest.raises(CourseError, match=r"cannot read .*Not a gzipped file"):
        read_crowd_table(tmp_path)


def test_a_folder_without_a_table_with_two_of_them_or_with_the_truth_of_others(tmp_path):
    with pytest.raises(CourseError, match="found none at"):
        read_crowd_table(tmp_path / "nothing")
    with pytest.raises(CourseError, match=r"found no file .csv"):
        read_crowd_table(tmp_path)
    (tmp_path / "a.csv").write_text(DRESSES["usual"])
    (tmp_path / "truth.csv").write_text("item,truth\nx1,0\nx2,1\n")
    with pytest.raises(CourseError, match=r"truth.csv: expected the truth of items such as 'q1', found none"):
        read_crowd_table(tmp_path)
    (tmp_path / "b.csv").write_text(DRESSES["usual"])
    with pytest.raises(CourseError, match=r"expected one table of answers, found 2 \(a.csv, b.csv\): keep one"):
        read_crowd_table(tmp_path)


def test_many_answers(tmp_path):
    rng = np.random.default_rng(0)
    worker, item, label = (rng.integers(n, size=50_000) for n in (300, 5000, 3))
    path = tmp_path / "answers.tsv"
    path.write_text("user\ttask\tvote\n" + "".join(f"u{w}\t{i}\t{k}\n" for w, i, k in zip(worker, item, label)))  # noqa: B905
    table = read_crowd_table(path)
    last = {(f"u{w}", str(i)): str(k) for w, i, k in zip(worker, item, label, strict=True)}
    assert {(w, i): k for w, i, k in answers_of(table)} == last
    assert len(table.label) == len(last) == 50_000 - table.n_repeated


def test_the_first_lines_tell_the_layout(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("w1|q1|yes\nw2|q1|no\n")
    layout = find_layout(path)
    assert (layout.kind, layout.separator, layout.first_line, layout.is_guess) == ("answers", "|", 0, True)
