"""What a run will cost, from a sample of it: calls, tokens, usd and seconds, each with an interval and a worst case.

Pure functions of figures. The sample is a few practice tasks, tried and studied as the run would (``sampling.py``);
:func:`predict` goes through the run some hundred times in figures alone and takes the median and the middle 95 %.

``values``    what goes in and what comes out
``play``      one run gone through: how many attempts, lessons, merges and tests there are
``predict``   what these cost, over many runs; a prediction against what came
"""

from __future__ import annotations

from practice.prediction.predict import check, predict
from practice.prediction.values import Attempt, Checked, Foretold, Outline, Prediction, Range, Sample, Sampled

__all__ = ["Attempt", "Checked", "Foretold", "Outline", "Prediction", "Range", "Sample", "Sampled", "check", "predict"]
