"""A WSGI application that answers a request without reading its body."""

ANSWER = b"safeclose\n" * 200_000


def application(environ, start_response):
    start_response("413 Content Too Large", [("Content-Length", str(len(ANSWER)))])
    return [ANSWER]
