"""The paper's zero-shot evaluation, run on any GPT-2: tasks as data, scorers, results, the table."""
