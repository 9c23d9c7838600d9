"""The class file: what a spreadsheet saves is read, and what is wrong with it is said in one line with its row."""

import pytest

from medcourse import cli
from medcourse.errors import CourseError
from medcourse.hub.roster import Person, read_class

CLASS = (Person("ivy", "instructor"), Person("ann", "student"), Person("ben-2", "student"))


@pytest.mark.parametrize(
    "content",
    [
        b"name,role\nivy,instructor\nann,student\nben-2,student\n",
        b"\xef\xbb\xbfname;role\r\nivy;instructor\r\nann;student\r\nben-2;student\r\n",
        b"role\tname\ninstructor\tivy\nstudent\tann\nstudent\tben-2",
        b'Name , Role\n\n" ivy ",Instructor\n , \nann,STUDENT\nben-2,student\n\n',
    ],
    ids=["plain", "spreadsheet", "tabs", "blanks"],
)
def test_a_class_is_read_however_it_was_saved(tmp_path, content):
    (tmp_path / "class.csv").write_bytes(content)
    assert read_class(tmp_path / "class.csv") == CLASS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "row 1 .* got nothing"),
        (b"name,role\n", "expected people .* got none"),
        (b"ann,student\nivy,instructor\n", "expected the columns name,role in row 1 .* got ann,student"),
        (b"name,role,mail\nivy,instructor,x\n", "got name,role,mail"),
        (b"name,name\nivy,instructor\n", "got name,name"),
        (b"name,role\nivy,instructor\nann,student\n\nann,student\n", "row 5: ann is in row 3 already"),
        (
            b"name,role\nivy,instructor\nann,teacher\n",
            "row 3: expected the role student or instructor for ann, got 'teacher'",
        ),
        (b"name,role\nivy,instructor\nann\n", "row 3: expected a name and a role, got 1 columns"),
        (b"name,role\nann,student\n", "expected an instructor"),
        (b"name,role\nivy,instructor\nAnn,student\n", "row 3: expected the name of an account .* got 'Ann'"),
        (b"name,role\nivy,instructor\na+b,student\n", "row 3: .* got 'a\\+b'"),
        (b"name,role\nivy,instructor\n../ann,student\n", "row 3: .* got '../ann'"),
        (b"name,role\nivy,instructor\n7of9,student\n", "row 3: .* got '7of9'"),
        (b"name,role\nivy,instructor\n" + b"a" * 33 + b",student\n", "row 3: .* 32 at most"),
        (b"name,role\nivy,instructor\n,student\n", "row 3: .* got ''"),
        (b"name,role\nivy,instructor\nroot,student\n", "row 3: root is reserved"),
        (b"name,role\nmedcourse-grader,instructor\n", "row 2: medcourse-grader is reserved"),
        (b'name,role\nivy,"instructor\n', "expected a table of name,role"),
        ("name,role\nivy,instructor\nj\xf6rg,student\n".encode("latin-1"), "expected .* in UTF-8"),
        ("name,role\nivy,instructor\nj\xf6rg,student\n".encode(), "row 3: .* got 'j\xf6rg'"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(tmp_path, content, said):
    (tmp_path / "class.csv").write_bytes(content)
    with pytest.raises(CourseError, match=said) as error:
        read_class(tmp_path / "class.csv")
    assert "\n" not in str(error.value)


def test_a_class_file_that_is_not_there_costs_one_line_and_makes_nothing(tmp_path, capsys):
    assert cli.main(["hub", str(tmp_path / "none.csv"), "--demo", "--folder", str(tmp_path / "hub")]) == 2
    assert (
        capsys.readouterr().err
        == f"medcourse: cannot read the class file {tmp_path / 'none.csv'}: No such file or directory\n"
    )
    assert not (tmp_path / "hub").exists()
