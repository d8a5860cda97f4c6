"""The advantage of a group: in figures, in behaviour, and in words.

    numeric            (r - mean) / std within a group
    behaviour, contrast, within
                       which behaviours go with reward: counted and tested by the program
    find_recipe        which behaviours together describe the attempts that succeed, in order
    summarise          a long trajectory in a few sentences, by the teacher
    learn, why_not     what one group teaches, or why it does not
    contrast_group     what a mixed group teaches, by the teacher, who has the facts before it
    propose            a batch's lessons and facts -> candidate edits of the memory, in several wordings

Sources: GRPO (arXiv 2402.03300), Training-Free GRPO (arXiv 2510.08191, section 3). That the program counts behaviour
before a model words it is ours.
"""

from __future__ import annotations

from practice.advantage.contrast import behaviour, contrast, sentence, within
from practice.advantage.merge import propose
from practice.advantage.numeric import numeric, settled, silver
from practice.advantage.recipe import Recipe, find_recipe, opened, render
from practice.advantage.teacher import contrast_group, learn, summarise, why_not

__all__ = [
    "Recipe",
    "behaviour",
    "contrast",
    "contrast_group",
    "find_recipe",
    "learn",
    "numeric",
    "opened",
    "propose",
    "render",
    "sentence",
    "settled",
    "silver",
    "summarise",
    "why_not",
    "within",
]
