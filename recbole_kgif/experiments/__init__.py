"""Many runs under one protocol: comparisons, ablations, robustness studies, tunings.

The data flows one way. `planning` finds the data set and reads the options that a user
gives; `run_requests`, `variant_requests` and `trial_requests` turn them into requests;
`parallel_runs` starts a process for each, `run_worker` is that process, and `run_store`
knows the files between them. `tuning` follows the trials with Optuna. The results are
read by `recbole_kgif.report`.
"""
