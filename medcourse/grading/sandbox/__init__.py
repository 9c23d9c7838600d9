"""Run the code of a submission where it can do no harm, and its tests where it cannot reach them."""
