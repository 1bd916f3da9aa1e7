"""Tables and, below them, the verbs that change them."""
