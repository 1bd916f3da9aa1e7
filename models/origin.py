"""The sites of clients: where the browser programs live that people are sent back to."""

from models.db import Connection, queries


async def redirect_uris(connection: Connection) -> list[str]:
    """Every address to which a client that may ask for tokens has codes sent."""
    return [row["uri"] async for row in queries("origin").redirect_uris(connection)]
