import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/**
 * Servers in Java that refuse a request by its head. See server_early.bash.
 * Usage: ServerJava socket|http|watchdog PORT
 */
class ServerJava {
    private static final byte[] REPLY = "safeclose\n".repeat(100_000).getBytes(StandardCharsets.US_ASCII);

    private static byte[] head(String status, long length) {
        return ("HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: " + length + "\r\n\r\n")
            .getBytes(StandardCharsets.US_ASCII);
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    /** Waits for the next line of the standard input; false at its end. */
    private static boolean listen() throws IOException {
        int c;
        do {
            c = System.in.read();
        } while (c >= 0 && c != '\n');
        return c >= 0;
    }

    /** Reads up to the blank line, byte by byte, so that all of the body is left. */
    private static void readHead(InputStream in) throws IOException {
        int newlines = 0;
        while (newlines < 2) {
            int c = in.read();
            if (c < 0)
                throw new IOException("no request");
            if (c != '\r')
                newlines = c == '\n' ? newlines + 1 : 0;
        }
    }

    private static Socket accept(String port) throws IOException {
        ServerSocket listener =
            new ServerSocket(Integer.parseInt(port), 5, InetAddress.getByName("127.0.0.1"));
        say("listening");
        return listener.accept();
    }

    private static void socketServer(String port) throws IOException {
        Socket client = accept(port);
        readHead(client.getInputStream());
        say("asked");
        listen();
        OutputStream out = client.getOutputStream();
        out.write(head("413 Content Too Large", REPLY.length));
        out.write(REPLY);
        client.close();
        listen();
    }

    private static boolean isWaitingInPoll(Thread thread) {
        StackTraceElement[] stack = thread.getStackTrace();
        return stack.length > 0 && stack[0].getClassName().equals("sun.nio.ch.Net")
            && stack[0].getMethodName().equals("poll");
    }

    /** The client does not read, so the answer cannot be written; a watchdog closes the socket. */
    private static void watchdogServer(String port) throws Exception {
        Socket client = accept(port);
        // With a time limit on reading, the JDK waits in poll instead of in the read or write itself.
        client.setSoTimeout(60_000);
        readHead(client.getInputStream());
        Thread writer = new Thread(() -> {
            try {
                OutputStream out = client.getOutputStream();
                out.write(head("200 OK", Long.MAX_VALUE));
                for (;;)
                    out.write(REPLY);
            } catch (IOException closed) {
                // As it was meant to be.
            }
        });
        writer.start();
        while (!isWaitingInPoll(writer))
            Thread.yield();
        say("asked");
        listen();
        client.close();
        writer.join();
        listen();
    }

    private static void httpServer(String port) throws IOException {
        HttpServer server = HttpServer.create(
            new InetSocketAddress(InetAddress.getByName("127.0.0.1"), Integer.parseInt(port)), 5);
        server.createContext("/", exchange -> {
            say("asked");
            listen();
            exchange.sendResponseHeaders(401, REPLY.length);
            exchange.getResponseBody().write(REPLY);
            exchange.close();
            // The connection is closed once the handler has returned.
            new Thread(() -> {
                try {
                    listen();
                } catch (IOException gone) {
                    // Nobody will say anything any more.
                }
                server.stop(0);
            }).start();
        });
        server.start();
        say("listening");
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
        case "socket" -> socketServer(arguments[1]);
        case "watchdog" -> watchdogServer(arguments[1]);
        default -> httpServer(arguments[1]);
        }
    }
}
