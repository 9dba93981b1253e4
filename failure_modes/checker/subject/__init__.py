"""What is under test: our queue's programs, its handler, and how its rows are read as the model's values."""
