"""Kinds of documents that the laboratory is trained on; each module draws one kind."""
