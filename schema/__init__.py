"""The GraphQL words: types that say where they live, and verbs that call the models."""
