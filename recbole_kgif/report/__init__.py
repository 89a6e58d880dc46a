"""Reports on the records of runs.

The data flows one way: `run_records` reads what `run_files` finds and checks that it
can be compared, `run_table` has it as data frames, `statistics` computes, the modules
of pages fill the templates, `rendering` renders them in several formats, and
`report_files` writes them. Nothing here imports torch or RecBole.
"""
