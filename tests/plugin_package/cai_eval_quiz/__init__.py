"""A quiz, a note before every question, and what the note changed."""
