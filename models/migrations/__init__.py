"""Migrations: handwritten DDL beside one short Python file each, in order. They are the only source of the schema."""
