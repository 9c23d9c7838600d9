"""From the instructor's text to a grade: build the labs, splice submissions, run them, say what passed.

Labs. `cells` says what a cell is; `notebooks` reads text and notebooks; `records` puts measured numbers into text;
`anatomy` holds a lab to its form and `lint` its tests to their contract, by what `flow` knows of names and values;
`release` builds the students' notebooks; `leaks` looks for what must not be in them.

One submission. `splice` cleans it; `plan` says what is run; `sandbox` runs it; `submission` is all of that as a pure
function; `check` grades one's own work. `plain` with its child process `runner` is for systems without a sandbox, and
`shell` is what both run cells in.

A class. `workforce` are the workers, each with one of `engines`; `crew` hands them submissions, `classroom` decides
which; `journal` keeps what was found and `gradebook` writes it into nbgrader's `database`, whose `address` may be of
PostgreSQL, where `locks` keep runs apart; `grades` is what a run says and `report` sums up; `preprocessors` is what
nbgrader calls. `backup` copies gradebook and journals and puts them back; what it needs of SQLite is in `stores`, of
PostgreSQL in `dumps`. `feedback` makes pages for students, of which `harmless` keeps what could harm. `crowd` gathers
what a class answered in a labelling game.

The tests of labs. `proofs` grades variants of answers, `mutants` makes some, replacing `segments` of text, and `audit`
says what they show.
"""
