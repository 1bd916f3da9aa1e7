"""One GraphQL operation, one SQL statement. Knows graphql-core and SQL; knows nothing of recruiting.

The words a schema uses are in `planner.declare`; what stands here is the outside contract (docs/planner.md).
"""

from planner.catalog import Catalogue
from planner.engine import Bound, Planner, Prepared, Request, Stream, body
from planner.errors import DeclarationError, InvalidRequestError, RequestError
from planner.limits import Limits
from planner.run import Acquire, Answer, Perform, Read, Viewer

__all__ = [
    "Acquire",
    "Answer",
    "Bound",
    "Catalogue",
    "DeclarationError",
    "InvalidRequestError",
    "Limits",
    "Perform",
    "Planner",
    "Prepared",
    "Read",
    "Request",
    "RequestError",
    "Stream",
    "Viewer",
    "body",
]
