"""Load cases: one process per subject, CPU of the whole process tree, nginx in the same run."""
