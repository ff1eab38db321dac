"""An HTTP server on Python's own http.server that refuses a request by its head, see server_early.bash.

Usage: server_python.py PORT
"""
import http.server
import sys

REPLY = b"safeclose\n" * 100_000


class Refusing(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print("asked", flush=True)
        sys.stdin.readline()
        self.send_response(413)
        self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(REPLY)))
        self.end_headers()
        self.wfile.write(REPLY)

    def log_message(self, *arguments):
        """stderr is for whoever else has something to say."""


with http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Refusing) as server:
    print("listening", flush=True)
    server.handle_request()
    sys.stdin.read()
