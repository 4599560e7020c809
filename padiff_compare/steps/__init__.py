"""The steps of a comparison: both workers run, their captures meet, pairs are measured, rows come out."""
