"""Differences that rounding explains: floors of places, and what is made of noise."""
