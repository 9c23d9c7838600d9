"""From the instructor's text to a grade: build the labs, splice submissions, run them, say what passed.

`cells` says what a cell is; `notebooks` reads text and notebooks; `anatomy` holds a lab to its form; `release` builds
the students' notebooks; `leaks` looks for what must not be in them; `splice` cleans a submission; `plain` and its child
process `runner` execute it; `check` grades one notebook; `proofs` grades many variants of answers; `preprocessors` is
what nbgrader calls.
"""
