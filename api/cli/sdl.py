"""`sdl`: the API's schema as text."""

import click


@click.command(short_help="Print the API's schema, ready for federation.")
def sdl() -> None:
    """Print the API's schema in GraphQL's schema language, with the directives of federation.

    The text equals the committed schema/schema.graphql; `./kyoso check` compares the two.
    """
    from schema.build import sdl as text

    click.echo(text(), nl=False)
