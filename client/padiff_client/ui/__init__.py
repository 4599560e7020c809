"""The page server of `padiff ui`: kept runs, a running one as it grows, two against each other."""
