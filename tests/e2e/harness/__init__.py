"""What the tests are made with: the real programs as processes, databases, load, and what was seen of it."""
