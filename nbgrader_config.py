"""nbgrader's settings for this course: copy or keep this file in the folder where you run `nbgrader`.

An instructor's term: `medcourse build`, then `nbgrader generate_assignment --force`, `release_assignment`, `collect`,
`medcourse grade` (or `nbgrader autograde`, one after another), `nbgrader generate_feedback`, `release_feedback`,
`export`, each with the name of a lab. A student's: `nbgrader fetch_assignment`, `submit`, `fetch_feedback`, or the same
in JupyterLab's menu.

What differs between installations is read from the environment:

MEDCOURSE_EXCHANGE      folder that instructor and students share (default: nbgrader's own)
MEDCOURSE_STUDENT       who hands in (default: the operating system's user)
MEDCOURSE_GRADEBOOK     SQLAlchemy address of the gradebook (default: gradebook.db in this folder)
MEDCOURSE_CELL_SECONDS  how long one cell of a submission may take (default: 60)
MEDCOURSE_TIER          the weakest sandbox that will do: namespaces, landlock or plain (default: landlock)
MEDCOURSE_SECRET_SEED   the class's seed for the inputs of hidden tests (default: drawn once, in grading/secret_seed)
"""

import os
from pathlib import Path

c = get_config()  # noqa: F821  (nbgrader runs this file and provides it)

c.CourseDirectory.course_id = "medcourse"
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
# `medcourse build` fills both from solutions/. nbgrader hands every other file of a source folder to students too, so
# these folders hold one notebook each and nothing else, and the truth lies elsewhere.
c.CourseDirectory.source_directory = "build/source"
c.CourseDirectory.release_directory = "assignments"
if "MEDCOURSE_GRADEBOOK" in os.environ:
    c.CourseDirectory.db_url = os.environ["MEDCOURSE_GRADEBOOK"]
if "MEDCOURSE_STUDENT" in os.environ:
    c.CourseDirectory.student_id = os.environ["MEDCOURSE_STUDENT"]
if "MEDCOURSE_EXCHANGE" in os.environ:
    c.Exchange.root = os.environ["MEDCOURSE_EXCHANGE"]

# Validate, the students' button, runs what is graded and not the experiments, which train for a minute.
c.Execute.skip_cells_with_tag = "experiment"
# What kernels say goes through ports of the machine, which its other users could listen to.
c.KernelManager.transport_encryption = "auto"

# Marking schemes stand at the end of written questions; nbgrader by itself wants them in cells of type "task".
c.ClearMarkScheme.enforce_metadata = False

# Take the answers out of a submission and put them into the released notebook, whatever was done to the rest of it.
c.Autograde.sanitize_preprocessors = [
    "medcourse.grading.preprocessors.Splice",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# As nbgrader has it, but for Execute: Judge runs submissions in a sandbox, or takes what `medcourse grade` found there.
c.Autograde.autograde_preprocessors = [
    "medcourse.grading.preprocessors.Judge",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "medcourse.grading.late.GrantExtension",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Judge.cell_seconds = float(os.environ.get("MEDCOURSE_CELL_SECONDS", "60"))
# Below this sandbox nothing is graded: `medcourse doctor` says which one a machine has.
c.Judge.minimum_tier = os.environ.get("MEDCOURSE_TIER", "landlock")

# What is late costs nothing unless you say so: per cent of what was earned, for each day begun after the due date, once
# the grace is over, down to a floor. Due dates are set in formgrader, extensions given by `medcourse extend`.
c.AssignLatePenalties.plugin_class = "medcourse.grading.late.LatePolicy"
c.LatePolicy.grace_minutes = 0
c.LatePolicy.percent_a_day = 0
c.LatePolicy.floor_percent = 0
# Whose a submission is and when it came is said by the exchange, by its owner and its clock, and not by the student.
# What is somebody else's, too much (see c.HandIn.max_files, c.CourseDirectory.max_dir_size) or no submission is set
# aside. Where all students are one account of the machine, and collecting is done by another:
# c.Collect.check_owner = False.
c.ExchangeFactory.collect = "medcourse.grading.collect.Collect"
c.ExchangeFactory.submit = "medcourse.grading.submit.Submit"

# A page that shows what was earned and why, without what is hidden; it runs nothing and loads nothing.
c.GenerateFeedback.preprocessors = [
    "medcourse.grading.feedback.HideSecrets",
    "medcourse.grading.feedback.Summarise",
]
c.GenerateFeedback.exporter_class = "medcourse.grading.feedback.FeedbackExporter"
