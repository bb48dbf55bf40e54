"""Grids of trainings: what they are, a store that loses nothing, and the engine that fills it."""
