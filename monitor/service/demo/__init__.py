"""The demo: a traffic model, three incidents, one worker, and a verdict on it."""
