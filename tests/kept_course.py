"""A small course whose gradebook is kept in SQLite or in PostgreSQL, for the tests that compare the two."""

import logging
import os
import re
import shutil
import sqlite3
import warnings
from contextlib import closing, contextmanager

from nbgrader.apps import NbGraderAPI
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory
from sqlalchemy import make_url

from medcourse.grading import release
from medcourse.grading.gradebook import Course
from tests.postgres import read_gradebook
from tests.small_class import LAB, gradebook

OTHER = "00_other"
"""The same lab under another name."""

_LOG = logging.getLogger("tests.kept_course")
_LOG.propagate = False


class KeptCourse:
    """A course, and where its gradebook is.

    Attributes
    ----------
    url
        Of the gradebook in PostgreSQL, None where it is `gradebook.db`.
    """

    def __init__(self, root, url=None, server=None):
        self.root, self.url, self.server = root, url, server

    @property
    def environ(self):
        """What a command needs to find both."""
        return {"MEDCOURSE_ROOT": str(self.root)} | ({"MEDCOURSE_GRADEBOOK": self.url} if self.url else {})

    @property
    def database(self):
        return self.url.rpartition("/")[2]

    def sqlalchemy(self):
        """Return the address in PostgreSQL as SQLAlchemy has it."""
        return make_url(self.url)

    def gradebook(self, lab=LAB):
        """Return all that the gradebook knows of a lab's students, read by hand."""
        return read_gradebook(self.server, self.database, lab) if self.url else gradebook(self.root, lab)

    def execute(self, statement):
        """Change the gradebook as another program does, without asking nbgrader."""
        if self.url:
            self.server.execute(statement, self.database)
            return
        with closing(sqlite3.connect(self.root / "gradebook.db", timeout=30)) as database, database:
            database.execute(statement)

    def ask(self, question):
        """Return what the gradebook says, without asking nbgrader."""
        if self.url:
            return self.server.execute(question, self.database)
        with closing(sqlite3.connect(self.root / "gradebook.db", timeout=30)) as database:
            return database.execute(question).fetchall()

    @contextmanager
    def in_force(self):
        """Let this process be in this course."""
        before = {
            name: os.environ.get(name) for name in ("MEDCOURSE_ROOT", "MEDCOURSE_GRADEBOOK", "MEDCOURSE_EXCHANGE")
        }
        os.environ.pop("MEDCOURSE_GRADEBOOK", None)
        os.environ.update(
            self.environ | {"MEDCOURSE_EXCHANGE": str(self.root.parent / f"exchange of {self.root.name}")}
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # SQLAlchemy's, about nbgrader's models
                yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})

    def nbgrader(self):
        """Return nbgrader's commands, run in this process."""
        course = Course(self.root)
        return NbGraderAPI(course.directory, config=course.config)

    def generate(self, lab):
        """Let the gradebook know a lab."""
        with self.in_force():
            made = self.nbgrader().generate_assignment(lab)
        assert made["success"], made

    def student(self, name, home):
        """Return nbgrader's commands for one student at home: `fetch`, `submit` and `fetch_feedback` by lab."""
        config = Course(self.root).config.copy()
        config.CourseDirectory.update(root=str(home), student_id=name, db_url="sqlite://")
        config.Exchange.update(assignment_dir=str(home), cache=str(home / ".cache"))
        factory = ExchangeFactory(config=config)

        def run(kind, lab):
            config.CourseDirectory.assignment_id = lab
            directory = CourseDirectory(config=config)
            kind(coursedir=directory, authenticator=Authenticator(config=config), config=config, log=_LOG).start()

        return {
            "fetch": lambda lab: run(factory.FetchAssignment, lab),
            "submit": lambda lab: run(factory.Submit, lab),
            "fetch_feedback": lambda lab: run(factory.FetchFeedback, lab),
        }


def keep_course(small_course, root, url=None, server=None):
    """Copy the small course, and let the database at an address know its lab where one is given."""
    shutil.copytree(small_course, root)
    course = KeptCourse(root, url, server)
    if url:
        (root / "gradebook.db").unlink()  # nothing may use it
        course.generate(LAB)
    return course


def add_other(course):
    """Add the other lab."""
    folder = course.root / "solutions"
    shutil.copy(folder / f"{LAB}.py", folder / f"{OTHER}.py")
    release.build(course.root, [OTHER])
    course.generate(OTHER)


def copied(course, root, database):
    """Return a copy of a course kept in PostgreSQL, in a database of its own."""
    shutil.copytree(course.root, root)
    return KeptCourse(root, course.server.create(database, course.database), course.server)


@contextmanager
def own_course(template, folder, monkeypatch):
    """Copy a course kept in PostgreSQL into a folder; the command line takes it for its own until the block ends."""
    database = re.sub(r"\W", "_", folder.name)[:50]
    course = copied(template, folder / "course", database)
    for name in list(os.environ):
        if name.startswith("MEDCOURSE_"):
            monkeypatch.delenv(name)
    for name, value in course.environ.items():
        monkeypatch.setenv(name, value)
    try:
        yield course
    finally:
        course.server.execute(f'drop database if exists "{database}" with (force)')
