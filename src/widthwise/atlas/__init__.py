"""Atlas: published claims as experiments with hypotheses, predictions, measurements, controls and verdicts."""
