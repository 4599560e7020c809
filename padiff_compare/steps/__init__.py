"""The loop over steps: each is run on both sides in one pass or two, and rows come out."""
