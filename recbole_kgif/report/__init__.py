"""Reports made of the records of runs.

The data flows one way: `run_records` reads what `run_files` finds and checks that it
can be compared, `statistics` computes, the modules of pages say what a report holds,
and `report_files` writes it in several formats. Nothing here imports torch or RecBole.
"""
