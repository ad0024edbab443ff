"""The noising process as tables: schedules, targets and solvers, in float64, without a framework.

Nobody else in the project knows a schedule or a sampler formula; the engines only walk the tables.
"""
