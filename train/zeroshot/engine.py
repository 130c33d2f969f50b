"""What an evaluation asks of a model: how likely tokens are, and how a prompt goes on. Batched, nothing computed twice.

Tokens in, numbers out. What the tokens mean is the tasks' business. Batches are made so that the largest block of
logits and of keys and values stays below a limit; results depend on what stands beside what in their last bits only.
"""

from __future__ import annotations

from webtext.train.zeroshot.continuations import Continuations
from webtext.train.zeroshot.likelihoods import Likelihoods


class Engine(Likelihoods, Continuations):
    """A model and its tokenizer, ready to be asked. Give token sequences that fit into `context`."""
